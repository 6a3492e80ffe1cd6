"""Settings and fixtures for every test: one thread a process, nothing from the network, one tiny policy a session."""

from __future__ import annotations

import os

# Before torch, transformers or ray are imported, here and in the processes they start.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("WANDB_MODE", "offline")
os.environ.setdefault("DS_ACCELERATOR", "cpu")
# Ray's workers import what a test sends them by name: our packages and the modules beside this file.
os.environ["PYTHONPATH"] = os.pathsep.join(
    [os.path.dirname(os.path.dirname(__file__)), os.path.dirname(__file__), os.environ.get("PYTHONPATH", "")]
).rstrip(os.pathsep)

import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import jaxtyping
import pytest
import torch
from hypothesis import settings
from tiny import save_tiny_flow, save_tiny_policy

# Pure maths, whose annotated shapes are checked at every call; before anything imports it.
SHAPED = [
    "actors.diffusion.transitions.ddim",
    "actors.diffusion.transitions.flow",
    "actors.diffusion.transitions.forward_process",
    "actors.diffusion.transitions.transition",
    "actors.trajectory",
    "learners.algorithms.denoiser",
    "learners.algorithms.likelihood",
    "learners.maths.advantages",
    "learners.maths.forward_losses",
    "learners.maths.forward_noise",
    "learners.maths.forward_statistics",
    "learners.maths.noise_levels",
    "learners.maths.objectives",
    "learners.maths.schedule",
    "learners.maths.statistics",
    "learners.maths.timesteps",
    "rewards.panel.composition",
    "rewards.panel.normalise",
]
jaxtyping.install_import_hook(SHAPED, "beartype.beartype")

torch.set_num_threads(1)
# How long an example takes depends on what else the machine does; no test asserts it that way.
settings.register_profile("salon", deadline=None)
settings.load_profile("salon")
# What is started in the background ignores Ctrl-C, and so would the processes of the tests that send it.
signal.signal(signal.SIGINT, signal.default_int_handler)
# The same for SIGHUP and nohup; what is started from here has the default again.
signal.signal(signal.SIGHUP, lambda number, frame: None)


@pytest.fixture(scope="session")
def tiny_policy_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A randomly initialised Stable Diffusion pipeline of the real classes in `from_pretrained` layout (read only)."""
    return save_tiny_policy(tmp_path_factory.mktemp("tiny") / "policy")


@pytest.fixture(scope="session")
def tiny_flow_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same for a Stable Diffusion 3 pipeline without T5."""
    return save_tiny_flow(tmp_path_factory.mktemp("tiny") / "flow")


@pytest.fixture(scope="module")
def local_ray() -> Iterator[None]:
    """A small Ray of this module's own."""
    import ray

    # Socket paths may have 107 bytes, which pytest's own temporary directories would exceed.
    with tempfile.TemporaryDirectory(prefix="ray") as folder:
        ray.init(num_cpus=2, include_dashboard=False, object_store_memory=200 * 2**20, _temp_dir=folder)
        yield
        ray.shutdown()
