# pyright: strict
"""Settings of rollouts: `policy:`, `sampler:`, `prompts:`, `actors:` and `audit:` in the YAML."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal, Self, cast

from pydantic import Field, model_validator

from rewards.settings.section import AtMost, ModelName, Processes, Section, Threads, UserFile


class LoraConfig(Section):
    """The adapter that is trained; the base policy stays frozen. There is no dropout: it would break ratio = 1."""

    rank: Annotated[int, Field(ge=1), AtMost(65_536, "no layer is wider")] = 8
    """rank of the two factors that are added to a layer's weights"""
    alpha: int = Field(default=8, ge=1)
    """the update is scaled by alpha / rank"""
    targets: tuple[str, ...] = Field(default=("to_q", "to_k", "to_v", "to_out.0"), min_length=1)
    """endings of the names of the network's layers that get an adapter; the default is every attention projection, but
    for those of the text in Stable Diffusion 3: add_q_proj, add_k_proj, add_v_proj, to_add_out"""
    init: UserFile | None = None
    """a LoRA to start from, of at most this rank and of no other layers: a folder as diffusers or peft saves it, or a
    safetensors file; default: an adapter that changes nothing"""


class Resolution(Section):
    """Height and width of a picture in pixels, also written as a list of the two: [512, 768]."""

    height: Annotated[int, Field(ge=1), AtMost(65_536, "no pipeline draws more")]
    """pixels from top to bottom"""
    width: Annotated[int, Field(ge=1), AtMost(65_536, "no pipeline draws more")]
    """pixels from left to right"""

    @model_validator(mode="before")
    @classmethod
    def _of_two(cls, value: object) -> object:
        """A list of two as height and width."""
        if not isinstance(value, list | tuple):
            return value
        pair = cast("Sequence[object]", value)
        return {"height": pair[0], "width": pair[1]} if len(pair) == 2 else pair

    @property
    def pixels(self) -> tuple[int, int]:
        """Height and width."""
        return self.height, self.width


class VaeConfig(Section):
    """How the autoencoder decodes, to bound its memory."""

    batch: int | None = Field(default=None, ge=1)
    """latents decoded together; default: all that were denoised together"""
    tiling: bool = False
    """whether a picture that is larger than the autoencoder's own is decoded tile by tile; the seams are blended"""


class PolicyConfig(Section):
    """The diffusion model that learns."""

    model: Annotated[ModelName, Field(min_length=1)]
    """a `from_pretrained` folder of a Stable Diffusion (1, 2, 3, XL) or FLUX pipeline, or its hub name; on a cluster
    each node reads its own copy, so a folder is an absolute path that all of them have"""
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    """precision of the frozen weights, and of the computation with trained ones (autocast, in train full); trained
    weights, latents, transition and log-probs are float32 always"""
    variant: str | None = Field(default=None, min_length=1)
    """which of several sets of weights in the model's folder to load: `fp16` loads files such as
    diffusion_pytorch_model.fp16.safetensors"""
    resolution: Resolution | None = None
    """height and width of the pictures, in rollouts, in the learner and in evaluation; default: what the network was
    made for"""
    train: Literal["lora", "full"] = "lora"
    """what is trained: an adapter, in the end in RUN/lora, or all weights of the denoising network, in the end a whole
    pipeline in RUN/policy"""
    lora: LoraConfig = LoraConfig()
    """the adapter, if it is what is trained"""
    attention: Literal["native", "flash", "efficient", "cudnn", "math"] = "native"
    """which of torch's kernels computes attention; native: torch chooses. In actors and learner, as all of `policy`"""
    channels_last: bool = False
    """whether images lie in memory pixel by pixel; convolutions in half precision are faster on many GPUs"""
    compile: Literal["none", "network", "blocks"] = "none"
    """torch.compile of the network, or of its repeated blocks alone, which takes less time to compile"""
    vae: VaeConfig = VaeConfig()

    @property
    def export_folder(self) -> str:
        """The folder of a run in which plain diffusers finds what was trained."""
        return "lora" if self.train == "lora" else "policy"

    @model_validator(mode="after")
    def _full_weights(self) -> Self:
        if self.train == "full" and self.lora.init is not None:
            raise ValueError("lora.init: with train full there is no adapter to put it into; merge it into the model")
        if self.train == "full" and self.channels_last:
            raise ValueError("channels_last: with train full the learner keeps its weights in one row; use train lora")
        return self

    @property
    def pixels(self) -> tuple[int, int] | None:
        """Height and width of the pictures; None: what the network was made for."""
        return None if self.resolution is None else self.resolution.pixels


