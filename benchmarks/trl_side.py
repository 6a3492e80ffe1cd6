"""TRL's DDPOTrainer on a small Stable Diffusion, one epoch after another; run by `against_trl.py` in TRL's environment.

It imports nothing of Salon. Each epoch is one line of JSON on stdout: the seconds that it took.
"""

from __future__ import annotations

import argparse
import importlib
import io
import itertools
import json
import time
from typing import Any

import torch
from PIL import Image


def reward(images: Any, prompts: Any, metadata: Any) -> tuple[Any, dict[str, Any]]:
    """Minus the kilobytes of each picture as a JPEG of quality 95, as Salon's judge `jpeg` counts them."""
    sizes: list[float] = []
    for pixels in (images.clamp(0, 1) * 255).round().to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy():
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "JPEG", quality=95)
        sizes.append(-file.tell() / 1000)
    return torch.tensor(sizes), {}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("--prompts", required=True)
    parser.add_argument("--epochs", type=int, required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--batch", type=int, required=True)
    parser.add_argument("--minibatches", type=int, required=True)
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--guidance", type=float, required=True)
    parser.add_argument("--lr", type=float, required=True)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)

    import accelerate

    library: Any = importlib.import_module("trl")  # of an environment that no type checker sees
    accelerate.PartialState()  # TRL's pipeline logs that there is no LoRA yet, which accelerate wants to be asked for
    with open(args.prompts, encoding="utf-8") as file:
        prompts = itertools.cycle([line.strip() for line in file if line.strip()])
    config = library.DDPOConfig(
        num_epochs=args.epochs,
        mixed_precision="no",
        save_freq=10**9,
        sample_num_steps=args.steps,
        sample_guidance_scale=args.guidance,
        sample_batch_size=args.batch,
        sample_num_batches_per_epoch=1,
        train_batch_size=args.batch // args.minibatches,
        train_learning_rate=args.lr,
    )
    pipeline = library.DefaultDDPOStableDiffusionPipeline(args.model)
    trainer = library.DDPOTrainer(config, reward, lambda: (next(prompts), {}), pipeline)
    pipeline.set_progress_bar_config(disable=True)
    step = 0
    for epoch in range(args.epochs):
        began = time.monotonic()
        step = trainer.step(epoch, step)
        print(json.dumps({"seconds": time.monotonic() - began}), flush=True)


if __name__ == "__main__":
    main()
