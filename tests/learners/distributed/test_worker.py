"""The Ray Train worker group with the real ledger and weight store; pictures come from a thread of the test."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
import ray
from plain_loop import PROMPTS, SAMPLER, brightness, ddpo, load_policy

from actors.config import LoraConfig, PolicyConfig
from actors.diffusion.sampler import Sampler
from actors.trajectory import JudgedGroup
from cluster.ledger.ray_actors import spawn_ledger, spawn_weight_store
from learners.algorithms.ddpo import DDPOLearner
from learners.config import LearnerConfig
from learners.distributed.checkpoints import CheckpointStore
from learners.distributed.trainer import fit
from learners.distributed.worker import Assignment
from learners.settings import TrainingSpec
from learners.sources.source import TrainingStopped

pytestmark = pytest.mark.system

GROUPS, SAMPLES, UPDATES = 2, 4, 3


def saved_ledger(run_dir: Path):
    """The ledger's state in the newest whole checkpoint."""
    checkpoint = CheckpointStore(run_dir).newest().checkpoint
    return None if checkpoint is None else checkpoint.ledger


def prompt_at(index: int):
    return PROMPTS[index % len(PROMPTS)], {}


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    here = Path(__file__).resolve()
    paths = os.pathsep.join([str(here.parents[3]), str(here.parents[2])])
    ray.init(
        num_cpus=3,
        include_dashboard=False,
        object_store_memory=200 * 2**20,
        runtime_env={"env_vars": {"PYTHONPATH": paths, "OMP_NUM_THREADS": "1", "DS_ACCELERATOR": "cpu"}},
    )
    yield
    ray.shutdown()


class Run:
    """A ledger, a weight store and one rolling thread, for one call of `fit`."""

    def __init__(self, folder: Path, run_dir: Path, *, state=None, learner: LearnerConfig, **changed) -> None:
        self.folder, self.run_dir = folder, run_dir
        self.ledger = spawn_ledger(
            prompt_at,
            num_cpus=0,
            state=state,
            seed=7,
            groups_per_update=GROUPS,
            samples_per_prompt=SAMPLES,
            max_lag=0,
            updates=changed.get("updates", UPDATES),
        )
        self.weights = spawn_weight_store(num_cpus=0)
        policy = PolicyConfig(model=str(folder), lora=LoraConfig(rank=4, alpha=4))
        run = {"sampler": SAMPLER, "updates": UPDATES} | changed
        self.assignment = Assignment(
            policy=run.pop("policy", policy),
            algorithm=learner.algorithm,
            spec=TrainingSpec(learner, groups=GROUPS, samples=SAMPLES, **run),
            checkpoint_every=1,
            ledger=self.ledger,
            weights=self.weights,
        )

    def fit(self, on_version: Callable[[int], None] = lambda version: None) -> int:
        """`fit`, with `on_version` called before each group is rolled."""
        stop = threading.Event()
        thread = threading.Thread(target=self._roll, args=(stop, on_version), daemon=True)
        thread.start()
        try:
            return fit(self.assignment, self.run_dir)
        finally:
            stop.set()
            thread.join(timeout=30)

    def _roll(self, stop: threading.Event, on_version: Callable[[int], None]) -> None:
        policy = load_policy(self.folder)
        sampler = Sampler(policy, SAMPLER)
        while not stop.is_set():
            ticket = self.ledger.next_ticket("rolling", 0.5).result()
            if ticket is None:
                continue
            while (adapter := self.weights.latest().result()) is None:
                if stop.wait(0.05):
                    return
            on_version(adapter.version)
            policy.load_adapter(adapter)
            path = sampler.sample(ticket, adapter.version)
            self.ledger.judging(ticket.id, "rolling").result()
            group = JudgedGroup(path, brightness(path.images))
            self.ledger.submit(ticket.id, "rolling", group, adapter.version, {}).result()

    def newest(self):
        return self.weights.latest().result()

    def events(self, kind: str):
        return [row for row in self.ledger.events().result() if row["kind"] == kind]

    def close(self) -> None:
        ray.kill(self.ledger.handle)
        ray.kill(self.weights.handle)


@pytest.fixture
def start(cluster, tiny_policy_dir, tmp_path) -> Iterator[Callable[..., Run]]:
    with contextlib.ExitStack() as stack:

        def make(**kwargs) -> Run:
            run = Run(tiny_policy_dir, tmp_path, **kwargs)
            stack.callback(run.close)
            return run

        yield make


def plain_run(folder: Path, config: LearnerConfig, updates: int = UPDATES) -> DDPOLearner:
    """The same run as a loop in one process: no Ray, no ledger shell."""
    from cluster.ledger.ticket_factory import TicketFactory

    tickets = TicketFactory(prompt_at, 7, SAMPLES)
    policy = load_policy(folder)
    learner = ddpo(policy, config, GROUPS, SAMPLES)
    for version in range(updates):
        indices = range(version * GROUPS, (version + 1) * GROUPS)
        paths = [Sampler(policy, SAMPLER).sample(tickets.issue(index, version), version) for index in indices]
        learner.update([JudgedGroup(path, brightness(path.images)) for path in paths])
    return learner


