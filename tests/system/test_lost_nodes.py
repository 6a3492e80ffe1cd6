"""A run on a cluster whose nodes are lost, and whose driver is killed: real Ray nodes on this machine."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import ray
from ray import serve
from ray.cluster_utils import Cluster
from whole_run import finish, salon, updates_of, wait_for, write_config

from cluster.tracking.history import RunHistory

pytestmark = [pytest.mark.system, pytest.mark.timeout(900)]

MB = 10**6
# As in a run of hours: what went back to the ledger only by its deadline would take a quarter of an hour.
ACTORS = {"count": 2, "num_cpus": 0, "resources": {"rollout": 1}, "poll_s": 1.0}


class Nodes:
    """A head, on which all but the rollout actors live, and nodes of one actor each."""

    def __init__(self) -> None:
        head = {"num_cpus": 2, "object_store_memory": 200 * MB, "include_dashboard": False}
        self.cluster = Cluster(initialize_head=True, head_node_args=head)
        self.rollout = [self.add(), self.add()]

    def add(self) -> Any:
        return self.cluster.add_node(num_cpus=0, object_store_memory=100 * MB, resources={"rollout": 1})

    def lose(self) -> None:
        self.cluster.remove_node(self.rollout.pop(0), allow_graceful=False)


@pytest.fixture
def nodes() -> Iterator[Nodes]:
    its = Nodes()
    yield its
    ray.shutdown()
    its.cluster.shutdown()


def said(folder: Path) -> str:
    return (folder / "out").read_text()


def test_a_run_outlives_its_rollout_nodes_and_its_driver_and_leaves_no_judges_behind(
    nodes: Nodes, tiny_policy_dir: Path, tmp_path: Path
):
    changes: dict[str, Any] = {
        "cluster": {"address": nodes.cluster.address},
        "actors": ACTORS,
        "updates": 10_000,
        "max_lag": 1,
        # Some seconds of pictures, in many parts.
        "evaluation": {"prompts": 2, "samples": 150},
        "rewards": {"judges": {"jpeg": {"kind": "jpeg", "serve": {"num_cpus": 0.1}}}},
    }
    config = write_config(tmp_path, tiny_policy_dir, **changes)
    # Workers of other nodes start elsewhere than this one.
    absolute = f"policy.model={tiny_policy_dir}"
    process = salon(tmp_path, "train", str(config), "--set", absolute, log=tmp_path / "out")

    wait_for(lambda: "evaluating the policy" in said(tmp_path), process)
    time.sleep(1.0)
    nodes.lose()
    wait_for(lambda: "\ntraining" in said(tmp_path), process, 120)
    assert "cannot be reached" in said(tmp_path), "the node was lost too late"
    before = RunHistory.read(tmp_path / "runs" / "run").evaluation("before")
    assert before is not None
    assert before["figures"]["jpeg/value"]["n"] == 300

    nodes.rollout.append(nodes.add())
    wait_for(lambda: "is back" in said(tmp_path), process, 240)
    wait_for(lambda: len(updates_of(tmp_path)) >= 3, process)
    nodes.lose()
    lost_at = len(updates_of(tmp_path))
    wait_for(lambda: said(tmp_path).count("cannot be reached") == 2, process, 120)
    wait_for(lambda: len(updates_of(tmp_path)) >= lost_at + 10, process, 120)
    assert not any(row.get("dropped/deadline") for row in updates_of(tmp_path))
    assert "infinite retries" not in said(tmp_path)

    nodes.rollout.append(nodes.add())  # for a run that starts, there must be room for all its actors
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    ray.init(address=nodes.cluster.address, log_to_driver=False)
    (left,) = serve.status().applications
    done = updates_of(tmp_path)[-1]["update"]
    again = finish(salon(tmp_path, "train", "--resume", "runs/run", "--set", f"updates={done + 2}"))
    assert "going on with the judges that this run left on the cluster" in again, left
    assert updates_of(tmp_path)[-1]["update"] == done + 2
    assert not serve.status().applications
