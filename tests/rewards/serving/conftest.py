"""Ray and Serve for the tests of a module, and a jury of faulty judges on them."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import pytest
import ray
from asked_jury import config
from ray import serve

from rewards.serving.jury import JuryHandle, serve_jury


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    folder = tempfile.mkdtemp(prefix="jury", dir="/tmp")
    here = Path(__file__).resolve()
    ray.init(
        num_cpus=2,
        include_dashboard=False,
        object_store_memory=200 * 2**20,
        _temp_dir=folder,
        log_to_driver=False,
        runtime_env={"env_vars": {"PYTHONPATH": os.pathsep.join([str(here.parents[1]), str(here.parents[3])])}},
    )
    yield
    serve.shutdown()
    ray.shutdown()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def jury(cluster: None) -> JuryHandle:
    return serve_jury(config())
