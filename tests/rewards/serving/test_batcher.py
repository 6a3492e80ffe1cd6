"""The batcher: requests gather while the judge is busy, and one that fails does not take its neighbours with it."""

from __future__ import annotations

import asyncio
import math
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from faulty_judges import BAD, FINE, LosesItsDevice, Raises, SaysMore, SaysNaN, SaysNonsense, SaysTooLittle, Steady

from rewards.judge import Judge
from rewards.serving.batcher import Batcher
from rewards.verdict import Verdict


def pictures(n: int, value: int, first: int = FINE, size: int = 4) -> np.ndarray:
    """`n` pictures whose last pixel is `value` and whose first pixel tells a faulty judge what to do."""
    images = np.zeros((n, size, size, 3), np.uint8)
    images[:, -1, -1], images[:, 0, 0] = value, first
    return images


class Slow(Judge):
    """Waits for `go` in every call, and remembers how many pictures each call had."""

    def __init__(self) -> None:
        self.name, self.version = "slow", "1"
        self.calls: list[int] = []
        self.go = threading.Event()
        self._called = threading.Condition()

    async def has_been_called(self, times: int = 1) -> None:
        """Returns once `times` calls have begun."""

        def wait() -> None:
            with self._called:
                assert self._called.wait_for(lambda: len(self.calls) >= times, 10)

        await asyncio.to_thread(wait)

    def judge(self, images: np.ndarray, prompts: Sequence[str], metadata: Any = None) -> list[Verdict]:
        with self._called:
            self.calls.append(len(images))
            self._called.notify_all()
        assert self.go.wait(10)
        return [Verdict(self.name, "ok", value=float(image[-1, -1, 0])) for image in images]


async def queued(batcher: Batcher, images: np.ndarray, timeout_s: float = 60.0) -> asyncio.Task[list[Verdict]]:
    """The task of a request that has come as far as it can: to its turn, or into the queue."""
    task = asyncio.create_task(batcher.score(images, ["p"] * len(images), None, timeout_s))
    await asyncio.sleep(0)
    return task


def score(batcher: Batcher, *groups: np.ndarray, timeout_s: float = 60.0) -> list[list[Verdict]]:
    return asyncio.run(batcher.score_all([(group, ["p"] * len(group), None, timeout_s) for group in groups]))


def values(verdicts: list[list[Verdict]]) -> list[list[float | None]]:
    return [[verdict.value for verdict in group] for group in verdicts]


def test_each_request_gets_its_own_verdicts_back_whatever_the_sizes_of_its_neighbours():
    batcher = Batcher(Steady("s", None, "cpu"))
    groups = [pictures(2, 5), pictures(1, 6, size=8), pictures(3, 7), pictures(1, 8, size=8)]
    verdicts = score(batcher, *groups)
    assert values(verdicts) == [[5, 5], [6], [7, 7, 7], [8]]
    assert {verdict.version for group in verdicts for verdict in group} == {"steady"}


def test_what_comes_while_the_judge_is_busy_is_judged_together_afterwards():
    async def run() -> tuple[list[int], list[list[Verdict]]]:
        judge = Slow()
        batcher = Batcher(judge, max_batch=4)
        tasks = [await queued(batcher, pictures(2, 0))]
        await judge.has_been_called()
        tasks += [await queued(batcher, pictures(2, i)) for i in range(1, 6)]
        judge.go.set()
        return judge.calls, await asyncio.gather(*tasks)

    calls, verdicts = asyncio.run(run())
    # The first alone, then as many as the limit of four requests allows.
    assert calls == [2, 8, 2]
    assert values(verdicts) == [[i, i] for i in range(6)]


def test_two_turns_judge_at_the_same_time():
    async def run() -> list[int]:
        judge = Slow()
        batcher = Batcher(judge, max_batch=1, concurrent=2)
        tasks = [await queued(batcher, pictures(1, i)) for i in range(3)]
        await judge.has_been_called(2)
        busy = list(judge.calls)
        judge.go.set()
        await asyncio.gather(*tasks)
        return busy

    assert asyncio.run(run()) == [1, 1]


def test_a_request_nobody_waits_for_is_not_judged():
    async def run() -> tuple[list[int], list[Verdict]]:
        judge, now = Slow(), [0.0]
        batcher = Batcher(judge, clock=lambda: now[0])
        first = await queued(batcher, pictures(1, 1))
        await judge.has_been_called()
        second = await queued(batcher, pictures(3, 2), timeout_s=5.0)
        now[0] = 6.0
        judge.go.set()
        await first
        return judge.calls, await second

    calls, verdicts = asyncio.run(run())
    assert calls == [1]
    assert [verdict.status for verdict in verdicts] == ["error"] * 3
    assert "nobody waits" in verdicts[0].text


def test_a_judge_that_raises_fails_only_the_request_it_raised_for():
    batcher = Batcher(Raises("r", None, "cpu"))
    verdicts = score(batcher, pictures(2, 5), pictures(2, 6, first=BAD), pictures(1, 7))
    assert values(verdicts) == [[5, 5], [None, None], [7]]
    assert verdicts[1][0].status == "error"
    assert verdicts[1][0].text == "RuntimeError: this picture is too much"


