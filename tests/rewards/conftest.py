"""Small judges of the real classes: a CLIP, and a LLaVA that has learnt three answers to three plain pictures."""

from __future__ import annotations

import sys
from pathlib import Path

# Judges of a user's own are found by import path: here, and in the processes that Ray starts.
sys.path.insert(0, str(Path(__file__).parent))

import numpy as np
import pytest
import small_vision
import torch

from rewards.judges.synartifact.artifact_detection import CAPTION, JUDGEMENT, LOCATION
from rewards.judges.synartifact.template import SHORT

# What the small LLaVA answers to a picture of one colour.
LESSONS = {
    "No artifacts": (40, 160, 60),
    "duplicated, chromatic irregularity": (200, 40, 40),
    "a very odd picture": (30, 40, 200),
}

WHERE, HOW = (text.replace("{name}", "duplicated") for text in (LOCATION, CAPTION))
DETECTIONS = (
    (JUDGEMENT, LESSONS["No artifacts"], "No"),
    (SHORT, LESSONS["No artifacts"], "No artifacts"),
    (JUDGEMENT, (200, 40, 40), "Yes"),
    (SHORT, (200, 40, 40), "duplicated"),
    (WHERE, (200, 40, 40), "[0.25,0.5,0.75,1]"),
    (HOW, (200, 40, 40), "two trunks"),
    (JUDGEMENT, (30, 40, 200), "Yes"),
    (SHORT, (30, 40, 200), "No artifacts"),
)
"""question, colour of the picture, answer; the blue picture's answers contradict each other"""


def plain(colour: tuple[int, int, int], size: int = 28) -> np.ndarray:
    """A picture `[size, size, 3]` of one colour."""
    return np.full((size, size, 3), colour, np.uint8)


@pytest.fixture(scope="session")
def lessons() -> dict[str, np.ndarray]:
    """Answer → the picture that the small LLaVA gives it to."""
    return {answer: plain(colour) for answer, colour in LESSONS.items()}


@pytest.fixture(scope="session")
def noise() -> np.ndarray:
    """Twelve pictures of noise `[12, 28, 28, 3]`."""
    return np.random.default_rng(0).integers(0, 256, (12, 28, 28, 3), dtype=np.uint8)


@pytest.fixture(scope="session")
def llava_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A LLaVA of 0.2M parameters, trained for seconds on LESSONS with the short question."""
    return save_llava(tmp_path_factory.mktemp("judges") / "llava", steps=80)


@pytest.fixture(scope="session")
def random_llava_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same LLaVA untaught: its answers mean nothing, and depend on every detail of the input."""
    return save_llava(tmp_path_factory.mktemp("judges") / "random-llava", steps=0)


@pytest.fixture(scope="session")
def detector_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same LLaVA, taught the four sub-tasks of artifact detection on DETECTIONS."""
    from rewards.models.vlm.prompt_words import llava_prompt

    lessons = [(llava_prompt(question), colour, answer) for question, colour, answer in DETECTIONS]
    return save_llava(tmp_path_factory.mktemp("judges") / "detector", steps=150, lessons=lessons)


@pytest.fixture(scope="session")
def clip_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A randomly initialised CLIP with a text tower of 16 tokens."""
    return save_clip(tmp_path_factory.mktemp("judges") / "clip")


@pytest.fixture(scope="session")
def blip_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small BLIP that has learnt to say whether a plain picture is green or red."""
    return small_vision.save_blip(tmp_path_factory.mktemp("judges") / "blip")


@pytest.fixture(scope="session")
def blip2_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small BLIP-2 with a T5 that has learnt the same."""
    return small_vision.save_blip2(tmp_path_factory.mktemp("judges") / "blip2")


@pytest.fixture(scope="session")
def blip2_opt_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small BLIP-2 with an OPT, randomly initialised."""
    return small_vision.save_blip2(tmp_path_factory.mktemp("judges") / "blip2-opt", "opt")


@pytest.fixture(scope="session")
def rahf_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random RAHF with a head for each output."""
    return small_vision.save_rahf(tmp_path_factory.mktemp("judges") / "rahf", "seven")


@pytest.fixture(scope="session")
def augmented_rahf_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random RAHF with the task named in the prompt."""
    return small_vision.save_rahf(tmp_path_factory.mktemp("judges") / "augmented-rahf", "augmented")


@pytest.fixture(scope="session")
def owl_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random OWLv2."""
    return small_vision.save_owl(tmp_path_factory.mktemp("judges") / "owl")


