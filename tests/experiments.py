# pyright: strict
"""An experiment's YAML for tests of the config, with every section that the menagerie's has."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

MENAGERIE = """\
name: menagerie
seed: 0
updates: 60
groups_per_update: 8
samples_per_prompt: 8
max_lag: 1
policy:
  model: menagerie/models/policy
  dtype: float32
  lora: {rank: 8, alpha: 8, targets: [to_q, to_k, to_v, to_out.0]}
sampler: {steps: 8, eta: 1.0, guidance: 2.0}
prompts: {file: configs/prompts/animals.txt, holdout: configs/prompts/animals-heldout.txt}
actors: {count: 1, num_cpus: 0.5, num_gpus: 0, threads: 1, ticket_deadline_s: 120}
rewards:
  deadline_s: 60
  judges:
    artifact: {kind: artifact, model: menagerie/models/artifact, weight: 1.0, role: train, alpha: 0.0769, beta: 1.0}
    clip: {kind: clip, model: menagerie/models/clip, weight: 1.0}
    heldout: {kind: "menagerie.heldout_judge:HeldoutJudge", model: menagerie/models/heldout, role: audit}
learner:
  lr: 3e-4
  workers: 1
  algorithm:
    kind: ddpo
    clip: {kind: proximal, range: 1.0e-4, weight_cap: 2.0}
    advantage: {kind: per_prompt, min_count: 16, buffer: 32, clip: 5.0}
    timestep_fraction: 0.5
evaluation: {every: 0, prompts: 32, samples: 4}
tracking: {wandb: offline, project: salon}
checkpoint_every: 5
"""

Write = Callable[[str], Path]
"""Writes a YAML file; its path"""

Refusal = Callable[..., list[str]]
"""The lines with which the experiment and some overrides are refused"""
