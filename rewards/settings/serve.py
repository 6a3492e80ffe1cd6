"""How one judge is served: `serve:` under a judge in the YAML."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from rewards.settings.section import Processes, Section, Threads


class ServingConfig(Section):
    """How one judge is served: replicas, their share of the machine, batching and back-pressure."""

    num_cpus: float = Field(default=0.25, ge=0)
    """logical CPUs a replica asks of Ray; fractions let all parts fit on a small machine"""
    num_gpus: float = Field(default=0.0, ge=0)
    """GPUs a replica asks of Ray; fractions share one GPU"""
    threads: Threads = 1
    """torch threads of a replica"""
    resources: dict[str, float] = Field(default_factory=dict)
    """custom Ray resources, to have the replicas on chosen nodes"""
    min_replicas: Processes = 1
    """replicas that there are at least, and to begin with"""
    max_replicas: Processes = 1
    """more than `min_replicas` turns autoscaling on; the range is this judge's own, the learner is not touched"""
    max_batch_size: int = Field(default=8, ge=1)
    """requests (whole groups of pictures) that one model call may take together"""
    batch_wait_s: float = Field(default=0.02, ge=0)
    """how long the first request of a batch waits for company"""
    concurrent_batches: int = Field(default=1, ge=1)
    """model calls that run at the same time in one replica"""
    max_queued_requests: int = Field(default=64, ge=1)
    """requests a caller may queue before it is pushed back and waits"""
    target_ongoing_requests: float = Field(default=2.0, gt=0)
    """requests per replica that autoscaling aims for"""
    upscale_delay_s: float = Field(default=3.0, ge=0)
    """seconds for which more replicas must be wanted before they are started"""
    downscale_delay_s: float = Field(default=60.0, ge=0)
    """seconds for which fewer replicas must be wanted before some are stopped"""
    stuck_after_s: float = Field(default=300.0, gt=0)
    """a model call that runs longer than this makes its replica unhealthy, and Serve replaces it"""
    health_check_period_s: float = Field(default=10.0, gt=0)
    """seconds between Serve's checks of a replica"""

    @model_validator(mode="after")
    def _range(self) -> Self:
        if self.max_replicas < self.min_replicas:
            raise ValueError(f"max_replicas {self.max_replicas} is below min_replicas {self.min_replicas}")
        return self
