# pyright: strict
"""The rollout: tickets in, judged groups out, judging overlapped with the next denoising."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np

from actors.adapter import Adapter
from actors.audit import Auditor, JudgedPicture
from actors.config import ActorsConfig
from actors.diffusion.evaluation_settings import PlainSettings, SampledSettings
from actors.diffusion.heat import latent_heat
from actors.diffusion.plain_sampler import PlainSampler
from actors.diffusion.policy_thread import PolicyThread
from actors.diffusion.sampler import Sampler
from actors.error_budget import ErrorBudget
from actors.not_finite import NotFinite
from actors.protocols import AdapterSource, RolloutLedger
from actors.ticket import Ticket
from actors.timing import Meter
from actors.trajectory import JudgedGroup, Trajectories
from rewards.arrays import Float32Array, ImageArray
from rewards.errors import kind_of_reason, last_line, shortened
from rewards.panel.metrics import group_metrics
from rewards.panel.panel import Panel, PanelResult
from rewards.serving.scoring import Jury
from rewards.verdict import Verdict

log = logging.getLogger(__name__)

_T = TypeVar("_T")


class Rollout:
    """One actor's work, as a plain object on an event loop.

    consumes        tickets of `ledger`, the newest adapter of `weights`
    waits for       a ticket (when the run is too far ahead of the learner), and the judges (when more than
                    `judging_groups` groups are with them)
    unblocked by    the learner's settling of an update; a verdict
    produces        `ledger.submit` or `ledger.drop` for every ticket taken, unless the actor dies

    Denoising blocks, so it runs in a PolicyThread; a trajectory is made wholly by the version that it carries. Weights
    are fetched after the ticket, which is what bounds the lag. Every wait has a deadline. An error drops its group; the
    same error `same_error_limit` times with no group handed in between ends `roll`.
    """

    def __init__(
        self,
        name: str,
        sampler: Sampler,
        panel: Panel,
        config: ActorsConfig,
        *,
        ledger: RolloutLedger,
        weights: AdapterSource,
        jury: Jury,
        auditor: Auditor | None = None,
        sampled: SampledSettings | None = None,
        plain: PlainSettings | None = None,
        heatmap: tuple[str, str] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`heatmap`: a judge, and which of its heatmaps goes with every group; None: none."""
        self.name = name
        self.sampler = sampler
        self._evaluated = sampler.evaluating(sampled or SampledSettings())
        self._plain = PlainSampler(sampler.policy, sampler.config.max_batch, plain)
        self.panel = panel
        self.config = config
        self.ledger, self.weights, self.jury = ledger, weights, jury
        self.auditor = auditor
        self.heatmap = heatmap
        self.meter = Meter(clock)
        self._clock = clock
        self._policy = PolicyThread(sampler.policy, config.threads)
        self._judging: set[asyncio.Task[Any]] = set()
        self._rolling = self._stopping = False
        self._errors = ErrorBudget(name, config.same_error_limit)

    async def roll(self) -> None:
        """Rolls out tickets until `stop`; raises RolloutError when errors make it pointless to go on."""
        if self._rolling:
            raise RuntimeError(f"{self.name} is rolling already")
        self._rolling, self._stopping = True, False
        self._errors = ErrorBudget(self.name, self.config.same_error_limit)
        self.meter.begin()
        try:
            # An earlier process of this actor may have died while it held tickets.
            await self._in_time(self.ledger.release(self.name))
            while not self._stopping and self._errors.fatal is None:
                ticket = await self._guarded(None, None, self._take)
                if ticket is None:
                    continue
                until = asyncio.get_running_loop().time() + self.config.ticket_deadline_s
                made = await self._guarded(ticket, until, self._make, ticket)
                if made is not None:
                    self._spawn(self._guarded(ticket, until, self._judge_and_submit, *made))
            if self._judging and self._errors.fatal is None:
                await asyncio.wait(self._judging)
        finally:
            for task in self._judging:
                task.cancel()
            self._rolling = False
        if self._errors.fatal is not None:
            with contextlib.suppress(Exception):  # the error that ends the actor is the one to raise
                await self._in_time(self.ledger.release(self.name))
            raise self._errors.fatal

    @property
    def initial(self) -> Adapter:
        """The adapter of version 0, the policy's own while nothing has been published."""
        return self._policy.initial

    def stop(self) -> None:
        """Makes `roll` return when it has finished what it began."""
        self._stopping = True

    async def evaluate(
        self,
        prompts: Sequence[str],
        seeds: Sequence[int],
        metadata: Sequence[Mapping[str, Any]] | None = None,
        adapter: Adapter | None = None,
        *,
        plain: bool = False,
    ) -> dict[str, Any]:
        """Draws and judges a picture for each (prompt, seed) with `adapter` (default: the newest published), as a
        rollout draws them but for the settings `sampled` or, if `plain`, as plain diffusers does with the settings of
        that name.

        Returns `images` `[n, H, W, 3]` uint8, `verdicts` judge → `n` verdicts, `version`, and `drawn`, the settings
        they were drawn with. It takes turns with the groups that are being rolled out, `max_batch` pictures at a time.
        """
        adapter = adapter or await self._newest()
        metadata = [{} for _ in prompts] if metadata is None else metadata
        images: list[ImageArray] = []
        verdicts: dict[str, list[Verdict]] = {}
        sampler = self._plain if plain else self._evaluated
        size = self.sampler.config.max_batch
        for i in range(0, len(prompts), size):
            here = slice(i, i + size)
            async with asyncio.timeout(self.config.ticket_deadline_s):
                images.append(await self._policy.run(adapter, sampler.images, prompts[here], seeds[here]))
                for judge, its in (await self.jury.verdicts(images[-1], prompts[here], metadata[here])).items():
                    verdicts.setdefault(judge, []).extend(its)
        drawn = {"dtype": self.sampler.policy.config.dtype, **sampler.settings}
        return {"images": np.concatenate(images), "verdicts": verdicts, "version": adapter.version, "drawn": drawn}

    async def export(self, adapter: Adapter) -> dict[str, bytes]:
        """The files, by name, from which plain diffusers loads `adapter`; see `Policy.exported`."""
        return await self._policy.run(adapter, self.sampler.policy.exported)

    def stats(self) -> dict[str, Any]:
        """Seconds and counts (see `Meter.snapshot`), the loaded version, and how the judges answer."""
        return {
            "name": self.name,
            "version": self._policy.loaded.version,
            "with_judges": len(self._judging),
            "judges": self.jury.stats(),
            **self.meter.snapshot(),
        }

    # -- one group ---------------------------------------------------------------------------------------------------

    async def _take(self) -> Ticket | None:
        with self.meter.span("waiting_judges"):
            while len(self._judging) > self.config.judging_groups:
                await asyncio.wait(self._judging, return_when=asyncio.FIRST_COMPLETED)
        with self.meter.span("waiting_ticket"):
            wait_s = self.config.poll_s
            return await self._in_time(self.ledger.next_ticket(self.name, wait_s), wait_s)

    async def _make(self, ticket: Ticket) -> tuple[Trajectories, float]:
        """The ticket's trajectories under the newest weights, and the seconds it took."""
        with self.meter.span("weights"):
            adapter = await self._newest(ticket.admitted_at)
        start = self._clock()
        with self.meter.span("rolling"):
            made = await self._policy.run(adapter, self.sampler.sample, ticket, adapter.version)
        return made, self._clock() - start

    async def _judge_and_submit(self, made: Trajectories, rolling_s: float) -> None:
        ticket, n = made.ticket, len(made)
        if not await self._in_time(self.ledger.judging(ticket.id, self.name)):
            self.meter.count("fenced")
            return
        start = self._clock()
        with self.meter.span("judging"):
            verdicts = await self.jury.verdicts(made.images, [ticket.prompt] * n, [ticket.metadata] * n)
        result = self.panel.score(verdicts, n, ticket.metadata)
        audit: list[JudgedPicture] = []
        if self.auditor is not None:
            audit = await asyncio.to_thread(
                self.auditor.record, ticket, made.version, made.images, verdicts, result.rewards
            )
        if not result.scored.all():
            # Half a group would be normalised against itself: the whole group is made again.
            await self._give_up(ticket, _why_unscored(result), result.reasons, audit)
            return
        group = JudgedGroup(
            made,
            result.rewards,
            result.scores,
            {"rolling": rolling_s, "judging": self._clock() - start},
            gated=result.gated,
            heat=self._heat(verdicts, n),
        )
        cut = float(ticket.prompt in self.sampler.policy.pipeline.cut)
        metrics = (
            group_metrics(verdicts) | result.metrics | {"prompts/cut_share": cut, "verdicts/cut_share": _cut(verdicts)}
        )
        summary = {"actor": self.name, **group.summary(), "metrics": metrics, "audit": audit}
        accepted = await self._in_time(self.ledger.submit(ticket.id, self.name, group, made.version, summary))
        self._errors.succeeded()
        self.meter.count("groups" if accepted else "fenced")
        self.meter.count("images", n if accepted else 0)

    def _heat(self, verdicts: Mapping[str, Sequence[Verdict]], n: int) -> Float32Array | None:
        if self.heatmap is None:
            return None
        judge, name = self.heatmap
        its = verdicts.get(judge, ())
        silent = [Verdict(judge, "error", text="no verdict")] * n  # an audit judge that was late, or lost
        _, height, width = self.sampler.policy.latent_shape
        return latent_heat(its if len(its) == n else silent, name, (height, width))

    async def _newest(self, published: int = 0) -> Adapter:
        """The newest adapter. A store that is still empty means version 0, and that none is `published`: a resumed run
        begins to roll when its learner has published what it loaded."""
        adapter = await self._in_time(self.weights.latest())
        assert adapter is not None or published == 0, f"{published} updates are published, but the store is empty"
        return adapter or self._policy.initial

    # -- what can go wrong -------------------------------------------------------------------------------------------

    async def _guarded(
        self, ticket: Ticket | None, until: float | None, work: Callable[..., Awaitable[_T]], *arguments: Any
    ) -> _T | None:
        """The result of `work` by loop time `until`; None after an error, which is counted and drops the ticket."""
        try:
            async with asyncio.timeout_at(until):
                return await work(*arguments)
        except Exception as error:
            task = str(ticket or "the request for a ticket")
            log.error("%s: %s failed", self.name, task, exc_info=error)
            self.meter.count("errors")
            self._errors.failed(error, task)
            if ticket is not None:
                said = f" ({shortened(last_line(error), 200)})" if str(error).strip() else ""
                kind = error.reason if isinstance(error, NotFinite) else f"error: {type(error).__name__}"
                await self._give_up(ticket, f"{kind}{said}", error)
            elif self._errors.fatal is None:
                await asyncio.sleep(min(1.0, self.config.poll_s))
            return None

    async def _give_up(self, ticket: Ticket, reason: str, why: object, audit: Sequence[JudgedPicture] = ()) -> None:
        log.warning("%s: %s dropped (%s): %s", self.name, ticket, reason, why)
        self.meter.dropped(reason)
        try:
            await self._in_time(self.ledger.drop(ticket.id, reason, audit))
        except Exception as error:
            # The ledger's own deadline takes the ticket back.
            log.error("%s: the ledger did not take the drop of %s", self.name, ticket, exc_info=error)

    async def _in_time(self, call: Awaitable[_T], wait_s: float = 0.0) -> _T:
        """The answer of ledger or weight store, `call_deadline_s` after the wait that it is allowed at the latest."""
        async with asyncio.timeout(wait_s + self.config.call_deadline_s):
            return await call

    def _spawn(self, work: Coroutine[Any, Any, Any]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._judging.add(task)
        task.add_done_callback(self._judging.discard)


def _why_unscored(result: PanelResult) -> str:
    """What all groups that failed alike have in common, by which they are counted, and the judges' own words."""
    kinds = sorted({kind_of_reason(reason) for reason in result.reasons})
    words = sorted({words.removesuffix(")") for _, _, words in (r.partition(" (") for r in result.reasons) if words})
    said = f" ({shortened('; '.join(words), 300)})" if words else ""
    return f"unscored: {', '.join(kinds)}{said}"


def _cut(verdicts: Mapping[str, Sequence[Verdict]]) -> float:
    """The share of verdicts whose judge did not read, or write, its text to the end."""
    made = [verdict.truncated for its in verdicts.values() for verdict in its]
    return float(np.mean(made)) if made else 0.0