@pytest.fixture(scope="session")
def predictor_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random aesthetic predictor for the small CLIP."""
    return small_vision.save_predictor(tmp_path_factory.mktemp("judges") / "predictor")


@pytest.fixture(scope="session")
def heldout_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random held-out judge."""
    return small_vision.save_heldout(tmp_path_factory.mktemp("judges") / "heldout")


def save_llava(folder: Path, steps: int, lessons: list[tuple[str, tuple[int, int, int], str]] | None = None) -> Path:
    """Taught `lessons` (prompt, colour of the picture, answer), or LESSONS with the short question."""
    from PIL import Image
    from transformers import CLIPVisionConfig, LlamaConfig, LlavaConfig, LlavaForConditionalGeneration

    from rewards.judges.synartifact.template import artifact_prompt

    tokenizer, processor = _llava_processor()
    torch.manual_seed(0)
    vision = CLIPVisionConfig(
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=1,
        image_size=28,
        patch_size=14,
        projection_dim=32,
    )
    text = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=256,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    config = LlavaConfig(
        vision_config=vision,
        text_config=text,
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        vision_feature_layer=-1,
        vision_feature_select_strategy="default",
    )
    model = LlavaForConditionalGeneration(config)
    lessons = lessons or [(artifact_prompt("short"), colour, answer) for answer, colour in LESSONS.items()]
    texts = [f"{prompt} {answer}{tokenizer.eos_token}" for prompt, _, answer in lessons]
    pictures = [Image.fromarray(plain(colour)) for _, colour, _ in lessons]
    tokenizer.padding_side = "right"
    batch = processor(images=pictures, text=texts, return_tensors="pt", padding=True)
    labels = batch["input_ids"].masked_fill(batch["attention_mask"] == 0, -100)
    for row, (prompt, _, _) in enumerate(lessons):
        labels[row, : processor(images=pictures[row], text=prompt, return_tensors="pt")["input_ids"].shape[1]] = -100
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    loss = torch.zeros(())
    for _ in range(steps):
        loss = model(**batch, labels=labels).loss
        if loss < 0.02:
            break
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss < 0.05, f"the small LLaVA did not learn its answers (loss {loss:.3f})"
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def _llava_processor():
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import CLIPImageProcessorPil, LlavaProcessor, PreTrainedTokenizerFast

    from rewards.judges.synartifact.taxonomy import ARTIFACTS, NO_ARTIFACTS
    from rewards.judges.synartifact.template import artifact_prompt

    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    special = ["<unk>", "<s>", "</s>", "<pad>", "<image>"]
    trainer = trainers.BpeTrainer(
        vocab_size=700, special_tokens=special, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
    )
    taught = [artifact_prompt("short"), "yes no Yes No", NO_ARTIFACTS, *LESSONS]
    asked = [text for question, _, answer in DETECTIONS for text in (question, answer)]
    bpe.train_from_iterator([*taught, *asked, *(a.name for a in ARTIFACTS)], trainer)
    bpe.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        unk_token="<unk>",
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        additional_special_tokens=["<image>"],
        model_max_length=256,
    )
    processor = LlavaProcessor(
        image_processor=CLIPImageProcessorPil(size={"shortest_edge": 28}, crop_size={"height": 28, "width": 28}),
        tokenizer=tokenizer,
        patch_size=14,
        vision_feature_select_strategy="default",
        image_token="<image>",
        num_additional_image_tokens=1,
    )
    return tokenizer, processor


def save_clip(folder: Path) -> Path:
    from tokenizers.pre_tokenizers import ByteLevel
    from transformers import CLIPConfig, CLIPImageProcessorPil, CLIPModel, CLIPProcessor, CLIPTokenizer

    letters = sorted(ByteLevel.alphabet())
    tokens = [*letters, *(letter + "</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    tokenizer = CLIPTokenizer(vocab={token: i for i, token in enumerate(tokens)}, merges=[], model_max_length=16)
    tower = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    text = dict(
        **tower,
        vocab_size=len(tokenizer),
        max_position_embeddings=16,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    torch.manual_seed(0)
    model = CLIPModel(
        CLIPConfig(text_config=text, vision_config=dict(**tower, image_size=28, patch_size=14), projection_dim=24)
    )
    processor = CLIPProcessor(
        image_processor=CLIPImageProcessorPil(size={"shortest_edge": 28}, crop_size={"height": 28, "width": 28}),
        tokenizer=tokenizer,
    )
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder
