# pyright: strict
"""Salon from Python: train a policy, or judge pictures, in a line.

Nothing heavy is imported before it is used: `import salon` costs milliseconds, and loads neither torch nor Ray.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from cluster.config.experiment import ExperimentConfig
    from cluster.config.jury import JuryConfig
    from rewards.config import RewardsConfig
    from rewards.judge import Judge
    from rewards.pictures.reader import Picture
    from rewards.serving.scoring import Judged
    from rewards.verdict import Verdict

__all__ = ["Judge", "Judged", "Verdict", "judge", "load_config", "train"]

_CLASSES = {"Judge": "rewards.judge", "Judged": "rewards.serving.scoring", "Verdict": "rewards.verdict"}


def __getattr__(name: str) -> Any:
    if name not in _CLASSES:
        raise AttributeError(f"module 'salon' has no attribute {name!r}; it has {', '.join(__all__)}")
    return getattr(importlib.import_module(_CLASSES[name]), name)


def __dir__() -> list[str]:
    return __all__


def load_config(path: str | Path, **overrides: Any) -> ExperimentConfig:
    """The experiment in the YAML file at `path`, with `overrides` on top.

    An override is a dotted key, or a section with some of its keys; these three say the same but for the spelling:

        salon.load_config("configs/menagerie.yaml", updates=10, learner={"lr": 5e-4})
        salon.load_config("configs/menagerie.yaml", updates=10, **{"learner.lr": 5e-4})
        $ salon train configs/menagerie.yaml --set updates=10 --set learner.lr=5e-4

    Raises cluster.errors.ConfigError, a ValueError with one line per problem.
    """
    from cluster.config.experiment import load_config

    return load_config(Path(path), [*_as_set(overrides)])


def train(
    config: str | Path | ExperimentConfig | None = None,
    *,
    runs: str | Path = "runs",
    run_dir: str | Path | None = None,
    resume: str | Path | None = None,
    **overrides: Any,
) -> Path:
    """Trains as `config` says, as `salon train` does; blocks until the last update. Returns the run's directory.

    `config` is the path of an experiment's YAML, or what `load_config` made of it; `overrides` are as there. The run is
    kept in `run_dir`, by default in `runs`/NAME. `resume`, in place of `config`, continues the run in that directory
    with the config that is stored there. The trained adapter is in `lora/` of the directory that is returned.

    Raises ValueError for a config that cannot be run here and for a directory that holds a run already, and
    cluster.errors.RunStopped when the run cannot go on, and cluster.errors.Stopped, a KeyboardInterrupt, when Ctrl-C,
    SIGTERM or SIGHUP has ended it.
    """
    from cluster.config.experiment import load_config as read
    from cluster.run.resume import check_new
    from cluster.tracking.history import CONFIG_FILE

    if (config is None) == (resume is None):
        raise ValueError("salon.train needs a config, or resume=RUN for a run that is to go on, and not both")
    if resume is not None:
        directory = Path(resume)
        experiment = read(directory / CONFIG_FILE, [*_as_set(overrides)], stored=True)
    else:
        assert config is not None
        if isinstance(config, str | Path):
            experiment = load_config(config, **overrides)
        elif overrides:
            raise ValueError(f"a config that is loaded stays as it is; give {', '.join(overrides)} to load_config")
        else:
            experiment = config
        directory = Path(run_dir) if run_dir is not None else Path(runs) / experiment.name
        check_new(directory, f"resume={str(directory)!r}", "name=NEW")

    from cluster.run.preflight import preflight

    preflight(experiment)

    from cluster.run.train import train

    train(experiment, directory, resume is not None)
    return directory


def judge(
    images: Sequence[Picture] | Picture,
    prompts: Sequence[str] | str,
    config: str | Path | RewardsConfig | JuryConfig | ExperimentConfig,
    *,
    metadata: Sequence[Mapping[str, Any]] | None = None,
    judges: Sequence[str] | None = None,
) -> list[Judged]:
    """Asks the jury of `config` about pictures, in this process and without Ray, as `salon judge` does.

    images    pixels `[h, w, 3]` uint8, PIL images, PNG or JPEG files by path or as bytes, of any sizes; or one of them
    prompts   one for each picture, or one for all
    config    the path of an experiment's YAML, or of a file with only `rewards:`; or what was loaded from one
    metadata  one mapping for each picture, for judges that read it
    judges    names of some of the config's judges; default: all

    Returns one `Judged` a picture, in order: its `verdicts` by judge, and its `reward`, None if it is unscored. The
    judges are loaded at each call, so ask about all pictures at once.

    Raises ValueError for a file that is no picture, and for a judge that cannot be built, naming its key.
    """
    from rewards.pictures.reader import read_picture
    from rewards.registry import build_judge
    from rewards.serving.local_jury import LocalJury
    from rewards.serving.scoring import score

    rewards = _rewards(config)
    pixels = [read_picture(image) for image in _listed(images)]
    asked = [prompts] * len(pixels) if isinstance(prompts, str) else list(prompts)
    for what, given in (("prompts", asked), ("metadata", metadata)):
        if given is not None and len(given) != len(pixels):
            raise ValueError(f"{what}: {len(given)} for {len(pixels)} pictures; give one for each")
    names = list(rewards.judges) if judges is None else judges
    if unknown := [name for name in names if name not in rewards.judges]:
        raise ValueError(f"judges: there is no {', '.join(unknown)} in the config; it has {', '.join(rewards.judges)}")
    jury = LocalJury(rewards, {name: build_judge(name, rewards.judges[name]) for name in names})

    import asyncio
    from concurrent.futures import ThreadPoolExecutor

    # In a thread of its own, as a notebook's thread runs an event loop already.
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(lambda: asyncio.run(score(jury, pixels, asked, metadata))).result()


def _rewards(config: str | Path | RewardsConfig | JuryConfig | ExperimentConfig) -> RewardsConfig:
    from rewards.config import RewardsConfig

    if isinstance(config, RewardsConfig):
        return config
    if isinstance(config, str | Path):
        from cluster.config.jury import load_jury

        return load_jury(Path(config)).rewards
    return config.rewards


def _listed(images: Sequence[Picture] | Picture) -> Sequence[Picture]:
    import numpy as np
    from PIL import Image

    one = isinstance(images, str | Path | bytes | Image.Image) or (isinstance(images, np.ndarray) and images.ndim == 3)
    return [cast("Picture", images)] if one else cast("Sequence[Picture]", images)


def _as_set(overrides: Mapping[str, Any], section: str = "") -> Iterator[str]:
    """The overrides as `--set` takes them: dotted key, =, and the value as JSON, which is YAML."""
    for name, value in overrides.items():
        if isinstance(value, Mapping) and value:
            yield from _as_set(cast("Mapping[str, Any]", value), f"{section}{name}.")
        else:
            yield f"{section}{name}={json.dumps(value, default=_plain, ensure_ascii=False)}"


def _plain(value: Any) -> Any:
    """A number of numpy, or a path, as JSON has it."""
    return value.item() if hasattr(value, "item") else str(value)
