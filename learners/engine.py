"""The engine: DeepSpeed around the policy's network, which accumulates gradients, steps, shards, saves and loads."""

from __future__ import annotations

import math
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from torch import Tensor

from actors.adapter import Adapter
from actors.diffusion.policy import Policy
from actors.not_finite import NotFinite
from learners.settings import LearnerSettings
from rewards.storage_error import StorageError, writing

# DeepSpeed's own folder inside a checkpoint.
TAG = "engine"
# In float16 the adapter's gradients would underflow to zero, as a log-prob is a mean over latent dimensions and a loss
# a mean over pairs.
FLOAT16_SCALE = 2.0**16


class Engine:
    """A data-parallel AdamW over a policy's adapter; the frozen weights are neither stepped, sharded nor saved.

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
        self._unwritten: OSError | None = None
        # Gradients stay scaled; AdamW takes the same step if its epsilon is scaled alike.
        self._scale = FLOAT16_SCALE if policy.dtype is torch.float16 else 1.0
        epsilon = config.epsilon * self._scale
        optimizer = torch.optim.AdamW(
            policy.trainable(), config.lr, config.betas, eps=epsilon, weight_decay=config.weight_decay
        )
        self._gathered = deepspeed.zero.GatheredParameters if config.zero_stage == 3 else None
        self._sharded = config.zero_stage > 0
        # DeepSpeed draws random numbers while it sets up; the process's own generator must not notice.
        with torch.random.fork_rng(devices=[]):
            self._engine: Any = deepspeed.initialize(
                model=policy.network,
                model_parameters=policy.trainable(),
                optimizer=optimizer,
                config=_deepspeed_config(config, accumulation, self._scale),
            )[0]
        self._engine.checkpoint_engine.save = self._write
        # The scripts that DeepSpeed adds to a checkpoint read nothing that is ours.
        self._engine._copy_recovery_script = lambda save_path: None

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
        """A copy of the adapter's weights, whole on every worker, stamped with `version`; raises NotFinite if they
        are not fit to be published."""
        with self._whole():
            adapter = self.policy.adapter(version)
        if not np.isfinite(adapter.values).all():
            raise NotFinite(
                "the adapter's weights",
                f"after update {version}; lower learner.lr, or use policy.dtype bfloat16 or float32, and resume from "
                "the last checkpoint",
            )
        return adapter

    def save(self, folder: Path) -> None:
        """Writes this worker's part of the engine's state; every worker calls it, with one folder.

        Raises StorageError, on every worker, if one of them cannot write."""
        with self.together(), writing(folder):
            (folder / TAG).mkdir(parents=True, exist_ok=True)
        self._unwritten = None
        self._engine.save_checkpoint(str(folder), tag=TAG, save_latest=False, exclude_frozen_parameters=True)
        with self.together():
            if self._unwritten is not None:
                raise self._unwritten

    def load(self, folder: Path) -> None:
        """Continues from a `save` by as many workers with the same ZeRO stage; raises ValueError if there is none."""
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

    def _write(self, state_dict: Any, path: str) -> None:
        """Saves `state_dict` in DeepSpeed's place.

        What fails is kept for `save`: inside DeepSpeed the workers wait for each other, and none may leave early."""
        if self._unwritten is None:
            try:
                with writing(Path(path)), Path(path).open("wb") as file:
                    _save(state_dict, file)
            except StorageError as error:
                self._unwritten = error

    @contextmanager
    def _whole(self) -> Generator[None]:
        if self._gathered is None:
            yield
        else:
            with self._gathered(self.policy.trainable(), modifier_rank=None):
                yield


def _save(state: Any, file: BinaryIO) -> None:
    try:
        torch.save(state, file)
    except RuntimeError as error:
        # torch tells of its own confusion about what the system refused.
        raise error.__context__ if isinstance(error.__context__, OSError) else error from None


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
