# pyright: strict
"""The report: a run on one HTML page, which needs no other file."""

from __future__ import annotations

import math
import time
from base64 import b64encode
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2

from actors.audit import thumbnail
from cluster.config.stored import stored_config
from cluster.report.change_table import change_rows, ends, not_compared, run_changes
from cluster.report.drawing import drawing_code
from cluster.report.grid import SampleGrid
from cluster.report.jury_review import JuryReview, drift_charts
from cluster.report.run_charts import judge_charts, machinery_charts
from cluster.tracking.alarm import AlarmConfig, find_alarms
from cluster.tracking.conditions import Conditions
from cluster.tracking.evaluation import Change
from cluster.tracking.history import TRACKING_FILE, RunHistory, is_number
from cluster.tracking.judges import RunJudges
from cluster.tracking.metrics import ACTOR_SECONDS, WALL_SECONDS
from cluster.tracking.progress import duration
from learners.config import statistics_charts
from rewards.arrays import ImageArray
from rewards.atomic_write import atomic_write

REPORT_FILE, PICTURES = "report.html", "pictures"
TRAINED = ("lora", "policy")
SHOWN_PROMPTS, SHOWN_SAMPLES = 8, 4


def write_report(run_dir: Path, damaged: list[str] | None = None) -> Path:
    """Writes `RUN/report.html` from the files of the run and returns its path.

    Reads `metrics.jsonl`, `config.yaml`, `audit` and `pictures/{before,after}`; what is missing, as in a run that has
    only begun, is left out of the page. So is what is damaged, which the page and `damaged` name, a line each. Raises
    FileNotFoundError when `run_dir` is not a run, ConfigError when its `config.yaml` is damaged.
    """
    damaged = [] if damaged is None else damaged
    config_text, config = stored_config(run_dir)
    history = RunHistory.read(run_dir)
    damaged += history.damaged
    judges = RunJudges.from_yaml(config)
    changes = run_changes(history, judges)
    page = _template().render(
        name=config.get("name", run_dir.name),
        summary=_summary(history, config),
        lead=_lead(changes, judges),
        plain=_plain(history, judges, config),
        not_compared=not_compared(history),
        alarms=_alarms(history, config, judges),
        pictures=_pictures(run_dir / PICTURES, damaged),
        table=change_rows(changes, history, judges),
        jury=_jury(run_dir, damaged),
        curves=judge_charts(history, judges),
        machinery=machinery_charts(history, statistics_charts(_algorithm(config))),
        time=_time(history, int(config.get("actors", {}).get("count", 1))),
        dropped=_dropped(history),
        commands=next_commands(run_dir, config),
        config=config_text.strip(),
        damaged=damaged,
    )
    path = run_dir / REPORT_FILE
    with atomic_write(path) as part:
        part.write_text(page, encoding="utf-8")
    return path


def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    return environment.get_template("report.html.j2")


def _algorithm(config: Mapping[str, Any]) -> str | None:
    """The kind of algorithm that the config names, if it does."""
    learner: dict[str, Any] = config.get("learner") or {}
    algorithm: dict[str, Any] = learner.get("algorithm") or {}
    return algorithm.get("kind")


def _summary(history: RunHistory, config: Mapping[str, Any]) -> list[str]:
    last = history.updates[-1] if history.updates else {}
    done, planned = int(last.get("update", 0)), int(config.get("updates", 0))
    parts = [f"{done} updates" if done >= planned else f"{done} of {planned} updates, not finished"]
    if is_number(last.get("images")):
        parts.append(f"{int(last['images']):,} images")
    if wall := _total(history, "seconds/wall"):
        parts.append(f"{duration(wall)} of training")
    if "seed" in config:
        parts.append(f"seed {config['seed']}")
    if history.resumes:
        parts.append("resumed once" if len(history.resumes) == 1 else f"resumed {len(history.resumes)} times")
    if "time" in last:
        parts.append(time.strftime("%-d %B %Y, %H:%M", time.localtime(last["time"])))
    return parts


def _alarms(history: RunHistory, config: Mapping[str, Any], judges: RunJudges) -> list[str]:
    """Every alarm in a sentence, and what the run did about them."""
    settings = AlarmConfig.model_validate(config.get("alarm") or {})
    texts = [alarm.warning for alarm in find_alarms(history.updates, judges, settings)]
    after, last = history.evaluation("after"), history.updates[-1]["update"] if history.updates else 0
    if texts and settings.on_alarm != "warn" and last < int(config.get("updates", 0)):
        texts.append(f"The run was ended after update {last} (alarm.on_alarm: {settings.on_alarm}).")
    if texts and settings.on_alarm == "rollback" and after is not None and after["update"] < last:
        policy: Mapping[str, Any] = config.get("policy") or {}
        folder = "policy" if policy.get("train") == "full" else "lora"
        texts.append(f"“After” on this page, and {folder}/, is the policy of update {after['update']}.")
    return texts


def _jury(run_dir: Path, damaged: list[str]) -> dict[str, Any]:
    """What the audit shows: rows of pictures with their headings, drift charts, and judges whose version changed."""
    review = JuryReview(run_dir, damaged)
    drifts = review.drift()
    rows = [
        ("Highest reward", review.best()),
        ("Lowest reward", review.worst()),
        ("Where the train judges disagree most", review.disputed()),
    ]
    return {
        "rows": [
            (title, [(p, file_uri(p.file.suffix.removeprefix("."), p.file.read_bytes())) for p in pictures])
            for title, pictures in rows
            if pictures
        ],
        "drift": drift_charts(drifts),
        "changed": [drift for drift in drifts if len(drift.versions) > 1],
    }


