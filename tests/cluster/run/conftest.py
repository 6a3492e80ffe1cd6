"""A small finished run on disk, as a whole one leaves it, made in this process."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from ledgers import finish, group_summary, update_event
from plain_loop import ddpo, load_policy, roll
from whole_run import GROUPS, LEARNER, SAMPLES, SEED, write_config

from actors.config import AuditConfig
from cluster.config.experiment import ExperimentConfig, dump_config, load_config
from cluster.ledger.ledger import Ledger
from cluster.report.grid import SampleGrid
from cluster.run.adapter_archive import AdapterArchive
from cluster.tracking.audit import Audit
from cluster.tracking.metrics import MetricsWriter
from learners.algorithms.ddpo import DDPOLearner
from learners.config import LearnerConfig
from learners.distributed.checkpoints import CONFIG, LEDGER, CheckpointStore

UPDATES = 3


@dataclass(frozen=True)
class FinishedRun:
    """The run's folder, its config, and the adapter's checksum after each update."""

    folder: Path
    config: ExperimentConfig
    checksums: dict[int, str]

    def new_ledger(self) -> Ledger:
        """A ledger of this run, before anything is restored."""
        return new_ledger(self.config)


def new_learner(policy: Path) -> DDPOLearner:
    return ddpo(load_policy(policy, SEED), LearnerConfig(**LEARNER), GROUPS, SAMPLES, seed=SEED)


def new_ledger(config: ExperimentConfig) -> Ledger:
    return Ledger(
        lambda index: (f"prompt {index}", {}),
        seed=config.seed,
        groups_per_update=config.groups_per_update,
        samples_per_prompt=config.samples_per_prompt,
        max_lag=config.max_lag,
        updates=config.updates,
        clock=lambda: 0.0,
    )


def make_finished_run(root: Path, policy: Path) -> FinishedRun:
    """A run of UPDATES updates; its learner, ledger, curves, audit, pictures and adapters are the real ones."""
    here = [f"policy.model={policy}", f"prompts.file={root / 'prompts.txt'}"]
    config = load_config(write_config(root, policy, updates=UPDATES), here)
    run = root / "run"
    run.mkdir()
    (run / "config.yaml").write_text(dump_config(config))
    (run / "lock").touch()
    (run / "learner.token").write_text("0" * 16)
    learner, ledger = new_learner(policy), new_ledger(config)
    store, archive = CheckpointStore(run), AdapterArchive(run, 1)
    checksums: dict[int, str] = {}
    with MetricsWriter(run) as writer, Audit(run, AuditConfig(), GROUPS):
        evaluation = {"jpeg/value": -1.0, "jpeg/value/low": -1.1, "jpeg/value/high": -0.9}
        details = {"jpeg/value": {"kind": "mean", "n": 4, "by_prompt": [-1.0, -1.0]}}
        writer.evaluation("before", 0, evaluation | {"figures": details})
        for version in range(UPDATES):
            while (ticket := ledger.next_ticket("a")) is not None:
                finish(ledger, ticket, version)
            assert ledger.batch()
            learner.update(roll(learner.policy, version, range(GROUPS * version, GROUPS * (version + 1)), SAMPLES))
            checksums[version + 1] = learner.adapter().checksum()
            ledger.settle(version + 1)
            event = update_event(version + 1, 1.0 + version, *[group_summary()] * GROUPS)
            saved = ledger.state() | {"unreported": [event]}
            beside = {LEDGER: json.dumps(saved), CONFIG: dump_config(config)}
            learner.save(store.path(version + 1), beside)
            store.prune(version + 1)
            archive.keep(learner.adapter())
            writer.update(version + 1, {"reward/mean": 0.1 * version, "images": 8 * version + 8})
        writer.evaluation("after", UPDATES, evaluation | {"figures": details})
    grid = np.zeros((1, 2, 8, 8, 3), np.uint8)
    for when in ("before", "after"):
        SampleGrid(["a cat"], grid, [[1, 2]], [["", ""]], [[True, None]]).save(run / "pictures", when)
    learner.policy.save_lora(run / "lora")
    return FinishedRun(run, config, checksums)


@pytest.fixture(scope="module")
def finished(tiny_policy_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> FinishedRun:
    """A finished run, to be copied and not changed."""
    return make_finished_run(tmp_path_factory.mktemp("finished"), tiny_policy_dir)


@pytest.fixture(scope="module")
def learner(tiny_policy_dir: Path) -> DDPOLearner:
    """A learner that can restore the run's checkpoints."""
    return new_learner(tiny_policy_dir)
