"""The engine: DeepSpeed around the policy's network, which accumulates gradients, steps, shards, saves and loads."""

from __future__ import annotations

import math
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from actors.adapter import Adapter
from actors.diffusion.acceleration import checkpoint_activations
from actors.diffusion.policy import Policy
from actors.not_finite import NotFinite
from learners.averaged_weights import AveragedWeights
from learners.settings import LearnerSettings
from learners.training_state import TrainingState
from rewards.storage_error import StorageError, writing

# DeepSpeed's own folder inside a checkpoint of version 0.1.0.
TAG = "engine"
# In float16 the adapter's gradients would underflow to zero, as a log-prob is a mean over latent dimensions and a loss
# a mean over pairs.
FLOAT16_SCALE = 2.0**16


class Engine:
    """A data-parallel AdamW over the trained weights of a policy; frozen ones are neither stepped nor saved.

    Every worker of the group builds one, in the process group that Ray Train made (a lone process makes its own), and
    calls the same methods in the same order. Calling the engine calls the network.

    rank, world  this worker's rank and the number of workers
    grad_norm    norm of the last optimizer step's gradient before clipping
    """

    def __init__(self, policy: Policy, config: LearnerSettings, accumulation: int) -> None:
        deepspeed = _import_deepspeed(policy.device)
        _join_process_group(policy.device)
        self.policy = policy
        self.rank = torch.distributed.get_rank()
        self.world = torch.distributed.get_world_size()
        self.grad_norm = math.nan
        if config.activation_checkpointing:
            checkpoint_activations(policy.network)
        # Gradients stay scaled; AdamW takes the same step if its epsilon is scaled alike.
        self._scale = FLOAT16_SCALE if policy.dtype is torch.float16 else 1.0
        epsilon = config.epsilon * self._scale
        optimizer = torch.optim.AdamW(
            policy.trainable(), config.lr, config.betas, eps=epsilon, weight_decay=config.weight_decay
        )
        self._sharded = config.zero_stage > 0
        # DeepSpeed draws random numbers while it sets up; the process's own generator must not notice.
        with torch.random.fork_rng(devices=[]):
            self._engine: Any = deepspeed.initialize(
                model=policy.network,
                model_parameters=policy.trainable(),
                optimizer=optimizer,
                config=_deepspeed_config(config, accumulation, self._scale),
            )[0]
        self._state = TrainingState(self._engine, policy.named_trainable(), config.zero_stage)
        self._average = None if config.ema is None else AveragedWeights(config.ema, self._state.weights())
        self._evaluates_average = config.ema is not None and config.ema.evaluate == "ema"

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._engine(*args, **kwargs)

    def accumulate(self, loss: Tensor) -> None:
        """Adds the gradient of `loss` to the optimizer step's; the last of `accumulation` calls takes the step.

        `loss` is this micro-batch's share: the shares of one step are summed on a worker and averaged over workers.
        Raises FloatingPointError if the gradient of the step is not finite; with ZeRO, which gives its norm too late,
        the weights are then no longer usable.
        """
        self._engine.backward(loss * self._scale, scale_wrt_gas=False)
        boundary = self._engine.is_gradient_accumulation_boundary()
        if boundary and not self._sharded:
            # Without ZeRO, DeepSpeed clips but reports no norm.
            grads = [p.grad for p in self.policy.trainable() if p.grad is not None]
            self.grad_norm = float(torch.nn.utils.get_total_norm(grads)) / self._scale
            self._check_gradient()
        self._engine.step()
        if boundary and self._sharded:
            self.grad_norm = float(self._engine.get_global_grad_norm()) / self._scale
            self._check_gradient()
        if boundary and self._average is not None:
            self._average.step(self._state.weights())

    def _check_gradient(self) -> None:
        if not math.isfinite(self.grad_norm):
            raise FloatingPointError(
                "the gradient of an optimizer step is not finite; lower learner.lr or the clip range, or use "
                "policy.dtype bfloat16 or float32, and resume from the last checkpoint"
            )

    def set_rate(self, lr: float) -> None:
        """Sets the learning rate of the next optimizer steps."""
        for group in self._engine.optimizer.param_groups:
            group["lr"] = lr

    def gather(self, item: Any) -> list[Any]:
        """Every worker's `item`, in rank order, on every worker."""
        if self.world == 1:
            return [item]
        items: list[Any] = [None] * self.world
        torch.distributed.all_gather_object(items, item)
        return items

    def adapter(self, version: int) -> Adapter:
        """A copy of the trained weights, whole on every worker, stamped with `version`; raises NotFinite if they are
        not fit to be published."""
        adapter = Adapter.pack(version, {name: tensor.numpy() for name, tensor in self._state.weights().items()})
        if not np.isfinite(adapter.values).all():
            raise NotFinite(
                "the adapter's weights",
                f"after update {version}; lower learner.lr, or use policy.dtype bfloat16 or float32, and resume from "
                "the last checkpoint",
            )
        return adapter

    def evaluated(self, version: int) -> Adapter | None:
        """The weights that evaluations and the export take, if they are others than `adapter`'s: a copy of the
        average, stamped with `version`."""
        return self._average.adapter(version) if self._average is not None and self._evaluates_average else None

    def save(self, folder: Path) -> None:
        """Writes the engine's state into `folder`, which is there; every worker calls it.

        Raises StorageError, on every worker, if the first cannot write."""
        first = self.rank == 0
        for name, content in self._state.files(wanted=first):
            with self.together(), writing(folder):
                if first:
                    (folder / name).write_bytes(content)
        with self.together(), writing(folder):
            if self._average is not None and first:
                self._average.save(folder)

    def load(self, folder: Path) -> None:
        """Continues from a `save`, by however many workers; raises ValueError if it is none of these weights."""
        self._state.load(folder)
        self._begin_average(folder)

    def load_shards(self, folder: Path) -> None:
        """Continues from what version 0.1.0 saved, DeepSpeed's own shards, by as many workers with the same ZeRO stage;
        raises ValueError if there are none."""
        settings = [{k: v for k, v in group.items() if k != "params"} for group in self._engine.optimizer.param_groups]
        clip = self._engine.optimizer.clip_grad if self._sharded else None
        path, _ = self._engine.load_checkpoint(str(folder), tag=TAG, load_module_strict=False)
        if path is None:
            raise ValueError(f"{folder} holds no engine state that {self.world} worker(s) can load")
        # DeepSpeed restores the saved run's settings with its state; here those of this run's config count.
        for group, mine in zip(self._engine.optimizer.param_groups, settings, strict=True):
            group |= mine
        if self._sharded:
            self._engine.optimizer.clip_grad = clip
        self._begin_average(folder)

    def _begin_average(self, folder: Path) -> None:
        if self._average is not None:
            self._average.load(folder, self._state.weights())

    def barrier(self) -> None:
        """Waits until every worker is here."""
        torch.distributed.barrier()

    @contextmanager
    def together(self) -> Generator[None]:
        """Context manager: what the system refuses to one worker in the block raises StorageError on all of them, or
        those that fare better would wait for it for ever. Waits until every worker is here."""
        failed: str | None = None
        try:
            yield
        except OSError as error:
            failed = str(error)
        for its in self.gather(failed):
            if its is not None:
                raise StorageError(its)