def _lead(changes: Sequence[Change], judges: RunJudges) -> dict[str, Any] | None:
    """How the share of pictures changed with which the first audit judge finds nothing wrong."""
    found = next((change for change in changes if change.key in judges.audit_flawless()), None)
    if found is None:
        return None
    return {
        "label": judges.label(found.key),
        "before": f"{found.before.value * 100:.0f}",
        "after": f"{found.after.value * 100:.0f}",
        "change": f"{found.change * 100:+.0f}".replace("-", "−"),
        "low": f"{found.low * 100:+.0f}".replace("-", "−"),
        "high": f"{found.high * 100:+.0f}".replace("-", "−"),
        "n": found.after.n,
        "certain": found.certain,
    }


def _plain(history: RunHistory, judges: RunJudges, config: dict[str, Any]) -> dict[str, Any] | None:
    """The same for pictures that plain diffusers drew, if any: how they were drawn, the lead, and the table."""
    pair = ends(history, plain=True)
    if pair is None:
        return None
    changes = run_changes(history, judges, plain=True)
    conditions = Conditions.from_row(pair[1])
    evaluation: dict[str, Any] = config.get("evaluation") or {}
    return {
        "told": bool(evaluation.get("plain")),
        "how": str(conditions) if conditions else "",
        "lead": _lead(changes, judges),
        "table": change_rows(changes, RunHistory(), judges),
        "not_compared": not_compared(history, plain=True),
    }


def _grid(folder: Path, when: str, damaged: list[str]) -> SampleGrid | None:
    try:
        return SampleGrid.load(folder, when)
    except ValueError as error:
        damaged.append(f"{error}; these pictures are left out")
        return None


def _pictures(folder: Path, damaged: list[str]) -> list[dict[str, Any]]:
    """For every shown prompt: its pictures before and after training, see `_strip`."""
    before, after = (_grid(folder, when, damaged) for when in ("before", "after"))
    if before is None:
        return []
    rows: list[dict[str, Any]] = []
    for i, prompt in enumerate(before.prompts[:SHOWN_PROMPTS]):
        same = after is not None and i < len(after.prompts) and after.prompts[i] == prompt
        rows.append(
            {"prompt": prompt, "before": _strip(before, i), "after": _strip(after, i) if after and same else []}
        )
    return rows


def _strip(grid: SampleGrid, i: int) -> list[dict[str, Any]]:
    return [
        {"uri": data_uri(image), "seed": seed, "answer": answer, "clean": clean}
        for image, seed, answer, clean in zip(
            grid.images[i][:SHOWN_SAMPLES], grid.seeds[i], grid.answers[i], grid.clean[i], strict=False
        )
    ]


def data_uri(image: ImageArray) -> str:
    """A uint8 `[h, w, 3]` picture, made small by `actors.audit.thumbnail`, as a data URI."""
    return file_uri(*thumbnail(image))


def file_uri(suffix: str, content: bytes) -> str:
    """An image file as a data URI."""
    return f"data:image/{suffix};base64,{b64encode(content).decode()}"


def _total(history: RunHistory, key: str) -> float:
    return math.fsum(row[key] for row in history.updates if is_number(row.get(key)))


def _time(history: RunHistory, actors: int) -> dict[str, Any] | None:
    """How the learner's wall time divides, `unaccounted` included, and what the actors did meanwhile."""
    timed = RunHistory([row for row in history.updates if is_number(row.get("seconds/wall"))])
    wall = _total(timed, "seconds/wall")
    if not wall:
        return None
    parts = {key: _total(timed, key) for key in timed.keys("seconds/") if key not in ACTOR_SECONDS | WALL_SECONDS}
    parts = dict(sorted(parts.items(), key=lambda part: -part[1])) | {
        "seconds/unaccounted": _total(timed, "seconds/unaccounted")
    }
    whole = max(wall, math.fsum(parts.values()))
    rolling, judging = (_total(timed, f"seconds/{part}") for part in ("rolling", "judging"))
    work = rolling / actors + judging / actors + parts.get("seconds/training", 0.0)
    return {
        "each": f"{wall / len(timed.updates):.1f}",
        "parts": [
            {
                "name": key.removeprefix("seconds/"),
                "share": f"{value / whole * 100:.1f}",
                "seconds": f"{value / len(timed.updates):.1f}",
            }
            for key, value in parts.items()
        ],
        "rolling": f"{rolling / len(timed.updates):.1f}",
        "judging": f"{judging / len(timed.updates):.1f}",
        "overlap": f"{work / wall:.2f}" if rolling else "",
        "actors": actors,
    }


def _dropped(history: RunHistory) -> list[tuple[str, int]]:
    last = history.updates[-1] if history.updates else {}
    return [(key.removeprefix("dropped/"), int(last[key])) for key in last if key.startswith("dropped/") and last[key]]


def next_commands(run_dir: Path, config: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What a user may do next with a run of `config`: what it is for, and the command or the Python lines."""
    updates = int(config.get("updates", 0))
    commands = [
        ("Train it for longer", f"salon train --resume {run_dir} --set updates={updates * 2 or 100}"),
        ("Write this page again", f"salon report {run_dir}"),
    ]
    if (run_dir / TRACKING_FILE).is_file() and any((run_dir / "wandb").glob("offline-run-*")):
        commands.append(("Send the curves to W&B", f"wandb sync {run_dir}/wandb/offline-run-*"))
    for trained in [run_dir / name for name in TRAINED if (run_dir / name).is_dir()]:
        commands.append(("Draw with the trained policy", drawing_code(config, trained)))
    return commands
