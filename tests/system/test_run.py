"""`salon train` as a user runs it: a process of its own, real Ray, Serve and DeepSpeed, and the exact `jpeg` judge."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from plain_loop import SAMPLER, PlainLearner, load_policy
from safetensors.numpy import load_file
from whole_run import (
    GROUPS,
    LEARNER,
    SALON,
    SAMPLES,
    SEED,
    finish,
    processes,
    salon,
    updates_of,
    wait_for,
    write_config,
)

from actors.adapter import Adapter
from actors.diffusion.sampler import Sampler
from actors.prompts import PromptList
from actors.ticket import Ticket
from actors.trajectory import JudgedGroup
from cluster.ledger.ticket_factory import sample_seeds
from cluster.tracking.history import RunHistory
from cluster.tracking.verdict_table import read_verdicts
from learners.config import LearnerConfig
from rewards.judges.jpeg import JpegConfig, JpegJudge

pytestmark = [pytest.mark.system, pytest.mark.timeout(900)]


def plain_adapter(policy_dir: Path, prompts: Path, updates: int) -> np.ndarray:
    """The adapter that a loop makes which draws, judges and trains in turn, in this process."""
    policy = load_policy(policy_dir, SEED)
    learner = PlainLearner(policy, LearnerConfig(**LEARNER), GROUPS, SAMPLES, SEED)
    sampler, judge, listed = Sampler(policy, SAMPLER), JpegJudge("jpeg", JpegConfig()), PromptList(prompts)
    for update in range(updates):
        groups = []
        for index in range(update * GROUPS, (update + 1) * GROUPS):
            prompt, _ = listed.at(index, SEED)
            ticket = Ticket(index, index, 0, prompt, sample_seeds(SEED, index, 0, SAMPLES), update)
            made = sampler.sample(ticket, update)
            values = [verdict.value for verdict in judge.judge(made.images, [prompt] * SAMPLES)]
            groups.append(JudgedGroup(made, np.array(values, np.float32)))
        learner.update(groups)
    return policy.adapter(updates).values


def saved_adapter(run: Path, policy_dir: Path) -> np.ndarray:
    """The weights of `run/lora`, read by plain diffusers into a fresh pipeline."""
    from diffusers import StableDiffusionPipeline

    pipe: Any = StableDiffusionPipeline.from_pretrained(policy_dir, safety_checker=None)
    pipe.load_lora_weights(run / "lora")
    weights = {n: p.detach().numpy() for n, p in pipe.unet.named_parameters() if ".lora_" in n}
    assert len(weights) == len(load_file(next((run / "lora").glob("*.safetensors"))))
    return np.concatenate([weights[name].reshape(-1) for name in sorted(weights)])


def test_lag_zero_is_a_plain_loop_bit_for_bit_and_the_run_shows_all_it_did(tiny_policy_dir: Path, tmp_path: Path):
    config = write_config(tmp_path, tiny_policy_dir)
    output = finish(salon(tmp_path, "train", str(config)))
    run = tmp_path / "runs" / "run"
    plain = plain_adapter(tiny_policy_dir, tmp_path / "prompts.txt", updates=3)
    start = load_policy(tiny_policy_dir, SEED).adapter(0).values
    assert not np.array_equal(plain, start)
    assert np.array_equal(np.sort(saved_adapter(run, tiny_policy_dir)), np.sort(plain))

    assert "3 updates × 2 prompts × 4 samples = 24 pictures" in output
    assert "salon: done: 3 updates, 24 pictures" in output
    assert output.rstrip().splitlines()[-1].startswith("salon: report  salon report runs/run")
    rows = updates_of(tmp_path)
    assert [row["update"] for row in rows] == [1, 2, 3]
    assert [row["images"] for row in rows] == [8, 16, 24]
    assert all(row["lag/max"] == 0 for row in rows)
    history = RunHistory.read(run)
    before, after = history.evaluation("before"), history.evaluation("after")
    assert before is not None
    assert after is not None
    assert before["jpeg/value"] != after["jpeg/value"]
    for when in ("before", "after"):
        assert (run / "pictures" / f"{when}.png").is_file()
    report = subprocess.run([*SALON, "report", str(run)], capture_output=True, text=True, check=True)
    assert (run / "report.html").stat().st_size > 10_000, report.stdout


@pytest.mark.parametrize("lag", [1, 2])
def test_nothing_older_than_the_lag_is_trained(tiny_policy_dir: Path, tmp_path: Path, lag: int):
    config = write_config(tmp_path, tiny_policy_dir, max_lag=lag, updates=5)
    finish(salon(tmp_path, "train", str(config)))
    lags = [row["lag/max"] for row in updates_of(tmp_path)]
    assert len(lags) == 5
    assert max(lags) <= lag
    assert max(lags) > 0, "nothing ran ahead, so nothing was shown"


def test_kill_9_of_actor_judge_and_learner_costs_no_update(tiny_policy_dir: Path, tmp_path: Path):
    config = write_config(tmp_path, tiny_policy_dir, max_lag=1, updates=14)
    process = salon(tmp_path, "train", str(config))
    for at, title in (
        (2, "ray::RolloutActor"),
        (5, r"ray::ServeReplica:jury-run-\w+:jpeg"),
        (8, "ray::RayTrainWorker"),
    ):
        wait_for(lambda at=at: len(updates_of(tmp_path)) >= at, process)
        wait_for(lambda title=title: bool(processes(process, title)), process)
        for victim in processes(process, title):
            victim.send_signal(signal.SIGKILL)
    output = finish(process)
    rows = updates_of(tmp_path)
    assert [row["update"] for row in rows] == list(range(1, 15)), output
    assert max(row["lag/max"] for row in rows) <= 1
    assert RunHistory.read(tmp_path / "runs" / "run").resumes, "the learner's death left no trace"
    # Every ticket that was ever printed is in the last books exactly once: trained, or dropped for a stated reason.
    books = json.loads((tmp_path / "runs" / "run" / "learner" / "checkpoint_000014" / "ledger.json").read_text())
    assert books["in_flight"] == []
    assert books["tickets"]["next_id"] == 14 * GROUPS + sum(books["dropped"].values())
    assert books["dropped"].keys() <= {"actor died", "rolled back", "unscored: jpeg: error", "deadline"}, books[
        "dropped"
    ]
    assert {"actor died", "rolled back"} & books["dropped"].keys(), "the kills cost nothing: were they too late?"


def test_ctrl_c_leaves_a_run_that_resumes_and_no_orphans(tiny_policy_dir: Path, tmp_path: Path):
    config = write_config(tmp_path, tiny_policy_dir, max_lag=1, updates=200)
    process = salon(tmp_path, "train", str(config))
    wait_for(lambda: len(updates_of(tmp_path)) >= 2, process)
    family = psutil.Process(process.pid).children(recursive=True)
    os.kill(process.pid, signal.SIGINT)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 130, output
    assert "--resume runs/run" in output
    _, alive = psutil.wait_procs(family, timeout=30)
    assert not alive, [p.cmdline() for p in alive]

    stopped_at = updates_of(tmp_path)[-1]["update"]
    stored = tmp_path / "runs" / "run" / "config.yaml"
    stored.write_text(stored.read_text().replace("updates: 200", f"updates: {stopped_at + 3}"))
    refused = subprocess.run(
        [*SALON, "train", "--resume", "runs/run", "--set", "seed=9"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert refused.returncode == 2
    assert refused.stderr.startswith("salon: seed: the run was begun with 3")
    assert "seed: 3\n" in stored.read_text()

    # The learner takes longer to start than an actor may wait for an answer.
    finish(salon(tmp_path, "train", "--resume", "runs/run", "--set", "actors.call_deadline_s=2"))
    rows = updates_of(tmp_path)
    assert [row["update"] for row in rows] == list(range(1, stopped_at + 4))
    assert not [reason for reason in rows[-1] if reason.startswith("dropped/error")]
    assert RunHistory.read(tmp_path / "runs" / "run").resumes


def test_an_alarm_ends_the_run_and_publishes_an_earlier_policy(tiny_policy_dir: Path, tmp_path: Path):
    # The audit judge wants the opposite of the reward, so the first rise of the reward rings.
    judges = {"jpeg": {"kind": "jpeg"}, "large": {"kind": "jpeg", "prefer": "large", "role": "audit"}}
    watch = [{"key": "judge/large", "by": 1e-6}]
    alarm = {"on_alarm": "rollback", "window": 2, "standard_errors": 1e-6, "watch": watch}
    changes: dict[str, Any] = {"rewards": {"judges": judges}, "alarm": alarm, "updates": 40, "max_lag": 1}
    process = salon(tmp_path, "train", str(write_config(tmp_path, tiny_policy_dir, **changes)))
    output, _ = process.communicate(timeout=800)
    assert process.returncode == 3, output
    assert "the alarm ended the run (alarm.on_alarm: rollback)" in " ".join(output.split())
    run = tmp_path / "runs" / "run"
    last = updates_of(tmp_path)[-1]["update"]
    assert 4 <= last < 40
    assert (run / "learner" / f"checkpoint_{last:06d}" / "ledger.json").is_file()
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    rung = next(row for row in rows if row["kind"] == "alarm")
    assert rung["key"] == "judge/large"

    after = RunHistory.read(run).evaluation("after")
    assert after is not None
    assert after["update"] < rung["update"]
    kept = run / "adapters" / f"{after['update']:06d}.safetensors"
    start = load_policy(tiny_policy_dir, SEED).adapter(0)
    wanted = Adapter.pack(after["update"], load_file(kept)) if kept.is_file() else start
    assert np.array_equal(np.sort(saved_adapter(run, tiny_policy_dir)), np.sort(wanted.values))

    rows = [row for row in read_verdicts(run).to_pylist() if row["ticket"] is not None]
    assert len({(row["ticket"], row["sample"], row["judge"]) for row in rows}) == len(rows)
    trained = [row["update"] for row in rows if row["reward"] is not None and row["update"] <= last]
    assert trained == [u for u in range(1, last + 1) for _ in range(GROUPS * SAMPLES * len(judges))]
    assert all((run / "audit" / row["thumbnail"]).is_file() for row in rows if row["thumbnail"])
