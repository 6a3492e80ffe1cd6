"""The LAION aesthetic predictor: its weights as a folder of safetensors, and its conversion from the public file.

python -m rewards.models.aesthetic_model sac+logos+ava1-l14-linearMSE.pth models/aesthetic
"""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from torch import nn
from transformers import PretrainedConfig, PreTrainedModel
from transformers.activations import ACT2FN

from rewards.errors import ExportError

PUBLIC_LAYERS = (0, 2, 4, 6, 7)
"""Indices of the five linear layers in the public file; those between them are dropout, which has no weights."""


class AestheticModelConfig(PretrainedConfig):
    """Widths of the layers, input first, and what is between them: nothing, or an activation of transformers."""

    model_type = "salon_aesthetic"

    def __init__(
        self, widths: Sequence[int] = (768, 1024, 128, 64, 16, 1), activation: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.widths, self.activation = list(widths), activation


class AestheticModel(PreTrainedModel):
    """Linear layers, 768-1024-128-64-16-1 with nothing between them in the public predictor.

    Source: Schuhmann, improved-aesthetic-predictor (2022), trained on CLIP ViT-L/14 embeddings of unit length and
    ratings from 1 to 10.
    """

    config_class = AestheticModelConfig
    base_model_prefix = "layers"

    def __init__(self, config: AestheticModelConfig) -> None:
        super().__init__(config)
        pairs = zip(config.widths, config.widths[1:], strict=False)
        self.layers = nn.Sequential(*(nn.Linear(a, b) for a, b in pairs))
        self.between = ACT2FN[config.activation] if config.activation else nn.Identity()
        self.post_init()

    def forward(self, embeddings: torch.Tensor) -> torch.Tensor:
        """Scores `[n]` of embeddings `[n, d]` of any length: they are scaled to unit length here."""
        first, *others = self.layers
        x = first(nn.functional.normalize(embeddings, dim=-1))
        for layer in others:
            x = layer(self.between(x))
        return x.squeeze(-1)

    @torch.inference_mode()
    def ratings(self, embeddings: torch.Tensor) -> list[float]:
        """`forward` as plain numbers."""
        return self(embeddings).tolist()


def convert_aesthetic(weights: Path, folder: Path) -> None:
    """Writes the public `.pth` file as config.json and model.safetensors into `folder`.

    Raises ValueError if the file holds anything but the five layers' weights. Nothing in it is executed. The folder is
    read back; ExportError says that it holds something else.
    """
    try:
        public = torch.load(weights, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
        raise ValueError(f"{weights}: not a file of weights alone ({str(error).splitlines()[0]})") from error
    expected = {f"layers.{index}.{part}" for index in PUBLIC_LAYERS for part in ("weight", "bias")}
    if not isinstance(public, dict) or set(public) != expected:
        raise ValueError(f"{weights}: not an aesthetic predictor; its keys must be {', '.join(sorted(expected))}")
    shapes = [public[f"layers.{index}.weight"].shape for index in PUBLIC_LAYERS]
    model = AestheticModel(AestheticModelConfig([shapes[0][1], *(rows for rows, _ in shapes)]))
    for layer, index in enumerate(PUBLIC_LAYERS):
        state = {part: public[f"layers.{index}.{part}"] for part in ("weight", "bias")}
        model.layers[layer].load_state_dict(state)
    model.save_pretrained(folder)
    read = AestheticModel.from_pretrained(folder).layers.state_dict()
    unlike = [name for name, tensor in model.layers.state_dict().items() if not torch.equal(tensor, read[name])]
    if unlike:
        raise ExportError(f"{folder}: {unlike[0]} is not read back as it was written")


app = typer.Typer(add_completion=False)


@app.command()
def convert(weights: Annotated[Path, typer.Argument(exists=True, dir_okay=False)], folder: Path) -> None:
    """Writes the public aesthetic predictor WEIGHTS (a .pth file) as safetensors into FOLDER."""
    try:
        convert_aesthetic(weights, folder)
    except ValueError as error:
        typer.echo(error, err=True)
        raise typer.Exit(2) from error


if __name__ == "__main__":
    app()