class SamplerConfig(Section):
    """How a picture is denoised, the same in rollouts, in the learner and in evaluation."""

    steps: int = Field(default=50, ge=1)
    """denoising steps of a trajectory"""
    eta: float = Field(default=1.0, ge=0, le=1)
    """noise of a step. DDIM's η: 1 is as noisy as DDPM. Flow matching: the level a in σ_t = a √(t / (1 - t)); Flow-GRPO
    takes 0.7. 0 is deterministic: such a step has no log-prob, so only algorithms that need none allow it"""
    noise: Literal["sde", "cps"] = "sde"
    """flow matching: `sde` is the stochastic sampler of Flow-GRPO; `cps` preserves the share of noise in every latent
    (FlowCPS), so that pictures of few steps are cleaner: each step replaces the share sin(η π / 2) of the noise"""
    guidance: float = Field(default=5.0, ge=1)
    """classifier-free guidance; 1 turns it off, and the unconditional half is not computed"""
    negative_prompt: str = ""
    """what guidance leads away from"""
    max_batch: int = Field(default=32, ge=1)
    """pictures denoised together; a group that is larger is cut into parts (its noise does not change)"""


class PromptsConfig(Section):
    """Where prompts come from; `actors.prompts.PromptList` describes the form of a file."""

    file: UserFile
    """prompts to train on"""
    holdout: UserFile | None = None
    """prompts for evaluation only; default: the training prompts"""


class ActorsConfig(Section):
    """The rollout actors: their number, their resources, and how long they wait."""

    count: Processes = 1
    """rollout actors, each with a policy of its own"""
    num_cpus: float = Field(default=1.0, ge=0)
    """logical CPUs an actor asks of Ray"""
    num_gpus: float = Field(default=0.0, ge=0)
    """GPUs an actor asks of Ray; fractions share one GPU"""
    threads: Threads = 1
    """torch threads of an actor"""
    resources: dict[str, float] = Field(default_factory=dict)
    """custom Ray resources, to place the actors on chosen nodes"""
    max_restarts: int = Field(default=10, ge=-1)
    """times Ray may start a dead actor again; -1: always"""
    start_timeout_s: float = Field(default=300.0, gt=0)
    """seconds for all actors to load the policy, which is downloaded first if it is a hub name"""
    judging_groups: int = Field(default=2, ge=1)
    """groups an actor may have with the judges while it denoises the next one"""
    ticket_deadline_s: float = Field(default=600.0, gt=0)
    """seconds from taking a ticket to handing in its judged group; a later group is dropped and made again"""
    poll_s: float = Field(default=5.0, gt=0)
    """seconds the ledger may hold a request for a ticket while there is none to give"""
    call_deadline_s: float = Field(default=30.0, gt=0)
    """seconds for an answer of the ledger or the weight store; an actor that owes the driver one for longer cannot be
    reached, and its groups go to others"""
    same_error_limit: int = Field(default=3, ge=1)
    """the same error this many times in a row, with no group handed in between, ends the actor, which is replaced; the
    run ends when more than half of the actors, or the only one, ended by the same error"""

    @property
    def lost_after_s(self) -> float:
        """Seconds without news after which the ledger takes a ticket back. An actor gives a late one up itself; this is
        for actors that cannot."""
        return 1.5 * self.ticket_deadline_s + self.call_deadline_s

    @model_validator(mode="after")
    def _deadlines(self) -> Self:
        if self.call_deadline_s >= self.ticket_deadline_s:
            raise ValueError(
                f"call_deadline_s {self.call_deadline_s:g} must be shorter than ticket_deadline_s "
                f"{self.ticket_deadline_s:g}"
            )
        return self


class AuditConfig(Section):
    """The audit: every verdict of the run in `RUN/audit/*.parquet`, and thumbnails of a few pictures."""

    enabled: bool = True
    """false writes nothing, and the report lacks what it shows from the audit"""
    best: int = Field(default=1, ge=0)
    """pictures of each update, those with the highest reward, that are kept as thumbnails"""
    worst: int = Field(default=1, ge=0)
    """the same for the lowest reward"""
    disputed: int = Field(default=1, ge=0)
    """the same for those that the train judges rank most differently among their group"""
    sample: int = Field(default=1, ge=0)
    """the same for pictures chosen by chance"""
    width: int = Field(default=192, ge=16)
    """pixels: a picture that is not wider is kept as it is (PNG), a wider one is scaled down to it (WebP)"""
    flush_s: float = Field(default=10.0, gt=0)
    """seconds between writes, and so what a killed run may lose"""
    file_rows: int = Field(default=50_000, ge=1)
    """verdicts in one file at most"""
