"""The state of an engine as a checkpoint keeps it: weights and AdamW's moments, whole and by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor

WEIGHTS, MOMENTS = "weights", ("exp_avg", "exp_avg_sq")
STEP = "step"


class TrainingState:
    """The trained weights of a DeepSpeed engine and what its AdamW remembers of each, whole, however they are sharded.

    So a checkpoint fits any number of workers and any ZeRO stage. Tensors are gathered one at a time: no worker's
    device holds more than one of them, and the first worker's memory those of one file.
    """

    def __init__(self, engine: Any, parameters: Mapping[str, torch.nn.Parameter], stage: int) -> None:
        self._engine, self._parameters, self._stage = engine, parameters, stage
        # AdamW would make them at its first step, with these numbers; here they can be filled before.
        for flat in self._stepped():
            zeros = {name: torch.zeros_like(flat, requires_grad=False) for name in MOMENTS}
            self._adam.state[flat] = {STEP: torch.zeros(()), **zeros}

    def weights(self) -> dict[str, Tensor]:
        """Float32 copies of the weights on the CPU; every worker calls it."""
        return {name: self._weight(p) for name, p in self._parameters.items()}

    def files(self, wanted: bool) -> Iterator[tuple[str, bytes]]:
        """The files of a checkpoint, name and content, which is empty if this worker is not the one that `wanted` it.

        Every worker goes through all of them, as each has parts of each."""
        step = str(int(self._adam.state[self._stepped()[0]][STEP]))
        self._link()
        for file in (WEIGHTS, *MOMENTS):
            whole: dict[str, Tensor] = {}
            for name, parameter in self._parameters.items():
                tensor = self._weight(parameter) if file == WEIGHTS else self._moment(parameter, file)
                if wanted:
                    whole[name] = tensor
            yield _name(file), save(whole, {STEP: step}) if wanted else b""

    def load(self, folder: Path) -> None:
        """Continues from the `files` in a folder; every worker calls it. Raises ValueError if they are of other
        weights."""
        self._link()
        for file in (WEIGHTS, *MOMENTS):
            path = folder / _name(file)
            with cast(Any, safe_open)(path, "pt") as saved:
                shapes = {name: tuple(saved.get_slice(name).get_shape()) for name in saved.keys()}  # noqa: SIM118
                mine = {name: tuple(getattr(p, "ds_shape", p.shape)) for name, p in self._parameters.items()}
                if shapes != mine:
                    raise ValueError(f"{path} is of other weights than those that this run trains")
                for name, parameter in self._parameters.items():
                    self._set(parameter, saved.get_tensor(name).to(parameter.device), file)
                step = float(saved.metadata()[STEP])
        for flat in self._stepped():
            self._adam.state[flat][STEP].fill_(step)

    @property
    def _adam(self) -> Any:
        return self._engine.basic_optimizer

    def _stepped(self) -> list[Tensor]:
        """The tensors that AdamW steps: the parameters, or this worker's flat parts of them."""
        if self._stage == 3:
            return self._engine.optimizer.fp32_partitioned_groups_flat
        return [tensor for group in self._adam.param_groups for tensor in group["params"]]

    def _link(self) -> None:
        """Shows DeepSpeed the moments that AdamW has now, which it looks for once, at the first step."""
        if self._stage in (1, 2):
            self._engine.optimizer._hp_optimizer_states_linked = False
            self._engine.optimizer._lazy_init_hp_params_optimizer_state()

    def _weight(self, parameter: torch.nn.Parameter) -> Tensor:
        with self._gathered(parameter, None):
            return parameter.detach().to("cpu", torch.float32, copy=True).contiguous()

    def _moment(self, parameter: torch.nn.Parameter, name: str) -> Tensor:
        from deepspeed.utils import safe_get_full_optimizer_state

        if self._stage == 0:
            whole = self._adam.state[parameter][name]
        else:
            whole = cast(Tensor, safe_get_full_optimizer_state(parameter, name))
        return whole.detach().to("cpu", torch.float32, copy=True).contiguous()

    @torch.no_grad()
    def _set(self, parameter: torch.nn.Parameter, value: Tensor, file: str) -> None:
        import deepspeed.utils as sharded

        if file == WEIGHTS:
            with self._gathered(parameter, 0):
                parameter.copy_(value)
            if self._stage in (1, 2):
                sharded.safe_set_full_fp32_param(parameter, value)
            elif self._stage == 3:
                part = sharded.safe_get_local_fp32_param(parameter)
                sharded.safe_set_local_fp32_param(parameter, _share(value, cast(Tensor, part)))
        elif self._stage == 0:
            self._adam.state[parameter][file].copy_(value)
        elif self._stage == 3:
            part = sharded.safe_get_local_optimizer_state(parameter, file)
            sharded.safe_set_local_optimizer_state(parameter, _share(value, cast(Tensor, part)), file)
        else:
            sharded.safe_set_full_optimizer_state(parameter, value, file)

    def _gathered(self, parameter: torch.nn.Parameter, modifier: int | None) -> Any:
        from contextlib import nullcontext

        import deepspeed

        if self._stage < 3:
            return nullcontext()
        return deepspeed.zero.GatheredParameters([parameter], modifier_rank=modifier)


def _share(value: Tensor, part: Tensor) -> Tensor:
    """This worker's part of a tensor that ZeRO-3 cuts into as many equal parts, the last with padding."""
    rank, world = torch.distributed.get_rank(), torch.distributed.get_world_size()
    padded = torch.zeros(world * part.numel(), dtype=value.dtype, device=value.device)
    padded[: value.numel()] = value.flatten()
    return padded[rank * part.numel() :][: part.numel()]


def _name(file: str) -> str:
    return f"{file}.safetensors"