def kill_a_train_worker() -> None:
    workers = [
        process
        for process in psutil.Process().children(recursive=True)
        if "RayTrainWorker" in " ".join(process.cmdline())
    ]
    assert workers, "no worker to kill"
    os.kill(workers[0].pid, signal.SIGKILL)


def test_a_killed_worker_costs_a_restart_and_the_run_still_equals_a_plain_loop_bit_for_bit(
    start, tiny_policy_dir, tmp_path
):
    config = LearnerConfig(lr=1e-3, micro_batch=8)
    run = start(learner=config)
    killed = []

    def on_version(version: int) -> None:
        if version == 2 and not killed:
            killed.append(version)
            kill_a_train_worker()

    assert run.fit(on_version) == UPDATES
    assert killed
    # From which checkpoint it went on depends on how far Ray Train had got with recording them.
    (rollback,) = run.events("rollback")
    assert rollback["version"] <= 2
    before = [row["version"] for row in run.events("update") if row["number"] < rollback["number"]]
    after = [row["version"] for row in run.events("update") if row["number"] > rollback["number"]]
    assert before == [1, 2]
    assert after == list(range(rollback["version"] + 1, UPDATES + 1))
    counts = run.ledger.counts().result()
    assert counts["trained"] == UPDATES * GROUPS
    assert counts["admitted"] == counts["trained"] + sum(counts["dropped"].values())
    newest = run.newest()
    assert newest.version == UPDATES
    assert newest.checksum() == plain_run(tiny_policy_dir, config).adapter().checksum()

    row = run.events("update")[0]
    assert {"reward/mean", "grad_norm", "startup_ratio_off", "seconds/training", "idle/learner"} <= row.keys()
    assert row["startup_ratio_off"] <= 1e-5

    # The same directory goes on where it stopped, with a new ledger.
    state = saved_ledger(tmp_path)
    assert state is not None
    assert state["published"] == UPDATES
    longer = start(learner=config, state=state, updates=UPDATES + 1)
    assert longer.fit() == UPDATES + 1
    assert longer.events("rollback") == []
    assert longer.newest().checksum() == plain_run(tiny_policy_dir, config, UPDATES + 1).adapter().checksum()


def test_two_workers_train_what_one_would_and_resume_from_both_their_shards(start, tiny_policy_dir, tmp_path):
    config = LearnerConfig(lr=1.0, epsilon=1.0, micro_batch=8, workers=2)
    assert start(learner=config, updates=UPDATES - 1).fit() == UPDATES - 1
    run = start(learner=config, state=saved_ledger(tmp_path))
    assert run.fit() == UPDATES
    # Nobody has read the first ledger's events, so the second reports its updates, too.
    assert [row["version"] for row in run.events("update")] == list(range(1, UPDATES + 1))
    assert len(run.events("group")) == GROUPS
    alone = plain_run(tiny_policy_dir, config.model_copy(update={"workers": 1})).adapter().values
    start_values = load_policy(tiny_policy_dir).adapter(0).values
    moved = np.abs(alone - start_values).max()
    assert moved > 1e-3
    # Two workers add gradients in another order.
    assert np.abs(run.newest().values - alone).max() < 1e-3 * moved


def test_workers_that_fail_again_and_again_say_why_in_one_line(start, monkeypatch):
    monkeypatch.setattr("learners.distributed.trainer.leave_token", lambda run_dir: "of another directory")
    run = start(learner=LearnerConfig(max_failures=0))
    with pytest.raises(
        TrainingStopped, match=r"failed 1 times \(learner.max_failures\), the last .*does not see the run's directory"
    ) as stopped:
        run.fit()
    assert len(str(stopped.value).splitlines()) == 1


def test_a_checkpoint_of_other_weights_is_refused_at_once(start, tiny_policy_dir, tmp_path):
    assert start(learner=LearnerConfig(), updates=1).fit() == 1
    other = PolicyConfig(model=str(tiny_policy_dir), lora=LoraConfig(rank=8, alpha=8))
    run = start(learner=LearnerConfig(), state=saved_ledger(tmp_path), policy=other)
    with pytest.raises(
        TrainingStopped, match=r"checkpoint_000001/weights.safetensors is of other weights than those"
    ) as stopped:
        run.fit()
    assert len(str(stopped.value).splitlines()) == 1


def test_workers_that_find_no_room_end_the_run(start, monkeypatch):
    monkeypatch.setenv("RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S", "1")
    monkeypatch.setattr("learners.distributed.trainer.PLACEMENTS", 1)
    run = start(learner=LearnerConfig(num_cpus=64))
    with pytest.raises(TrainingStopped, match=r"could not be started .*learner.workers 1 × learner.num_cpus 64"):
        run.fit()


def test_a_ratio_that_is_not_one_stops_the_run_at_once_and_says_why(start, tmp_path):
    run = start(learner=LearnerConfig(max_failures=3), sampler=SAMPLER.model_copy(update={"guidance": 3.0}))
    started = time.monotonic()
    with pytest.raises(TrainingStopped, match=r"importance ratio of a fresh on-policy batch must be 1"):
        run.fit()
    assert run.newest().version == 0
    assert run.events("update") == run.events("rollback") == []
    assert saved_ledger(tmp_path) is None
    assert time.monotonic() - started < 120
