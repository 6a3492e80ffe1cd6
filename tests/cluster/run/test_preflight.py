"""What is refused before anything starts."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from actors.config import ActorsConfig, PolicyConfig, PromptsConfig, SamplerConfig
from cluster.config.experiment import ClusterConfig, ExperimentConfig
from cluster.errors import PreflightError
from cluster.run.machine import Machine
from cluster.run.preflight import preflight
from learners.config import LearnerConfig
from rewards.config import RewardsConfig
from rewards.registry import judge_config
from rewards.settings.serve import ServingConfig

GIB = 2**30
ROOMY = Machine(cpus=8, memory=64 * GIB, gpus=0)

Make = Callable[..., ExperimentConfig]


@pytest.fixture
def make(tmp_path: Path, tiny_policy_dir: Path) -> Make:
    """A config that passes: a real tiny policy, a JPEG judge, three prompts; with sections replaced."""
    prompts = tmp_path / "prompts.txt"
    prompts.write_text("a cat\na dog\na bear\n")

    def make(**sections: object) -> ExperimentConfig:
        values = {
            "name": "test",
            "updates": 3,
            "policy": PolicyConfig(model=str(tiny_policy_dir)),
            "prompts": PromptsConfig(file=prompts),
            "rewards": RewardsConfig(judges={"jpeg": judge_config(kind="jpeg")}),
        }
        return ExperimentConfig.model_validate(values | sections)

    return make


def refused(config: ExperimentConfig, machine: Machine = ROOMY) -> list[str]:
    with pytest.raises(PreflightError) as error:
        preflight(config, machine)
    return str(error.value).splitlines()


def test_a_run_that_fits_passes(make: Make) -> None:
    preflight(make(), ROOMY)


@pytest.mark.parametrize("model", ["menagerie/models/nowhere", "./nowhere", "/nowhere", "nowhere", "cluster/nowhere"])
def test_a_model_folder_that_is_not_there_is_refused(model: str, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(__file__).parents[3])
    assert refused(make(policy=PolicyConfig(model=model))) == [
        f"policy.model: there is no folder {model}; give a from_pretrained folder, or a hub name such as org/name"
    ]


def test_a_hub_name_passes(make: Make) -> None:
    preflight(make(policy=PolicyConfig(model="stable-diffusion-v1-5/stable-diffusion-v1-5")), ROOMY)


def test_a_folder_that_holds_no_model_is_refused(make: Make, tmp_path: Path) -> None:
    judges = {"clip": judge_config(kind="clip", model=str(tmp_path))}
    config = make(policy=PolicyConfig(model=str(tmp_path)), rewards=RewardsConfig(judges=judges))
    lines = refused(config)
    assert lines[0].startswith(f"policy.model: the folder {tmp_path} holds no model_index.json")
    assert lines[1].startswith(f"rewards.judges.clip.model: the folder {tmp_path} holds no config.json")
    assert len(lines) == 2


def test_a_judge_whose_package_is_not_installed_is_refused(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cluster.run.checks.models._importable", lambda module: False)
    (tmp_path / "yolo-world.onnx").touch()
    judges = {
        "letters": judge_config("ocr"),
        "objects": judge_config("detector", model=str(tmp_path), backend="yoloworld"),
    }
    lines = refused(make(rewards=RewardsConfig(judges=judges)))
    assert [line for line in lines if ".kind: " in line] == [
        "rewards.judges.letters.kind: ocr needs the package rapidocr_onnxruntime; "
        "install it with: pip install 'salon[ocr]'",
        "rewards.judges.objects.kind: detector needs the package ultralytics (its licence is AGPL-3.0); "
        "install it with: pip install 'salon[yoloworld]'",
    ]


def test_yolo_world_is_a_folder_with_its_exported_file(make: Make, tmp_path: Path) -> None:
    judges = {"objects": judge_config("detector", model=str(tmp_path), backend="yoloworld")}
    line, *_ = refused(make(rewards=RewardsConfig(judges=judges)))
    assert line.startswith(f"rewards.judges.objects.model: the folder {tmp_path} holds no yolo-world.onnx")


def test_a_model_that_must_be_converted_first_is_never_a_hub_name(make: Make) -> None:
    judges = {
        "looks": judge_config("aesthetic", model="models/aesthetic"),
        "objects": judge_config("detector", model="models/yolo", backend="yoloworld"),
        "clip": judge_config("clip", model="openai/clip-vit-base-patch16"),
    }
    lines = [line for line in refused(make(rewards=RewardsConfig(judges=judges))) if ".model: " in line]
    assert lines == [
        f"rewards.judges.{name}.model: there is no folder {model}; the model must be converted first (docs/judges.md)"
        for name, model in (("looks", "models/aesthetic"), ("objects", "models/yolo"))
    ]


def test_what_a_judge_needs_beside_its_model_is_looked_for_too(make: Make, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "clip"}')
    (tmp_path / "looks").mkdir()
    (tmp_path / "looks" / "config.json").write_text('{"model_type": "salon_aesthetic"}')
    judges = {
        "looks": judge_config("aesthetic", model=str(tmp_path / "looks"), encoder="./clip"),
        "picked": judge_config("pickscore", model=str(tmp_path), processor=str(tmp_path)),
        "ranked": judge_config("hps", model=str(tmp_path)),
    }
    encoder, processor = refused(make(rewards=RewardsConfig(judges=judges)))
    assert encoder.startswith("rewards.judges.looks.encoder: there is no folder ./clip;")
    assert processor.startswith(
        f"rewards.judges.picked.processor: the folder {tmp_path} holds no tokenizer_config.json"
    )


def test_a_judge_of_ones_own_must_be_importable(make: Make) -> None:
    for kind in ("nowhere_at_all:Judge", "nowhere.at.all:Judge"):
        (line,) = refused(make(rewards=RewardsConfig(judges={"mine": judge_config(kind=kind)})))
        assert line.startswith(f"rewards.judges.mine.kind: there is no module to import for {kind!r}")
    preflight(make(rewards=RewardsConfig(judges={"mine": judge_config(kind="rewards.judges.jpeg:JpegJudge")})), ROOMY)


def test_what_a_kind_of_ones_own_leads_to_must_be_a_judge(make: Make) -> None:
    for kind, said in (
        ("math:nothing", "cannot import 'math:nothing'"),
        ("math:pi", "'math:pi' is not a rewards.judge.J"),
    ):
        (line,) = refused(make(rewards=RewardsConfig(judges={"mine": judge_config(kind=kind)})))
        assert line.startswith(f"rewards.judges.mine.kind: {said}")


def test_the_config_of_a_judge_of_ones_own_is_held_to_before_the_start(make: Make, tmp_path: Path) -> None:
    kind = "menagerie.heldout_judge:HeldoutJudge"
    cases = {
        "rewards.judges.mine.model: Field required": judge_config(kind=kind),
        "rewards.judges.mine.options.depth: Extra inputs": judge_config(
            kind=kind, model=str(tmp_path), options={"depth": 3}
        ),
        f"rewards.judges.mine.model: the folder {tmp_path} holds no config.json": judge_config(
            kind=kind, model=str(tmp_path)
        ),
    }
    for said, judge in cases.items():
        (line,) = refused(make(rewards=RewardsConfig(judges={"mine": judge})))
        assert line.startswith(said)


def test_more_steps_than_the_policy_was_trained_with_are_refused(make: Make) -> None:
    (line,) = refused(make(sampler=SamplerConfig(steps=2000)))
    assert line.startswith("sampler.steps: 2000 is more than the 1000 that")


@pytest.mark.parametrize(
    ("index", "schedule", "steps", "said"),
    [
        (
            '{"_class_name": "KandinskyPipeline"}',
            {},
            8,
            "policy.model: {folder} is a KandinskyPipeline; Salon ",
        ),
        ('{"_class_name": ["mine", "Pipe"]}', {}, 8, "policy.model: {folder} does not say in its model_index.json"),
        ('{"_class_name": ', {}, 8, "policy.model: {folder}/model_index.json: not JSON"),
        (None, {"invert_sigmas": True}, 8, "policy.model: its scheduler has use_dynamic_shifting or invert_sigmas"),
        (None, {}, 1, "sampler.steps: 1 is too few, as the last step adds no noise"),
        (None, None, 8, "policy.model: {folder}/scheduler/scheduler_config.json: there is no such file"),
    ],
)
def test_a_pipeline_or_steps_that_cannot_be_trained_are_refused(
    make: Make,
    tmp_path: Path,
    tiny_flow_dir: Path,
    index: str | None,
    schedule: dict[str, bool] | None,
    steps: int,
    said: str,
) -> None:
    folder = tmp_path / "pipeline"
    for part in ("scheduler", "transformer", "vae"):
        (folder / part).mkdir(parents=True)
    for config in ("transformer/config.json", "vae/config.json"):
        (folder / config).write_bytes((tiny_flow_dir / config).read_bytes())
    (folder / "model_index.json").write_text(index or (tiny_flow_dir / "model_index.json").read_text())
    if schedule is not None:
        theirs = json.loads((tiny_flow_dir / "scheduler" / "scheduler_config.json").read_text())
        (folder / "scheduler" / "scheduler_config.json").write_text(json.dumps(theirs | schedule))
    (line,) = refused(make(policy=PolicyConfig(model=str(folder)), sampler=SamplerConfig(steps=steps)))
    assert line.startswith(said.format(folder=folder))


def test_missing_and_empty_prompt_files_are_refused(make: Make, tmp_path: Path) -> None:
    empty = tmp_path / "empty.txt"
    empty.write_text("# nothing yet\n\n")
    lines = refused(make(prompts=PromptsConfig(file=empty, holdout=tmp_path / "none.txt")))
    assert lines == [
        f"prompts.file: {empty} holds no prompt; write one prompt a line into it",
        f"prompts.holdout: there is no file {tmp_path / 'none.txt'}; write one prompt a line into it",
    ]


def test_too_little_memory_for_the_actors_says_what_needs_how_much(make: Make) -> None:
    config = make(actors=ActorsConfig(count=40, num_cpus=0.1))
    (line,) = refused(config, Machine(cpus=8, memory=8 * GIB, gpus=0))
    assert line.startswith("actors: about ")
    assert "8,192 are free" in line
    assert "rollout actors 40 × 60" in line
    assert "a torch process counts as 600 MiB and the files of its model" in line
    assert line.endswith("lower actors.count, or free some memory")
    preflight(config, Machine(cpus=8, memory=32 * GIB, gpus=0))


def test_the_weights_of_a_model_count_once_per_process(make: Make, tmp_path: Path, tiny_policy_dir: Path) -> None:
    judge = tmp_path / "judge"
    judge.mkdir()
    (judge / "config.json").write_text('{"model_type": "clip"}')
    header = {"x": {"dtype": "U8", "shape": [2 * GIB - 128], "data_offsets": [0, 2 * GIB - 128]}}
    content = json.dumps(header).ljust(120).encode()
    for file in ("model.safetensors", "pytorch_model.bin"):
        with (judge / file).open("wb") as weights:
            weights.write(len(content).to_bytes(8, "little") + content)
            weights.truncate(2 * GIB)  # a sparse file
    serve = ServingConfig(min_replicas=3, max_replicas=3)
    rewards = RewardsConfig(judges={"clip": judge_config(kind="clip", model=str(judge), serve=serve)})
    (line,) = refused(make(rewards=rewards), Machine(cpus=8, memory=8 * GIB, gpus=0))
    assert "judge clip 3 × 2,648" in line, "2 GiB once, although the weights are there in two formats, and 600 MiB"
    assert line.startswith("rewards.judges.clip.serve: ")


def test_parts_that_ask_for_more_cpus_than_there_are_are_named(make: Make) -> None:
    config = make(actors=ActorsConfig(count=2, num_cpus=1.0), learner=LearnerConfig(workers=2, num_cpus=0.5))
    (line,) = refused(config, Machine(cpus=2, memory=64 * GIB, gpus=0))
    assert "ask for 3.35 logical CPUs and there are 2" in line
    assert (
        "rollout actors 2 × 1, judge jpeg 1 × 0.25, learner workers 2 × 0.5, ledger and weight store 2 × 0.05" in line
    )
    assert "set cluster.num_cpus to 4 to let them share" in line
    shared = config.model_copy(update={"cluster": ClusterConfig(num_cpus=4)})
    preflight(shared, Machine(cpus=2, memory=64 * GIB, gpus=0))


def test_fractions_that_add_up_exactly_fit(make: Make) -> None:
    config = make(
        actors=ActorsConfig(count=3, num_cpus=0.1),
        learner=LearnerConfig(num_cpus=0.35),
        cluster=ClusterConfig(service_cpus=0.05),
    )
    preflight(config, Machine(cpus=1, memory=64 * GIB, gpus=0))


def test_gpus_that_are_not_there_and_resources_that_nobody_offers_are_refused(make: Make) -> None:
    learner = LearnerConfig(num_gpus=1, resources={"trainer": 1})
    lines = refused(make(actors=ActorsConfig(num_gpus=0.5, resources={"rollout": 1}), learner=learner))
    assert lines[0].startswith("actors.resources: this machine has no custom resource 'rollout'")
    assert lines[1].startswith("learner.resources: this machine has no custom resource 'trainer'")
    assert "ask for 1.5 GPUs and there are 0: rollout actors 1 × 0.5, learner workers 1 × 1" in lines[2]


def test_on_a_cluster_the_room_is_not_judged_but_models_are(make: Make) -> None:
    cluster = ClusterConfig(address="auto")
    tiny = Machine(cpus=1, memory=0, gpus=0)
    preflight(make(actors=ActorsConfig(count=99), cluster=cluster), tiny)
    assert len(refused(make(policy=PolicyConfig(model="no/such/folder"), cluster=cluster), tiny)) == 1


def test_a_containers_limits_count_as_the_machine(tmp_path: Path) -> None:
    bare = Machine.here(tmp_path / "no-cgroup")
    assert bare.cpus >= 1
    assert bare.memory > 0
    (tmp_path / "cpu.max").write_text("150000 100000\n")
    (tmp_path / "memory.max").write_text(f"{64 * 2**20}\n")
    (tmp_path / "memory.current").write_text(f"{24 * 2**20}\n")
    limited = Machine.here(tmp_path)
    assert (limited.cpus, limited.memory) == (1, 40 * 2**20)
    (tmp_path / "cpu.max").write_text("max 100000\n")
    (tmp_path / "memory.max").write_text("max\n")
    assert Machine.here(tmp_path).cpus == bare.cpus


def test_preflight_itself_loads_nothing_heavy() -> None:
    look = "import sys, cluster.run.preflight; print(sorted({'torch', 'ray', 'diffusers'} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