def _import_deepspeed(device: torch.device) -> Any:
    if device.type == "cpu":
        os.environ.setdefault("DS_ACCELERATOR", "cpu")
    import deepspeed
    from deepspeed.ops import __compatible_ops__
    from deepspeed.utils import logger

    # A shared-memory all-reduce that DeepSpeed would compile for minutes at the first start; gloo does the same job.
    __compatible_ops__["deepspeed_shm_comm"] = False
    logger.setLevel("WARNING")
    return deepspeed


def _join_process_group(device: torch.device) -> None:
    if not torch.distributed.is_initialized():
        os.environ.setdefault("LOCAL_RANK", "0")  # DeepSpeed insists on it; in a group, its launcher sets it
        backend = "nccl" if device.type == "cuda" else "gloo"
        store = torch.distributed.HashStore()  # pyright: ignore[reportPrivateImportUsage]
        torch.distributed.init_process_group(backend, store=store, rank=0, world_size=1)


def _deepspeed_config(config: LearnerSettings, accumulation: int, scale: float) -> dict[str, Any]:
    return {
        "train_micro_batch_size_per_gpu": config.micro_batch,
        "gradient_accumulation_steps": accumulation,
        "gradient_clipping": config.max_grad_norm * scale,
        # The optimizer is torch's own AdamW, which needs no compiler.
        "zero_allow_untested_optimizer": True,
        "zero_optimization": {"stage": config.zero_stage},
        "steps_per_print": 10**9,
    }
