"""What `salon judge` works with: files, what the judges say of each, and the forms in which that is shown."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.table import Table
from rich.text import Text

from rewards.config import RewardsConfig
from rewards.http.annotate import annotate
from rewards.http.response import PictureResponse
from rewards.judge import Judge
from rewards.panel.agreement import Agreement
from rewards.panel.in_words import reward_in_words
from rewards.pictures.reader import read_picture
from rewards.pretrained import quiet_transformers
from rewards.prompt_metadata import metadata_of
from rewards.registry import build_judge
from rewards.serving.local_jury import LocalJury
from rewards.serving.scoring import Judged, score
from rewards.verdict import Verdict


@dataclass(frozen=True, slots=True)
class JudgeSession:
    """Files and what the jury makes of each, in order."""

    files: Sequence[Path]
    judged: Sequence[Judged]
    rewards: Sequence[str]
    """how each picture's reward came about"""

    def table(self) -> Table:
        """A row for each verdict and, below a picture's, one for its reward."""
        table = Table("picture", "judge", "value", "says")
        for file, judged, why in zip(self.files, self.judged, self.rewards, strict=True):
            for i, (name, verdict) in enumerate(judged.verdicts.items()):
                table.add_row(Text(file.name if i == 0 else ""), name, _value(verdict), Text(_says(verdict)))
            reward = "unscored" if judged.reward is None else f"{judged.reward:.4f}"
            table.add_row("", Text("reward", "bold"), Text(reward, "bold"), Text(why), end_section=True)
        return table

    def agreement(self, ratings: Sequence[float | None]) -> dict[str, Agreement]:
        """Judge → how its values go with people's `ratings` of the files (None: not rated)."""
        judges = self.judged[0].verdicts if self.judged else {}
        return {name: Agreement.of([judged.verdicts[name].value for judged in self.judged], ratings) for name in judges}

    def json(self, agreement: Mapping[str, Agreement] | None = None) -> str:
        """What the HTTP API would answer, with each picture's `file`, and with `agreement` if there is one."""
        pictures = [
            {"file": str(file)} | PictureResponse.of(judged).model_dump()
            for file, judged in zip(self.files, self.judged, strict=True)
        ]
        document: dict[str, Any] = {"pictures": pictures}
        if agreement is not None:
            document["agreement"] = {name: _finite(asdict(found)) for name, found in agreement.items()}
        return json.dumps(document, indent=2, ensure_ascii=False)

    def draw(self, folder: Path) -> list[Path]:
        """Writes a FILE.judged.png into `folder` for each picture, with what the judges mark; returns where."""
        folder.mkdir(parents=True, exist_ok=True)
        written: list[Path] = []
        for file, judged in zip(self.files, self.judged, strict=True):
            target = folder / f"{file.stem}.judged.png"
            if target in written:  # two folders may each have a cat.png
                target = folder / f"{file.stem}.{len(written) + 1}.judged.png"
            annotate(judged.image, judged.verdicts).save(target)
            written.append(target)
        return written


def agreement_table(agreement: Mapping[str, Agreement]) -> Table:
    """A row for each judge; a dash where a correlation is not defined."""
    table = Table("judge", "PLCC", "SRCC", "pictures", title="agreement with the ratings", title_justify="left")
    for name, found in agreement.items():
        numbers = (f"{number:.3f}" if math.isfinite(number) else "–" for number in (found.plcc, found.srcc))
        table.add_row(name, *numbers, str(found.pictures))
    return table


def judge_files(
    config: RewardsConfig,
    judges: Sequence[str],
    files: Sequence[Path],
    prompts: Sequence[str],
    metadata: Sequence[Mapping[str, Any]] | None = None,
    note: Callable[[str], object] = lambda line: None,
) -> JudgeSession:
    """Loads the `judges` of `config` that are named, and asks them about the pictures in `files`, a prompt each.

    Where a train judge is not among them, no picture has a reward. `note` gets a line for each judge with a model, as
    it is loaded. Raises ValueError, naming the file or key, for a file that is no picture and for a judge that cannot
    be built.
    """
    images = [read_picture(file) for file in files]  # first: judges may take long to load
    if any(config.judges[name].models() for name in judges):
        quiet_transformers()
    loaded: dict[str, Judge] = {}
    for i, name in enumerate(judges, 1):
        models = config.judges[name].models().values()
        if models and all(Path(model.source).is_dir() for model in models):  # what is downloaded has a bar
            note(f"loading judge {name} ({i} of {len(judges)})")
        loaded[name] = build_judge(name, config.judges[name])
    judged = asyncio.run(score(LocalJury(config, loaded), images, prompts, metadata))
    known = metadata_of(len(files), metadata)
    whys = [reward_in_words(config, one.verdicts, its) for one, its in zip(judged, known, strict=True)]
    return JudgeSession(files, judged, whys)


def _finite(numbers: dict[str, float]) -> dict[str, float | None]:
    return {key: number if math.isfinite(number) else None for key, number in numbers.items()}


def _value(verdict: Verdict) -> Text:
    if verdict.value is not None:
        return Text(f"{verdict.value:.4f}")
    return Text(verdict.status, "red" if verdict.status == "error" else "yellow")


def _says(verdict: Verdict) -> str:
    scores = ", ".join(f"{name} {number:.4g}" for name, number in verdict.scores.items())
    marks = ", ".join([*(label for label, _ in verdict.boxes), *(f"heatmap {name}" for name in verdict.heatmaps)])
    return "; ".join(part for part in (verdict.text, scores, marks) if part)
