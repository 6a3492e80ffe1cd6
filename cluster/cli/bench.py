# pyright: strict
"""`salon bench`: how fast the parts of a run are on this machine, and what memory they take."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

import typer

from cluster.errors import BadInput, ExitCode


class Part(StrEnum):
    """What can be measured."""

    sampler = "sampler"
    learner = "learner"
    judges = "judges"


def bench(
    config: Annotated[Path, typer.Argument(help="The experiment's YAML.")],
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Override a config key: --set learner.micro_batch=4"),
    ] = None,
    part: Annotated[list[Part] | None, typer.Option(help="Measure this part only; may be repeated.")] = None,
    steps: Annotated[int | None, typer.Option(min=2, help="Denoising steps; default: the config's.")] = None,
    dtype: Annotated[
        Literal["float32", "bfloat16", "float16"] | None, typer.Option(help="Of the policy; default: the config's.")
    ] = None,
    device: Annotated[Literal["auto", "cpu", "cuda"], typer.Option(help="auto: cuda if there is one.")] = "auto",
    seconds: Annotated[float, typer.Option(min=0, help="For each part, at least, after a warm-up.")] = 5.0,
) -> None:
    """Measure sampler, learner and judges of CONFIG, each in a process of its own and without Ray.

    Models that are not on this disk are built at random from their shapes (configs/shapes); nothing is downloaded.
    """
    from cluster.config.experiment import load_config

    settings = list(overrides or [])
    settings += [] if steps is None else [f"sampler.steps={steps}"]
    settings += [] if dtype is None else [f"policy.dtype={dtype}"]
    experiment = load_config(config, settings)

    import torch

    found = torch.cuda.is_available()
    if device == "cuda" and not found:
        raise BadInput("--device cuda: torch sees no GPU here; use cpu, or a torch that was built for CUDA")
    where = "cuda" if found and device != "cpu" else "cpu"
    name = torch.cuda.get_device_name() if where == "cuda" else f"CPU, {torch.get_num_threads()} threads"
    typer.echo(f"salon: {experiment.name} on {name}, torch {torch.__version__}, policy in {experiment.policy.dtype}")

    from cluster.bench.bench import bench as measure

    if not measure(experiment, part or list(Part), where, seconds, typer.echo):
        raise typer.Exit(ExitCode.FAILED)