def test_a_lost_device_is_distinguished_from_a_picture_that_is_too_much():
    for judge, lost in ((Raises, False), (LosesItsDevice, True)):
        batcher = Batcher(judge("j", None, "cpu"))
        assert not batcher.device_lost
        score(batcher, pictures(2, 6, first=BAD))
        score(batcher, pictures(2, 6))
        assert bool(batcher.device_lost) is lost


def test_nan_is_an_error_of_that_picture_alone():
    images = np.concatenate([pictures(1, 5), pictures(1, 5, first=BAD)])
    ((fine, nan),) = score(Batcher(SaysNaN("n", None, "cpu")), images)
    assert fine.value == 5
    assert (nan.status, nan.value, nan.text) == ("error", None, "value nan")


@pytest.mark.parametrize("extra", [None, "much", [1.0]])
def test_a_sub_score_that_is_no_number_is_an_error_that_names_it(extra: Any):
    ((verdict,),) = score(Batcher(SaysMore("m", None, "cpu", extra)), pictures(1, 5))
    assert (verdict.status, verdict.value, verdict.scores) == ("error", None, {})
    assert verdict.text == f"sub-score extra is no number but {extra!r}"


@pytest.mark.parametrize("extra", [1, True, 0.5, np.float32(0.5), np.int64(3), np.bool_(True), math.inf])
def test_a_sub_score_may_be_any_kind_of_number(extra: Any):
    ((verdict,),) = score(Batcher(SaysMore("m", None, "cpu", extra)), pictures(1, 5))
    assert (verdict.status, verdict.scores) == ("ok", {"extra": extra})


@pytest.mark.parametrize(
    ("judge", "reason"),
    [(SaysTooLittle, "1 verdicts for 2 pictures"), (SaysNonsense, "something in the list of verdicts is no verdict")],
)
def test_what_is_not_one_verdict_a_picture_is_an_error(judge: type[Steady], reason: str):
    (verdicts,) = score(Batcher(judge("j", None, "cpu")), pictures(2, 5, first=BAD))
    assert [(verdict.status, verdict.text) for verdict in verdicts] == [("error", reason)] * 2


def test_busy_for_tells_how_long_the_oldest_call_has_run():
    async def run() -> list[float]:
        judge, now = Slow(), [100.0]
        batcher = Batcher(judge, clock=lambda: now[0])
        seen = [batcher.busy_for()]
        task = await queued(batcher, pictures(1, 1))
        await judge.has_been_called()
        now[0] = 142.0
        seen.append(batcher.busy_for())
        judge.go.set()
        await task
        return [*seen, batcher.busy_for()]

    assert asyncio.run(run()) == [0.0, 42.0, 0.0]


def test_a_picture_that_was_judged_is_not_judged_again():
    judge = Slow()
    judge.go.set()
    batcher = Batcher(judge, remembered=2)
    first = score(batcher, pictures(1, 5))
    assert values(first) == values(score(batcher, pictures(1, 5))) == [[5]]
    both = np.concatenate([pictures(1, 6), pictures(1, 5), pictures(1, 7)])
    verdicts = score(batcher, both)
    assert values(verdicts) == [[6, 5, 7]]
    assert judge.calls == [1, 2]
    assert [verdict.remembered for verdict in verdicts[0]] == [False, True, False]
    # Two are remembered: 5 was asked about before 6 and 7, so it has made room.
    assert values(score(batcher, pictures(1, 7), pictures(1, 5))) == [[7], [5]]
    assert judge.calls == [1, 2, 1]


def test_prompt_metadata_size_and_version_are_all_in_the_memory():
    judge = Slow()
    judge.go.set()
    batcher = Batcher(judge, remembered=100)
    image = pictures(1, 5)

    def ask(images: np.ndarray, prompt: str, metadata: dict[str, Any]) -> None:
        asyncio.run(batcher.score(images, [prompt], [metadata], 60.0))

    for _ in range(2):
        ask(image, "p", {})
        ask(image, "q", {})
        ask(image, "p", {"count": 2})
        ask(image, "p", {"count": "2"})
        ask(image.reshape(1, 2, 8, 3), "p", {})
    assert len(judge.calls) == 5
    judge.version = "2"
    ask(image, "p", {})
    assert len(judge.calls) == 6


def test_an_error_is_not_remembered():
    batcher = Batcher(Raises("r", None, "cpu"), remembered=10)
    for _ in range(2):
        ((verdict,),) = score(batcher, pictures(1, 6, first=BAD))
        assert (verdict.status, verdict.remembered) == ("error", False)


def test_without_a_cache_every_picture_is_judged():
    judge = Slow()
    judge.go.set()
    batcher = Batcher(judge)
    score(batcher, pictures(1, 5))
    ((verdict,),) = score(batcher, pictures(1, 5))
    assert judge.calls == [1, 1]
    assert verdict.remembered is None
