"""What preflight tells from prompts, folders and the environment before anything starts."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import ValidationError

from actors.config import PolicyConfig, PromptsConfig
from cluster.config.experiment import ExperimentConfig
from cluster.run.checks.alarms import alarm_problems
from cluster.run.checks.environment import environment_problems, ray_problems
from cluster.run.checks.models import model_problems
from cluster.run.checks.prompts import prompt_problems
from cluster.run.machine import Machine
from cluster.tracking.alarm import AlarmConfig, WatchConfig
from cluster.tracking.tracking import TrackingConfig
from rewards.config import RewardsConfig
from rewards.registry import judge_config
from rewards.settings.requirements import ModelSource

ROOT = Path(__file__).parents[4]
MODELS = ROOT / "menagerie" / "models"
Make = Callable[..., ExperimentConfig]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """An experiment on a prompt file of this text, with these judges and other keys."""

    def make(text: str = "a cat\n", judges: dict[str, dict[str, object]] | None = None, **keys: object):
        (tmp_path / "prompts.txt").write_text(text)
        built = {name: judge_config(**judge) for name, judge in (judges or {"size": {"kind": "jpeg"}}).items()}  # pyright: ignore[reportArgumentType]
        return ExperimentConfig.model_validate(
            {
                "name": "x",
                "updates": 1,
                "policy": PolicyConfig(model=str(MODELS / "policy")),
                "prompts": PromptsConfig(file=tmp_path / "prompts.txt"),
                "rewards": RewardsConfig(judges=built),
                **keys,
            }
        )

    return make


VQA = {"kind": "vqa", "model": str(MODELS / "vqa")}
ASKED = 'a cat\t{"questions": [{"question": "Is there a cat?"}]}\n'


def test_a_prompt_that_no_train_judge_applies_to_is_named(make: Make, tmp_path: Path) -> None:
    counter = {"kind": "jpeg", "applies_if": {"key": "count"}}
    text = 'two cats\t{"count": 2}\na dog\n'
    (line,) = prompt_problems(make(text, {"counter": counter, "eye": {"kind": "jpeg", "role": "audit"}}))
    assert line.startswith(
        f"rewards.judges: no train judge applies to the prompt 'a dog' ({tmp_path / 'prompts.txt'} line 2); "
    )
    assert not [*prompt_problems(make(text, {"counter": counter, "size": {"kind": "jpeg"}}))]


@pytest.mark.parametrize(
    ("questions", "said"),
    [
        ('[{"question": "What is it?", "answer": "cat"}]', "questions.0.answer: must be yes or no"),
        ('[{"question": "", "answer": "yes"}]', "questions.0.question: "),
        ('"is it green?"', "questions: "),
        ('[{"question": "Is it?"}, 3]', "questions.1: "),
    ],
)
def test_questions_that_cannot_be_asked_are_named_by_file_line_and_field(
    make: Make, tmp_path: Path, questions: str, said: str
) -> None:
    (line,) = prompt_problems(make(f'# first\n{ASKED}a dog\t{{"questions": {questions}}}\n', {"vqa": VQA}))
    assert line.startswith(f"prompts.file: {tmp_path / 'prompts.txt'} line 3: {said}")


@pytest.mark.parametrize(
    ("judge", "said"),
    [
        (VQA, "it has no `questions` in its metadata"),
        ({"kind": "rubric", "model": str(MODELS / "artifact")}, "it has no `class` in its metadata"),
        ({"kind": "detector", "model": str(MODELS / "detector")}, "it has no `class` or `animals` in its metadata"),
        ({"kind": "ocr"}, "it asks for no text"),
    ],
)
def test_a_judge_that_could_judge_no_picture_of_a_prompt_is_named(
    make: Make, judge: dict[str, object], said: str
) -> None:
    (line,) = prompt_problems(make("a bird\na bird\n", {"mine": judge}))
    assert line.startswith("rewards.judges.mine: has no verdict on 2 of 2 prompts, such as 'a bird' (")
    assert said in line
    (line,) = prompt_problems(make("a bird\n", {"size": {"kind": "jpeg"}, "mine": {**judge, "role": "audit"}}))
    assert said in line


def test_some_prompts_may_lack_what_an_audit_judge_or_a_renormalised_one_asks_about(make: Make) -> None:
    text = f"a bird\n{ASKED}"
    for more in ({"role": "audit"}, {"on_error": "renormalise"}, {"applies_if": {"key": "questions"}}):
        assert not [*prompt_problems(make(text, {"size": {"kind": "jpeg"}, "vqa": {**VQA, **more}}))]
    assert [*prompt_problems(make(text, {"size": {"kind": "jpeg"}, "vqa": VQA}))]


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("model.safetensors", b"version https://git-lfs.github.com/spec/v1\noid sha256:1\n", "is a Git LFS pointer"),
        ("model.bin", b"version https://git-lfs.github.com/spec/v1\noid sha256:1\n", "is a Git LFS pointer"),
        ("model.safetensors", b"", "is torn or no safetensors file"),
        ("model.safetensors", b"\xff" * 20, "is torn or no safetensors file"),
        ("model.safetensors", b"\x02\0\0\0\0\0\0\0[]", "is no safetensors file"),
        ("model.safetensors", b"\x02\0\0\0\0\0\0\0{}more", "has 14 bytes of 10; the download is not whole"),
        ("config.json", b"[1]", "holds no JSON object"),
        ("config.json", b'{"model_type": "t5"}', "is a 't5' model; give a clip"),
        ("config.json", b"{", "not JSON"),
    ],
)
def test_a_folder_whose_files_are_not_what_they_should_be_is_named(
    tmp_path: Path, file: str, content: bytes, said: str
) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "clip"}')
    (tmp_path / file).write_bytes(content)
    (line,) = model_problems("rewards.judges.x.model", ModelSource(str(tmp_path), "config.json", types=("clip",)))
    assert line.startswith(f"rewards.judges.x.model: {tmp_path}")
    assert said in line


def test_a_torn_copy_of_whole_weights_is_named(tmp_path: Path) -> None:
    whole = (MODELS / "clip" / "model.safetensors").read_bytes()
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    (line,) = model_problems("policy.model", ModelSource(str(tmp_path), "config.json"))
    assert f"has {len(whole) // 2:,} bytes of {len(whole):,}" in line


def test_what_is_watched_must_be_measured(make: Make) -> None:
    def problems(key: str) -> list[str]:
        return [*alarm_problems(make(alarm=AlarmConfig(watch=(WatchConfig(key=key, by=0.1),))))]

    assert not [line for key in ("size/value", "reward/std", "judge/size", "kl/lag1", "loss") for line in problems(key)]
    assert problems("siez/value") == [
        "alarm.watch.0.key: no update has a metric 'siez/value'; did you mean size/value?"
    ]
    assert problems("happiness")


def test_online_tracking_needs_a_key(make: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    (line,) = environment_problems(make(tracking=TrackingConfig(wandb="online")))
    assert line.startswith("tracking.wandb: online needs W&B's key")
    (tmp_path / "netrc").write_text("machine api.wandb.ai login user password secret\n")
    (tmp_path / "netrc").chmod(0o600)
    assert not [*environment_problems(make(tracking=TrackingConfig(wandb="online")))]


def test_a_ray_that_cannot_start_is_told_from_the_environment(
    make: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    machine = Machine(cpus=2, memory=2**33, gpus=0)
    monkeypatch.setenv("TMPDIR", "/" + "t" * 107)
    config = make(judges={"size": {"kind": "jpeg", "device": "cuda"}}, cluster={"num_cpus": 1_000_000})
    folder, cpus, device = ray_problems(config.cluster, config.rewards, machine)
    assert folder.startswith("TMPDIR: /ttt")
    assert "has 108 bytes" in folder
    assert cpus.startswith("cluster.num_cpus: 1,000,000 logical CPUs on 2 processors; 128 at most")
    assert device == "rewards.judges.size.device: cuda, and this machine has no GPU; use auto or cpu"
    monkeypatch.setenv("TMPDIR", "/dev/null")
    (line,) = ray_problems(make().cluster, make().rewards, machine)
    assert line.startswith("TMPDIR: Ray cannot write into /dev/null")
    elsewhere = make(cluster={"address": "10.0.0.1:6379"}, judges={"size": {"kind": "jpeg", "device": "cuda"}})
    assert not [*ray_problems(elsewhere.cluster, elsewhere.rewards, machine)]
    with pytest.raises(ValidationError):
        make(cluster={"num_cpus": 0})


def test_json_of_a_model_is_read_with_doubt(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "clip"}) + "[" * 100_000)
    (line,) = model_problems("policy.model", ModelSource(str(tmp_path), "config.json", types=("clip",)))
    assert "config.json: not JSON" in line
