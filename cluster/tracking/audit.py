# pyright: strict
"""The audit: a table of every verdict of a run, and thumbnails of the pictures that matter."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any

from actors.audit import JudgedPicture, thumbnails_for
from actors.config import AuditConfig
from cluster.errors import RunStopped
from cluster.tracking.verdict_table import FOLDER, VerdictTable
from rewards.atomic_write import atomic_write

THUMBNAILS = "thumbnails"


class Audit:
    """Writes `RUN/audit`: the `VerdictTable` of the run, and a folder of thumbnails. A context manager.

    consumes        the ledger's events, in order and each once, and the pictures of evaluations
    produces        rows when their update is settled, written by a thread every `flush_s`; the rest when it is closed

    `start_at`      updates done when the run begins or is resumed: rows of later updates are removed

    Rows wait for the end of their update, because only then its best and worst pictures are known. A killed process
    loses the waiting rows, most of whose groups are made again, and those of the last `flush_s`. Every method may raise
    RunStopped when an earlier write has failed.
    """

    def __init__(
        self,
        run_dir: Path,
        config: AuditConfig,
        groups_per_update: int,
        start_at: int = 0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._config, self._per_update, self._clock = config, groups_per_update, clock
        self._folder = run_dir / FOLDER
        self._waiting: dict[int, list[JudgedPicture]] = {}
        self._rows: list[dict[str, Any]] = []
        self._thumbnails: dict[str, bytes] = {}
        self._written_at = clock()
        (self._folder / THUMBNAILS).mkdir(parents=True, exist_ok=True)
        self._table = VerdictTable(self._folder, config.file_rows)
        self._table.rewind(start_at)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="audit")
        self._writing: Future[None] | None = None

    def __enter__(self) -> Audit:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def take(self, event: Mapping[str, Any]) -> None:
        """Takes in an event of the ledger."""
        match event["kind"]:
            case "group" | "drop":
                update = event["index"] // self._per_update + 1
                self._waiting.setdefault(update, []).extend(event.get("audit", ()))
            case "update":
                self._settle(int(event["version"]))
            case "rollback":
                self._waiting.clear()
                self._flush()
                self._submit(self._table.rewind, int(event["version"]))
            case _:
                pass

    def evaluated(self, update: int, pictures: Sequence[JudgedPicture]) -> None:
        """Takes in the pictures of an evaluation after `update`, without thumbnails: the sample grids show them."""
        self._add(update, pictures, kept=set())

    def tick(self) -> None:
        """Starts a write when one is due; to be called often."""
        idle = self._writing is None or self._writing.done()
        if idle and self._clock() - self._written_at >= self._config.flush_s:
            self._flush()

    def close(self) -> None:
        """Writes everything that was taken in, also of updates that were never settled. Closing twice does no harm."""
        for update in sorted(self._waiting):
            self._settle(update)
        self._flush()
        self._thread.shutdown()
        self._check_last_write()

    def _settle(self, update: int) -> None:
        pictures = self._waiting.pop(update, [])
        self._add(update, pictures, thumbnails_for(pictures, self._config))

    def _add(self, update: int, pictures: Sequence[JudgedPicture], kept: set[str]) -> None:
        for picture in pictures:
            name = None
            if picture.thumbnail is not None and picture.image in kept:
                suffix, content = picture.thumbnail
                name = f"{THUMBNAILS}/{picture.image}.{suffix}"
                self._thumbnails[name] = content
            self._rows += _rows(update, picture, name)

    def _flush(self) -> None:
        self._written_at = self._clock()
        if self._rows:
            rows, thumbnails, self._rows, self._thumbnails = self._rows, self._thumbnails, [], {}
            self._submit(self._write, rows, thumbnails)

    def _write(self, rows: Sequence[dict[str, Any]], thumbnails: Mapping[str, bytes]) -> None:
        # Thumbnails first, so that no row names one that is not there.
        for name, content in thumbnails.items():
            if not (path := self._folder / name).exists():
                with atomic_write(path) as part:
                    part.write_bytes(content)
        self._table.append(rows)

    def _submit(self, work: Callable[..., None], *arguments: Any) -> None:
        self._check_last_write()
        self._writing = self._thread.submit(work, *arguments)

    def _check_last_write(self) -> None:
        try:
            if self._writing is not None:
                self._writing.result()
        except OSError as error:
            raise RunStopped(
                f"the audit cannot be written ({error}); or go on without it: audit.enabled: false"
            ) from error


def _rows(update: int, picture: JudgedPicture, thumbnail: str | None) -> list[dict[str, Any]]:
    return [
        {
            "image": picture.image,
            "prompt": picture.prompt,
            "judge": judge,
            "judge_version": verdict.version,
            "value": verdict.value,
            "scores": verdict.scores,
            "text": verdict.text,
            "status": verdict.status,
            "latency_s": verdict.latency,
            "policy_version": picture.version,
            "update": update,
            "ticket": picture.ticket,
            "sample": picture.sample,
            "reward": picture.reward,
            "disagreement": picture.disagreement,
            "thumbnail": thumbnail,
        }
        for judge, verdict in picture.verdicts.items()
    ]
