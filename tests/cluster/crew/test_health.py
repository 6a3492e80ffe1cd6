# pyright: strict
"""Who is sick, who cannot be reached, and when the run cannot go on."""

from __future__ import annotations

import pytest

from cluster.crew.health import LONGEST_REST_S, CrewHealth, CrewLost


def health(*names: str) -> CrewHealth:
    its = CrewHealth(names, silent_after_s=30.0, stalled_after_s=600.0, now=0.0)
    for name in names:
        its.heard(name, 0.0)
    return its


def test_that_an_actor_cannot_be_reached_is_news_once_and_that_it_is_back_too():
    crew = health("a", "b")
    assert crew.lost("a")
    assert not crew.lost("a")
    assert crew.reachable == ["b"]
    assert crew.heard("a", 5.0)
    assert not crew.heard("a", 6.0)
    assert crew.reachable == ["a", "b"]


def test_a_silent_actor_cannot_be_reached():
    crew = health("a", "b")
    assert not crew.waited("a", 30.0)
    assert crew.waited("a", 30.1)
    assert not crew.waited("a", 31.0)
    assert crew.reachable == ["b"]


def test_one_sick_actor_of_two_is_replaced_and_rests_longer_each_time_until_it_hands_in_a_group():
    crew = health("a", "b")
    rests: list[float] = []
    now = 0.0
    for _ in range(12):
        crew.ended("a", now, "a CUDA error", "why")
        start = now
        while not crew.rested(now):
            now += 1.0
        rests.append(now - start)
        crew.heard("a", now, groups=0)
    assert rests[:4] == [0.0, 2.0, 4.0, 8.0]
    assert rests[-1] == LONGEST_REST_S
    crew.heard("a", now, groups=1)
    crew.ended("a", now, "a CUDA error", "why")
    assert crew.rested(now) == ["a"]


@pytest.mark.parametrize(
    ("names", "sick", "said"),
    [
        ("a", "a", "the rollout actor ended by the same error: no such prompt"),
        ("ab", "ab", "2 of 2 rollout actors ended by the same error: no such prompt"),
        ("abc", "ab", "2 of 3 rollout actors ended by the same error: no such prompt"),
    ],
)
def test_a_majority_that_fails_alike_ends_the_run_with_the_reason(names: str, sick: str, said: str):
    crew = health(*names)
    for name in sick[:-1]:
        crew.ended(name, 1.0, "KeyError at prompts:3", "no such prompt")
    with pytest.raises(CrewLost) as lost:
        crew.ended(sick[-1], 2.0, "KeyError at prompts:3", "no such prompt")
    assert str(lost.value) == said


def test_different_errors_and_deaths_and_errors_before_the_last_good_group_are_not_alike():
    crew = health("a", "b", "c", "d", "e")
    crew.ended("a", 1.0, "one", "")
    crew.ended("b", 1.0, "another", "")
    for name in "cde":
        crew.ended(name, 1.0)
    crew.heard("a", 2.0, groups=1)
    crew.heard("b", 2.0, groups=1)
    crew.ended("c", 3.0, "one", "")
    crew.ended("d", 3.0, "one", "")
    with pytest.raises(CrewLost):
        crew.ended("e", 3.0, "one", "")


def test_nobody_answering_ends_the_run_after_a_while():
    crew = health("a", "b")
    crew.lost("a")
    crew.heard("b", 100.0)
    crew.lost("b")
    crew.check(700.0)
    with pytest.raises(CrewLost, match="no rollout actor has answered for 601 s"):
        crew.check(701.0)
