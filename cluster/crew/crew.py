"""The rollout crew: the supervisor of all rollout actors of a run."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import ray
from ray.actor import ActorHandle
from ray.exceptions import ActorDiedError, GetTimeoutError, RayActorError, RayError, RayTaskError

from actors.adapter import Adapter
from actors.clients import LedgerClient
from actors.error_budget import RolloutError
from actors.ray_actor import RolloutSpec, spawn_rollout
from cluster.config.experiment import ExperimentConfig
from cluster.crew.health import CrewHealth, CrewLost
from cluster.crew.outcome import Outcome
from rewards.errors import last_line
from rewards.serving.jury import JuryHandle

# For an answer that is here already, unless the node that holds it dies at this moment.
FETCH_S = 60.0


class RolloutCrew:
    """`actors.count` interchangeable rollout actors.

    Ray restarts an actor that dies (`actors.max_restarts` times); one whose restarts are used up, and one that gives up
    by itself (the same error again and again), is replaced here, as `CrewHealth` says. No call waits for one actor: the
    tickets of one that cannot be reached go back to the ledger at once, what it was asked for is asked of another.
    """

    def __init__(
        self,
        config: ExperimentConfig,
        ledger: LedgerClient,
        jury: JuryHandle,
        clock: Callable[[], float] = time.monotonic,
        profile: Path | None = None,
    ) -> None:
        """`profile` is the folder for the traces of a group of each actor; None: there are none."""
        self._config, self._ledger, self._clock = config, ledger, clock
        self._spec = RolloutSpec(
            policy=config.policy,
            sampler=config.sampler,
            actors=config.actors,
            rewards=config.rewards,
            audit=config.audit,
            seed=config.seed,
            jury=jury,
            profile=profile,
            recorder=partial(config.learner.algorithm.recording, config.training),
            sampled=config.evaluation.sampler,
            plain=config.evaluation.plain,
            heatmap=config.learner.algorithm.heatmap,
        )
        names = [f"actor-{i}" for i in range(config.actors.count)]
        self._health = CrewHealth(
            names,
            silent_after_s=config.actors.call_deadline_s,
            stalled_after_s=config.cluster.stalled_after_s,
            now=clock(),
        )
        self.stats: list[dict[str, Any]] = []
        """the statistics of the actors that answered the last `check`"""
        self.rolling = False
        """whether `roll` was called"""
        self._rolling: dict[str, Any] = {}
        self._asked: dict[str, tuple[Any, float]] = {}
        self.actors = {name: self._spawn(name) for name in names}

    def ready(self) -> None:
        """Waits until every actor has loaded the policy; raises CrewLost with the reason when one cannot, or when
        `actors.start_timeout_s` was not enough."""
        settings = self._config.actors
        try:
            ray.get([actor.ready.remote() for actor in self.actors.values()], timeout=settings.start_timeout_s)
        except GetTimeoutError:
            raise CrewLost(
                f"rollout actors were not up in {settings.start_timeout_s:g} s; is there room for actors.count "
                f"{settings.count} × actors.num_cpus {settings.num_cpus:g}, or is the model still being downloaded? "
                "raise actors.start_timeout_s"
            ) from None
        except RayError as error:
            raise CrewLost(f"a rollout actor cannot start: {last_line(error)}") from error
        for name in self.actors:
            self._health.heard(name, self._clock())

    def roll(self) -> None:
        """Sets every actor rolling; returns at once."""
        self.rolling = True
        for name in self.actors:
            self._roll(name)

    @property
    def reachable(self) -> list[str]:
        """The names of the actors that can be asked for something."""
        return self._health.reachable

    def check(self, wait_s: float = 5.0) -> list[str]:
        """Asks every actor for its `stats`, and gives those that have ended another life; returns in words what is new.

        Waits `wait_s` at most, and for no actor that cannot be reached. Raises CrewLost when going on makes no sense.
        """
        notes = [*self._ended(), *self._heard(wait_s)]
        for name in self._health.rested(self._clock()):
            self.actors[name] = self._spawn(name)
            if self.rolling:
                self._roll(name)
            notes.append(f"{name} has been replaced")
        self._health.check(self._clock())
        return notes

    def draw(
        self,
        name: str,
        prompts: Sequence[str],
        seeds: Sequence[int],
        metadata: Sequence[Mapping[str, Any]],
        adapter: Any,
        *,
        plain: bool = False,
    ) -> Any:
        """Asks one actor for pictures and their verdicts (see `Rollout.evaluate`); returns the call, for `collect`.
        `adapter` is what `share` returned."""
        return self.actors[name].evaluate.remote(prompts, seeds, metadata, adapter, plain=plain)

    def share(self, adapter: Adapter) -> Any:
        """The adapter, as `draw` takes it any number of times."""
        return ray.put(adapter)

    def collect(self, calls: Sequence[Any], wait_s: float = 0.0) -> dict[Any, Outcome]:
        """Those of the `calls` that have ended; waits `wait_s` for the first of them."""
        if not calls:
            return {}
        first, _ = ray.wait(list(calls), num_returns=1, timeout=wait_s)
        done = ray.wait(list(calls), num_returns=len(calls), timeout=0)[0] if first else []
        return {call: _outcome(call) for call in done}

    def initial(self) -> Adapter:
        """The adapter of version 0."""
        return self._answer("initial")

    def exported(self, adapter: Adapter) -> dict[str, bytes]:
        """The files of `adapter` by name, for plain diffusers' `load_lora_weights`."""
        return self._answer("export", adapter)

    def dismiss(self) -> None:
        """Lets every actor finish what it has begun; kills those that take longer than three polls."""
        for actor in self.actors.values():
            actor.stop.remote()
        rolling = [self._rolling[name] for name in self.reachable if name in self._rolling]
        if rolling:
            ray.wait(rolling, num_returns=len(rolling), timeout=3 * self._config.actors.poll_s)
        for actor in self.actors.values():
            ray.kill(actor)

    def _ended(self) -> Iterator[str]:
        names = {call: name for name, call in self._rolling.items()}
        for call, outcome in self.collect(list(names)).items():
            name = names[call]
            if outcome.lost:
                del self._rolling[name]  # until Ray has started it again
                if self._health.lost(name):
                    yield self._give_back(name, "cannot be reached")
            elif outcome.error is not None:
                yield f"{name} is sick: {outcome.why}"
                self._end(name, outcome.error)

    def _heard(self, wait_s: float) -> Iterator[str]:
        """One question to each actor at a time."""
        now = self._clock()
        self._asked |= {name: (its.stats.remote(), now) for name, its in self.actors.items() if name not in self._asked}
        here = [self._asked[name][0] for name in self.reachable]
        if here:
            ray.wait(here, num_returns=len(here), timeout=wait_s)
        outcomes = self.collect([call for call, _ in self._asked.values()])
        self.stats = [outcome.answer for outcome in outcomes.values() if outcome.answer is not None]
        for name, (call, since) in list(self._asked.items()):
            if call not in outcomes:
                if self._health.waited(name, now - since):
                    yield self._give_back(name, f"has not answered for {now - since:.0f} s")
                continue
            del self._asked[name]
            outcome = outcomes[call]
            if isinstance(outcome.error, ActorDiedError):
                yield f"{name} is dead for good"
                self._end(name)
            elif outcome.lost:
                if self._health.lost(name):
                    yield self._give_back(name, "cannot be reached")
            elif outcome.error is not None:
                raise CrewLost(f"{name}: {outcome.why}") from outcome.error
            else:
                if self._health.heard(name, self._clock(), outcome.answer["groups"]):
                    yield f"{name} is back"
                if self.rolling and name not in self._rolling:
                    self._roll(name)

    def _answer(self, method: str, *arguments: Any) -> Any:
        """Any actor's answer, as they would all give the same; waits until there is one that can be reached."""
        while True:
            for name in self.reachable:
                call = getattr(self.actors[name], method).remote(*arguments)
                ended: dict[Any, Outcome] = {}
                while name in self.reachable and not ended:
                    ended = self.collect([call], wait_s=1.0)
                    self.check()
                for outcome in ended.values():
                    if outcome.error is not None and not outcome.lost:
                        raise CrewLost(f"a rollout actor cannot {method}: {outcome.why}") from outcome.error
                    if not outcome.lost:
                        return outcome.answer
            self.check()
            time.sleep(1.0)

    def _end(self, name: str, error: BaseException | None = None) -> None:
        """Ends this life of an actor; it has another when its rest is over."""
        self._health.lost(name)
        self._give_back(name, "")
        self._asked.pop(name, None)
        self._rolling.pop(name, None)
        ray.kill(self.actors.pop(name))
        if isinstance(error, RolloutError) and error.of_all:
            raise CrewLost(str(error)) from error
        kind = "" if error is None else getattr(error, "kind", type(error).__name__)
        self._health.ended(name, self._clock(), kind, "" if error is None else last_line(error))

    def _give_back(self, name: str, why: str) -> str:
        """Gives its tickets back, which others may take at once; the ledger answers to nobody."""
        self._ledger.release(name)
        return f"{name} {why}; what it had begun is made again"

    def _roll(self, name: str) -> None:
        # Ray would repeat the call when the actor is back, too, and say on the terminal every second that it is not.
        self._rolling[name] = self.actors[name].roll.options(max_task_retries=0).remote()

    def _spawn(self, name: str) -> ActorHandle:
        return spawn_rollout(name, self._spec)


def _outcome(call: Any) -> Outcome:
    try:
        return Outcome(answer=ray.get(call, timeout=FETCH_S))
    except RayTaskError as error:
        return Outcome(error=error.cause)
    except (RayActorError, RayError) as error:  # of the others, those that say that its answer went with its node
        return Outcome(error=error, lost=True)
