"""The artifact, CLIP and JPEG judges on small models of the real classes."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from menagerie.world.picture import sample
from rewards.judges.clip import ClipConfig, ClipJudge
from rewards.judges.jpeg import JpegConfig, JpegJudge
from rewards.judges.synartifact.artifact import ArtifactConfig, ArtifactJudge
from rewards.judges.synartifact.bertscore import BertScoreReward
from rewards.judges.synartifact.template import artifact_prompt
from rewards.models.vlm.llava import Llava
from rewards.registry import build_judge, judge_config


@pytest.fixture(scope="module")
def artifact(llava_dir: Path) -> ArtifactJudge:
    return ArtifactJudge("artifact", ArtifactConfig(model=str(llava_dir), template="short", max_new_tokens=40))


@pytest.fixture(scope="module")
def clip(clip_dir: Path) -> ClipJudge:
    return ClipJudge("clip", ClipConfig(model=str(clip_dir)))


def test_artifact_judge_rewards_its_own_answers_by_equation_4(artifact: ArtifactJudge, lessons: dict[str, np.ndarray]):
    clean, damaged, odd = artifact.judge(np.stack(list(lessons.values())), ["a cat"] * 3)
    reward = BertScoreReward()
    assert clean.text == "No artifacts"
    assert clean.scores == {"artifact_free": 1.0}
    assert clean.value == reward.reward("No artifacts")
    assert damaged.text == "duplicated, chromatic irregularity"
    assert damaged.scores == {"artifact_free": 0.0}
    assert damaged.value == reward.reward("duplicated, chromatic irregularity")
    assert clean.value > damaged.value
    assert odd.status == "abstain"
    assert odd.value is None
    assert odd.text == "a very odd picture"


def test_artifact_judge_abstains_from_an_answer_that_does_not_end(llava_dir: Path, lessons: dict[str, np.ndarray]):
    judge = ArtifactJudge("artifact", ArtifactConfig(model=str(llava_dir), template="short", max_new_tokens=2))
    (verdict,) = judge.judge(lessons["No artifacts"][None], [""])
    assert verdict.status == "abstain"
    assert verdict.truncated


PROMPTS = [f"USER: <image>\nWhich artifacts does this picture have?{' Say.' * i} ASSISTANT:" for i in (0, 3, 9, 30)]


def test_left_padding_keeps_an_answer_when_prompts_differ_in_length(random_llava_dir: Path, noise: np.ndarray):
    llava = Llava(str(random_llava_dir))
    together = llava.answer(noise[:4], PROMPTS, 12)
    alone = [llava.answer(noise[i : i + 1], PROMPTS[i : i + 1], 12)[0] for i in range(4)]
    assert together == alone
    assert len({answer.text for answer in together}) > 1


def test_right_padding_would_change_an_answer(random_llava_dir: Path, noise: np.ndarray):
    llava = Llava(str(random_llava_dir))
    alone = llava.answer(noise[:1], PROMPTS[:1], 12)[0]
    llava._tokenizer.padding_side = "right"
    assert llava.answer(noise[:4], PROMPTS, 12)[0] != alone


def test_pictures_are_encoded_once_and_writing_stops_with_the_longest_answer(
    llava_dir: Path, lessons: dict[str, np.ndarray]
):
    llava = Llava(str(llava_dir))
    counts = {"pictures": 0, "tokens": 0}

    def count(name: str, n: int):
        counts[name] += n

    llava._model.model.vision_tower.register_forward_hook(lambda _m, _args, out: count("pictures", len(out[0])))
    llava._model.lm_head.register_forward_hook(lambda _m, _args, _out: count("tokens", 1))
    texts = [*lessons][:2]
    llava.answer(np.stack([lessons[text] for text in texts] * 4), [artifact_prompt("short")] * 8, 200)
    longest = max(len(llava._tokenizer(f" {text}</s>", add_special_tokens=False)["input_ids"]) for text in texts)
    assert counts == {"pictures": 8, "tokens": longest}


def test_micro_batches_do_not_change_a_verdict(llava_dir: Path, clip_dir: Path, noise: np.ndarray):
    for kind, folder in (("artifact", llava_dir), ("clip", clip_dir)):
        settings = {"model": str(folder)} | ({"template": "short"} if kind == "artifact" else {})
        whole = build_judge("j", judge_config(kind, **settings)).judge(noise, ["x"] * len(noise))
        parts = build_judge("j", judge_config(kind, micro_batch=5, **settings)).judge(noise, ["x"] * len(noise))
        assert [v.text for v in whole] == [v.text for v in parts]
        np.testing.assert_allclose(
            [np.nan if v.value is None else v.value for v in whole],
            [np.nan if v.value is None else v.value for v in parts],
            atol=1e-6,
        )


def test_clip_value_is_the_cosine_that_the_model_itself_reports(clip: ClipJudge, clip_dir: Path, noise: np.ndarray):
    import torch
    from transformers import AutoProcessor, CLIPModel

    prompts = ["a cat", "a tall dog"]
    model = CLIPModel.from_pretrained(clip_dir).eval()
    inputs = AutoProcessor.from_pretrained(clip_dir)(
        images=[Image.fromarray(image) for image in noise[:2]], text=prompts, return_tensors="pt", padding=True
    )
    with torch.no_grad():
        logits = model(**inputs).logits_per_image / model.logit_scale.exp()
    verdicts = clip.judge(noise[:2], prompts)
    assert [v.value for v in verdicts] == pytest.approx(logits.diagonal().tolist(), abs=1e-5)
    assert [float(np.linalg.norm(v.features)) for v in verdicts if v.features is not None] == pytest.approx([1, 1])


def test_clip_says_when_it_has_not_read_the_whole_prompt(clip: ClipJudge, noise: np.ndarray):
    # One token a letter: 14 fit beside the start and end tokens.
    fits, cut, same = clip.judge(noise[[0, 0, 0]], ["a" * 14, "a" * 14 + "b", "a" * 14 + "c"])
    assert (fits.truncated, cut.truncated, same.truncated) == (False, True, True)
    assert cut.value == same.value


def test_jpeg_value_is_the_size_of_the_file_in_kilobytes(noise: np.ndarray):
    file = io.BytesIO()
    Image.fromarray(noise[0]).save(file, "JPEG", quality=95)
    (small,) = JpegJudge("jpeg", JpegConfig()).judge(noise[:1], [""])
    (large,) = JpegJudge("jpeg", JpegConfig(prefer="large")).judge(noise[:1], [""])
    assert small.value == -len(file.getvalue()) / 1000
    assert large.value == len(file.getvalue()) / 1000


def test_no_pictures_give_no_verdicts(artifact: ArtifactJudge, clip: ClipJudge, noise: np.ndarray):
    for judge in (artifact, clip, JpegJudge("jpeg", JpegConfig())):
        assert judge.judge(noise[:0], []) == []


def test_a_version_follows_weights_template_and_settings(llava_dir: Path, clip_dir: Path, tmp_path: Path):
    import shutil

    base = build_judge("a", judge_config(kind="artifact", model=str(llava_dir), template="short")).version
    again = build_judge("b", judge_config(kind="artifact", model=str(llava_dir), template="short")).version
    full = build_judge("a", judge_config(kind="artifact", model=str(llava_dir), template="full")).version
    alpha = build_judge("a", judge_config(kind="artifact", model=str(llava_dir), template="short", alpha=0.2)).version
    assert base == again
    assert len({base, full, alpha}) == 3
    assert JpegJudge("j", JpegConfig(quality=90)).version != JpegJudge("j", JpegConfig()).version

    copy = shutil.copytree(clip_dir, tmp_path / "clip")
    assert (
        ClipJudge("c", ClipConfig(model=str(copy))).version == ClipJudge("c", ClipConfig(model=str(clip_dir))).version
    )
    weights = bytearray((copy / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (copy / "model.safetensors").write_bytes(weights)
    assert (
        ClipJudge("c", ClipConfig(model=str(copy))).version != ClipJudge("c", ClipConfig(model=str(clip_dir))).version
    )


def test_the_heldout_judge_takes_one_name_for_a_list_of_one_and_null_for_none(heldout_dir: Path):
    judge = build_judge("h", judge_config("menagerie.heldout_judge:HeldoutJudge", model=str(heldout_dir)))
    metadata = [
        {"animals": ["cat"], "setting": "snow"},
        {"animals": "cat", "setting": ["snow"]},
        {"animals": ["dog"], "colours": None, "setting": None},
        {"animals": "dog"},
    ]
    pixels = np.stack([sample(0).pixels] * 4)
    cat, cats, nulls, dog = [verdict.scores for verdict in judge.judge(pixels, [""] * 4, metadata)]
    assert cat == cats
    assert nulls == dog
    # Of two animals one is the likelier.
    assert cat["animal"] + dog["animal"] == 1
    assert cat["setting"] == 1


def test_the_heldout_judge_sees_an_enlarged_picture_as_it_was(heldout_dir: Path):
    judge = build_judge("h", judge_config("menagerie.heldout_judge:HeldoutJudge", model=str(heldout_dir)))
    pixels = np.stack([sample(seed).pixels for seed in range(3)])
    plain, enlarged = judge.judge(pixels, [""] * 3), judge.judge(pixels.repeat(4, 1).repeat(4, 2), [""] * 3)
    for a, b in zip(plain, enlarged, strict=True):
        np.testing.assert_array_equal(a.features, b.features)
