# pyright: strict
"""The average of the trained weights over optimizer steps, beside the weights themselves."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from safetensors import safe_open
from safetensors.torch import save  # pyright: ignore[reportUnknownVariableType]

from actors.adapter import Adapter
from learners.settings import EmaConfig

if TYPE_CHECKING:
    from torch import Tensor

FILE = "ema.safetensors"
"""What a checkpoint calls it."""
STEP = "step"


class AveragedWeights:
    """The exponential moving average of named weights on the CPU, by diffusers' `EMAModel`."""

    def __init__(self, config: EmaConfig, weights: Mapping[str, Tensor]) -> None:
        from diffusers.training_utils import EMAModel

        self._names = tuple(weights)
        self._average: Any = EMAModel(cast(Any, weights.values()), **config.model_dump(exclude={"evaluate"}))

    def step(self, weights: Mapping[str, Tensor]) -> None:
        """Takes in the weights after an optimizer step."""
        # It would copy those that want no gradient.
        self._average.step([weight.requires_grad_() for weight in weights.values()])

    def adapter(self, version: int) -> Adapter:
        """A copy of the average, stamped with `version`."""
        return Adapter.pack(version, {name: tensor.numpy() for name, tensor in self._named().items()})

    def save(self, folder: Path) -> None:
        """Writes the average, and of how many steps it is."""
        (folder / FILE).write_bytes(save(self._named(), {STEP: str(self._average.optimization_step)}))

    def load(self, folder: Path, weights: Mapping[str, Tensor]) -> None:
        """Continues from a `save`; begins with the `weights` of now where there is none."""
        saved, step = weights, 0
        if (folder / FILE).is_file():
            with cast(Any, safe_open)(folder / FILE, "pt") as file:
                saved, step = {name: file.get_tensor(name) for name in self._names}, int(file.metadata()[STEP])
        for name, average in self._named().items():
            average.copy_(saved[name])
        self._average.optimization_step = step

    def _named(self) -> dict[str, Tensor]:
        return dict(zip(self._names, self._average.shadow_params, strict=True))
