"""Initial weights of the rich-feedback model."""

from __future__ import annotations

import torch
from transformers import BlipForQuestionAnswering

from menagerie.datasets.rated_pictures import RatedPictures
from menagerie.recipes.rich import build
from menagerie.training.init_weights import copy_vision_tower, init_word_embeddings
from menagerie.training.model_folder import MODELS
from menagerie.training.pretrain_patches import LABELS, PatchClassifier


def test_a_vit_that_inherits_a_tower_sees_what_the_tower_sees():
    tower = BlipForQuestionAnswering.from_pretrained(MODELS / "vqa", dtype=torch.float32).vision_model.eval()
    model, _ = build("seven")
    copy_vision_tower(model.eval(), tower)
    pixels = torch.rand(4, 3, 64, 64) * 2 - 1
    with torch.no_grad():
        theirs, mine = tower(pixel_values=pixels), model.vit(pixel_values=pixels)
    torch.testing.assert_close(mine.last_hidden_state, theirs.last_hidden_state, rtol=1e-4, atol=1e-4)


def test_words_begin_as_the_patches_that_they_name(rated: RatedPictures):
    model, tokenizer = build("seven")
    naming = PatchClassifier(128, rated.pictures)
    before = model.t5.shared.weight.clone()
    init_word_embeddings(model, tokenizer, naming)
    with torch.no_grad():
        seen = model.join(naming.head.weight)
        words = model.t5.shared(tokenizer(" penguin penguins lantern red the", return_tensors="pt").input_ids[0, :5])
    torch.testing.assert_close(words.norm(dim=1)[:4], torch.full((4,), 128**0.5))
    alike = torch.cosine_similarity(words[:, None], seen[None], dim=-1)
    assert [LABELS[i] for i in alike.argmax(1)[:4]] == ["penguin", "penguin", "lantern", "red"]
    assert (alike.amax(1)[:4] > 0.999).all()
    assert torch.equal(words[4], before[tokenizer(" the").input_ids[0]])
