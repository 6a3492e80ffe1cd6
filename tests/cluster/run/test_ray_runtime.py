"""A Ray that does not start in its 30 seconds."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from typing import Any

import pytest
import ray

from cluster.config.experiment import ClusterConfig
from cluster.errors import PreflightError, RunStopped, Stopped
from cluster.run.ray_runtime import ray_runtime
from cluster.run.stop_signals import StopSignals


class SlowRay:
    """Stands for `ray.init`: its first `slow` calls leave a process behind and time out, as Ray words it."""

    def __init__(self, slow: int, words: str = "The current node timed out during startup.") -> None:
        self.slow, self.words = slow, words
        self.left: list[subprocess.Popen[bytes]] = []
        self.calls = 0

    def __call__(self, **settings: Any) -> None:
        self.calls += 1
        if self.calls <= self.slow:
            self.left.append(subprocess.Popen(["sleep", "60"], start_new_session=True))
            raise Exception(self.words)


@pytest.fixture
def bystander():
    process = subprocess.Popen(["sleep", "60"])
    yield process
    process.kill()


def test_a_second_try_finds_nothing_of_the_first(
    monkeypatch: pytest.MonkeyPatch, bystander: subprocess.Popen[bytes]
) -> None:
    slow = SlowRay(1)
    monkeypatch.setattr(ray, "init", slow)
    with ray_runtime(ClusterConfig()):
        assert slow.calls == 2
        assert slow.left[0].wait(5) == -9
    assert bystander.poll() is None


def test_after_two_tries_the_run_is_refused_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    slow = SlowRay(2)
    monkeypatch.setattr(ray, "init", slow)
    with pytest.raises(RunStopped, match="Ray could not start in twice 30 s"), ray_runtime(ClusterConfig()):
        pass
    assert [process.wait(5) for process in slow.left] == [-9, -9]


def test_a_ray_of_ones_own_is_not_another_that_runs_here(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, Any] = {}
    monkeypatch.setattr(ray, "init", lambda **settings: seen.update(settings))
    with ray_runtime(ClusterConfig()):
        assert seen["address"] == "local"


def test_a_cluster_that_is_not_there_is_refused_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(**settings: Any) -> None:
        raise ConnectionError("Could not find any running Ray instance.\nAnd more.")

    monkeypatch.setattr(ray, "init", nobody)
    refused = pytest.raises(PreflightError, match=r"cluster\.address: no Ray cluster answers at 'auto' \(Could")
    with refused as error, ray_runtime(ClusterConfig(address="auto")):
        pass
    assert len(str(error.value).splitlines()) == 1


def test_the_ray_of_another_run_is_not_joined(monkeypatch: pytest.MonkeyPatch) -> None:
    rays: list[dict[str, float]] = []
    monkeypatch.setattr(ray, "init", lambda **settings: rays.append(settings.get("resources") or {}))
    monkeypatch.setattr(ray, "cluster_resources", lambda: {"CPU": 2.0, **rays[0]})
    with ray_runtime(ClusterConfig()):
        pass
    refused = pytest.raises(PreflightError, match=r"cluster\.address: the Ray at 'auto' is another run's own")
    with refused, ray_runtime(ClusterConfig(address="auto")):
        pass
    rays[0] = {}
    with ray_runtime(ClusterConfig(address="auto")):
        pass


class RayThatIsKilled:
    """Stands for `ray.init`: a signal comes when it has started a process; Ray's handler exits, or is not heard."""

    def __init__(self, number: signal.Signals, swallows: bool) -> None:
        self.number, self.swallows = number, swallows
        self.left: subprocess.Popen[bytes] | None = None

    def __call__(self, **settings: Any) -> None:
        self.left = subprocess.Popen(["sleep", "60"], start_new_session=True)
        signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(number))
        with contextlib.suppress(BaseException) if self.swallows else contextlib.nullcontext():
            signal.raise_signal(self.number)


@pytest.mark.parametrize("swallows", [False, True])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_while_ray_starts_is_not_lost_and_nothing_is_left(
    monkeypatch: pytest.MonkeyPatch, number: signal.Signals, swallows: bool
) -> None:
    killed = RayThatIsKilled(number, swallows)
    monkeypatch.setattr(ray, "init", killed)
    with pytest.raises(Stopped) as stopped, StopSignals() as stop, ray_runtime(ClusterConfig(), stop):
        raise AssertionError("the signal was lost")
    assert stopped.value.exit_code == 128 + number
    assert killed.left is not None
    assert killed.left.wait(5) == -9


def test_an_address_where_nothing_listens_is_refused_at_once() -> None:
    with pytest.raises(PreflightError, match="refused"), ray_runtime(ClusterConfig(address="127.0.0.1:9")):
        pass


def test_another_error_is_not_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = SlowRay(2, "no space left")
    monkeypatch.setattr(ray, "init", broken)
    with pytest.raises(Exception, match="no space left"), ray_runtime(ClusterConfig()):
        pass
    assert broken.calls == 1
    broken.left[0].kill()


@pytest.mark.parametrize(("terminal", "set_to"), [(False, "0"), (True, None)])
def test_what_ray_says_into_a_file_has_no_colours(
    monkeypatch: pytest.MonkeyPatch, terminal: bool, set_to: str | None
) -> None:
    monkeypatch.setattr(ray, "init", lambda **settings: None)
    monkeypatch.setenv("RAY_COLOR_PREFIX", "")  # so that it is put back
    monkeypatch.delenv("RAY_COLOR_PREFIX")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal, raising=False)
    with ray_runtime(ClusterConfig()):
        assert os.environ.get("RAY_COLOR_PREFIX") == set_to
