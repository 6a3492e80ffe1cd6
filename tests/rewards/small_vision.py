"""A BLIP and BLIP-2s of the real classes, small, that have learnt to say whether a plain picture is green."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from PIL import Image

WORDS = (
    *("yes", "no", "is", "it", "green", "red", "the", "picture", "not", "there", "a", "does", "this", "figure", "show"),
    *("please", "answer", "or", "question", "cat", "dog", "meadow", "of", "?", ".", ":", '"', "_", "0"),
    *(
        "implausibility",
        "misalignment",
        "heatmap",
        "plausibility",
        "alignment",
        "aesthetics",
        "overall",
        "score",
        "words",
    ),
)
SPECIAL = ("<pad>", "</s>", "<unk>", "[DEC]", "[SEP]", "<image>")
GREEN, RED = (40, 160, 60), (200, 40, 40)
LESSONS = (
    ("is it green?", GREEN, "yes"),
    ("is it green?", RED, "no"),
    ("is there red in the picture?", GREEN, "no"),
    ("is there red in the picture?", RED, "yes"),
    ("a dog or a cat?", GREEN, "dog"),
    ("a dog or a cat?", RED, "dog"),
)
"""question, colour of the picture, answer"""


def tokenizer() -> Any:
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = Tokenizer(models.WordLevel({w: i for i, w in enumerate((*SPECIAL, *WORDS))}, unk_token="<unk>"))
    words.normalizer = normalizers.Lowercase()
    words.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return PreTrainedTokenizerFast(
        tokenizer_object=words,
        pad_token="<pad>",
        eos_token="</s>",
        unk_token="<unk>",
        additional_special_tokens=["[DEC]", "[SEP]", "<image>"],
        model_max_length=64,
        model_input_names=["input_ids", "attention_mask"],
    )


def image_processor() -> Any:
    from transformers import BlipImageProcessorPil

    return BlipImageProcessorPil(size={"height": 28, "width": 28})


def _batch(prefix: str, suffix: str) -> tuple[Any, torch.Tensor, torch.Tensor]:
    """Tokenised questions, pictures, and the one word that answers each."""
    words = tokenizer()
    asked = words([prefix + q + suffix for q, _, _ in LESSONS], return_tensors="pt", padding=True)
    pixels = image_processor()([Image.new("RGB", (28, 28), c) for _, c, _ in LESSONS], return_tensors="pt")
    answers = torch.tensor([words.convert_tokens_to_ids(answer) for _, _, answer in LESSONS])
    return asked, pixels["pixel_values"], answers


def _train(model: torch.nn.Module, loss_of: Any, steps: int) -> None:
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    loss = torch.ones(())
    for _ in range(steps):
        loss = loss_of()
        if loss < 0.1:
            break
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss < 0.2, f"the small model did not learn its answers (loss {loss:.3f})"


def _save(model: Any, folder: Path) -> Path:
    model.save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    image_processor().save_pretrained(folder)
    return folder


def save_blip(folder: Path, steps: int = 80) -> Path:
    from transformers import BlipConfig, BlipForQuestionAnswering

    torch.manual_seed(0)
    ids = {token: i for i, token in enumerate(SPECIAL)}
    width = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = BlipConfig(
        text_config={
            **width,
            "vocab_size": len(SPECIAL) + len(WORDS),
            "max_position_embeddings": 64,
            "bos_token_id": ids["[DEC]"],
            "sep_token_id": ids["[SEP]"],
            "eos_token_id": ids["[SEP]"],
            "pad_token_id": ids["<pad>"],
            "initializer_range": 0.1,
        },
        vision_config={**width, "image_size": 28, "patch_size": 14, "initializer_range": 0.1},
    )
    model = BlipForQuestionAnswering(config)
    words = tokenizer()
    pixels = image_processor()([Image.new("RGB", (28, 28), c) for _, c, _ in LESSONS], return_tensors="pt")
    labels = torch.tensor([[ids["[DEC]"], words.convert_tokens_to_ids(a), ids["[SEP]"]] for _, _, a in LESSONS])

    def loss() -> torch.Tensor:
        seen = model.vision_model(**pixels).last_hidden_state
        total = torch.zeros(())
        for row in range(0, len(LESSONS), 2):
            pair = slice(row, row + 2)
            asked = words([LESSONS[row][0]] * 2, return_tensors="pt")
            fused = model.text_encoder(**asked, encoder_hidden_states=seen[pair]).last_hidden_state
            out = model.text_decoder(input_ids=labels[pair], encoder_hidden_states=fused).logits[:, :-1]
            total = total + torch.nn.functional.cross_entropy(out.flatten(0, 1), labels[pair, 1:].flatten()) / 3
        return total

    _train(model.eval(), loss, steps)
    return _save(model, folder)


def save_blip2(folder: Path, language: str = "t5", steps: int = 80) -> Path:
    """With a T5 that has learnt LESSONS, or an OPT as it was initialised."""
    from transformers import Blip2Config, Blip2ForConditionalGeneration

    torch.manual_seed(0)
    vocabulary = len(SPECIAL) + len(WORDS)
    t5 = {"d_model": 32, "d_kv": 16, "d_ff": 64, "num_layers": 1, "num_heads": 2, "decoder_start_token_id": 0}
    opt = {"hidden_size": 32, "ffn_dim": 64, "num_hidden_layers": 1, "num_attention_heads": 2, "init_std": 0.5}
    opt |= {"word_embed_proj_dim": 32, "max_position_embeddings": 64, "bos_token_id": 1, "eos_token_id": 1}
    text = {"model_type": language, "vocab_size": vocabulary, "pad_token_id": 0, **(t5 if language == "t5" else opt)}
    width = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = Blip2Config(
        vision_config={**width, "image_size": 28, "patch_size": 14, "initializer_range": 0.1},
        qformer_config={**width, "vocab_size": vocabulary, "cross_attention_frequency": 1, "initializer_range": 0.1},
        text_config=text,
        num_query_tokens=4,
        image_token_index=SPECIAL.index("<image>"),
    )
    model = Blip2ForConditionalGeneration(config).eval()
    torch.nn.init.normal_(model.query_tokens)
    if language == "t5":
        asked, pixels, answers = _batch("Question: ", " Answer:")
        picture = torch.full((len(answers), 4), SPECIAL.index("<image>"))
        inputs = {
            "input_ids": torch.cat([picture, asked["input_ids"]], 1),
            "attention_mask": torch.cat([torch.ones_like(picture), asked["attention_mask"]], 1),
            "labels": torch.stack([answers, torch.ones_like(answers)], 1),
        }
        _train(model, lambda: model(pixel_values=pixels, **inputs).loss, steps)
    return _save(model, folder)


def save_rahf(folder: Path, heads: str = "seven") -> Path:
    """A RAHF for 32×32 pictures, randomly initialised."""
    from rewards.models.rahf import RahfConfig, RahfModel, task_prefixes

    torch.manual_seed(0)
    width = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    words = tokenizer()
    config = RahfConfig(
        heads=heads,  # pyright: ignore[reportArgumentType]
        vision={**width, "image_size": 32, "patch_size": 16, "initializer_range": 0.2},
        text={"d_model": 16, "d_kv": 8, "d_ff": 32, "num_layers": 1, "num_heads": 2, "vocab_size": len(words)},
        task_ids=task_prefixes(words) if heads == "augmented" else None,
        heatmap_convs=(8, 8),
        heatmap_deconvs=(8, 8, 4, 4),
        score_convs=(8, 8, 4, 4),
        score_dense=(16, 8),
        max_tokens=12,
    )
    model = RahfModel(config)
    with torch.no_grad():
        for heads_of in (model.heatmap_heads, model.score_heads):
            for weight in heads_of.parameters():
                # As they are initialised all outputs would be 0.5, whatever the picture.
                weight.normal_(0, 0.3)
    model.save_pretrained(folder)
    words.save_pretrained(folder)
    return folder


def save_owl(folder: Path) -> Path:
    """A randomly initialised OWLv2 with 16 boxes a picture."""
    from tiny import tiny_clip_tokenizer
    from transformers import Owlv2Config, Owlv2ForObjectDetection, Owlv2ImageProcessorPil

    words = tiny_clip_tokenizer(16)
    tower = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    special: dict[str, Any] = {
        "vocab_size": len(words),
        "bos_token_id": words.bos_token_id,
        "eos_token_id": words.eos_token_id,
        "pad_token_id": words.pad_token_id,
    }
    config = Owlv2Config(
        text_config={**tower, **special}, vision_config={**tower, "image_size": 32, "patch_size": 8}, projection_dim=32
    )
    torch.manual_seed(0)
    Owlv2ForObjectDetection(config).save_pretrained(folder)
    Owlv2ImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(folder)
    words.save_pretrained(folder)
    return folder


def save_predictor(folder: Path) -> Path:
    """An aesthetic predictor for the small CLIP's 24 numbers, randomly initialised."""
    from rewards.models.aesthetic_model import AestheticModel, AestheticModelConfig

    torch.manual_seed(0)
    AestheticModel(AestheticModelConfig((24, 16, 8, 1))).save_pretrained(folder)
    return folder


def save_heldout(folder: Path) -> Path:
    """A held-out judge that knows two artifacts, two animals and two colours, randomly initialised."""
    from menagerie.heldout_model import RESNET, HeldoutConfig, HeldoutModel

    labels: dict[str, Any] = {"artifacts": ["omitted", "duplicated"], "animals": ["cat", "dog"], "settings": ["snow"]}
    torch.manual_seed(0)
    trunk = {**RESNET, "embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 1]}
    HeldoutModel(HeldoutConfig(**labels, colours=["red", "green"], trunk=trunk)).save_pretrained(folder)
    return folder
