# pyright: strict
"""What a run would fetch from the hub: names and sizes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import cast

from cluster.config.experiment import ExperimentConfig
from cluster.sizing.gpus import GB
from cluster.sizing.shapes import BYTES, Shape
from rewards.settings.requirements import ModelSource


def downloads(config: ExperimentConfig) -> Iterator[str]:
    """One line per model that is not on this disk: those that will be fetched, those that must be made first."""
    policy = config.policy
    wanted = {"policy.model": (ModelSource(policy.model, "model_index.json"), policy.variant)}
    for name, judge in config.rewards.judges.items():
        wanted |= {f"rewards.judges.{name}.{key}": (source, None) for key, source in judge.models().items()}
    said: set[str] = set()
    for key, (source, variant) in wanted.items():
        if Path(source.source).expanduser().exists() or source.source in said:
            continue
        said.add(source.source)
        if source.converted:
            yield f"to make first: {source.source} ({key}; docs/judges.md)"
        elif not source.source.startswith((".", "/", "~")) and source.source.count("/") == 1:
            held = "on this disk already" if _cached(source) else "to download"
            yield f"{held}: {source.source} ({key}), {_size(source, variant, key)}"


def _size(source: ModelSource, variant: str | None, key: str) -> str:
    shape = Shape.of(source.source)
    if shape is None:
        return "of unknown size: it has no entry in configs/shapes"
    if key.endswith(".processor"):
        return "a few MB of vocabulary"
    size = 2 if variant in ("fp16", "bf16") else BYTES[str(shape.published.get("stored", "float32"))]
    published = cast("dict[str, int]", shape.published.get("parameters", {}))
    return f"about {sum(published.values()) * size / GB:.1f} GB"


def _cached(source: ModelSource) -> bool:
    from huggingface_hub import try_to_load_from_cache

    return isinstance(try_to_load_from_cache(source.source, source.file or "config.json"), str)
