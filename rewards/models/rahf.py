"""RAHF, the rich-feedback model (arXiv 2312.10240, section 4): scores, heatmaps and misaligned words of a picture."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import torch
from torch import nn
from torch.nn import functional as F
from transformers import (
    AutoConfig,
    PretrainedConfig,
    PreTrainedModel,
    T5Config,
    T5ForConditionalGeneration,
    ViTConfig,
    ViTModel,
)
from transformers.modeling_outputs import BaseModelOutput
from transformers.utils import ModelOutput

from rewards.models.rahf_heads import HeatmapHead, ScoreHead

HEATMAPS: tuple[str, ...] = ("implausibility", "misalignment")
SCORES: tuple[str, ...] = ("plausibility", "alignment", "aesthetics", "overall")
WORDS = "words"
TASKS = (*(f"{name} heatmap" for name in HEATMAPS), *(f"{name} score" for name in SCORES), WORDS)
"""What the augmented variant is asked for: each is put before the prompt as "TASK: "."""

T5_BASE = {"d_model": 768, "d_kv": 64, "d_ff": 2048, "num_layers": 12, "num_heads": 12}
Reading = Callable[[str], tuple[torch.Tensor, torch.Tensor]]


class RahfConfig(PretrainedConfig):
    """The two transformers (the paper's by default: ViT-B/16, T5-base), and the widths of the heads.

    `heads` is `seven` (one for each output) or `augmented` (one for maps, one for scores, one for words, with the task
    named in the prompt). `task_ids` has the tokens of each task's prefix, for `augmented`; see `task_prefixes`.
    """

    model_type = "salon_rahf"

    def __init__(
        self,
        heads: Literal["seven", "augmented"] = "seven",
        vision: Mapping[str, Any] | None = None,
        text: Mapping[str, Any] | None = None,
        task_ids: Mapping[str, Sequence[int]] | None = None,
        heatmap_convs: Sequence[int] = (384, 384),
        heatmap_deconvs: Sequence[int] = (384, 192, 96, 48),
        score_convs: Sequence[int] = (384, 192, 96, 48),
        score_dense: Sequence[int] = (2048, 1024),
        loss_weights: Sequence[float] = (1.0, 1.0, 1.0),
        max_tokens: int = 64,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.heads, self.max_tokens = heads, max_tokens
        self.vision = dict(vision or {})
        self.text = {"feed_forward_proj": "gated-gelu", "decoder_start_token_id": 0, **(text or T5_BASE)}
        self.task_ids = {task: list(ids) for task, ids in (task_ids or {}).items()}
        self.heatmap_convs, self.heatmap_deconvs = list(heatmap_convs), list(heatmap_deconvs)
        self.score_convs, self.score_dense = list(score_convs), list(score_dense)
        self.loss_weights = list(loss_weights)


AutoConfig.register(RahfConfig.model_type, RahfConfig)


def task_prefixes(tokenizer: Any) -> dict[str, list[int]]:
    """`RahfConfig.task_ids` for a tokenizer."""
    return {task: tokenizer(f"{task}: ", add_special_tokens=False)["input_ids"] for task in TASKS}


@dataclass
class RahfOutput(ModelOutput):
    """Losses are there where labels were given, logits `[n, t, vocabulary]` where words were."""

    loss: torch.Tensor | None = None
    heatmap_loss: torch.Tensor | None = None
    score_loss: torch.Tensor | None = None
    word_loss: torch.Tensor | None = None
    heatmaps: torch.Tensor | None = None
    scores: torch.Tensor | None = None
    logits: torch.Tensor | None = None


class RahfModel(PreTrainedModel):
    """ViT tokens and prompt tokens, concatenated, go through a T5 encoder; its image tokens carry the maps and scores,
    and a T5 decoder writes the prompt again with its misaligned words marked `_0`."""

    config_class = RahfConfig
    base_model_prefix = "rahf"

    def __init__(self, config: RahfConfig) -> None:
        super().__init__(config)
        prefixes = {tuple(config.task_ids.get(task, ())) for task in TASKS}
        if config.heads == "augmented" and (len(prefixes) < len(TASKS) or () in prefixes):
            raise ValueError(
                "heads: augmented needs task_ids for every task, no two alike; task_prefixes(tokenizer) makes them"
            )
        self.vit = ViTModel(ViTConfig(**config.vision), add_pooling_layer=False)
        self.t5 = T5ForConditionalGeneration(T5Config(**config.text))
        vision, width = self.vit.config, self.t5.config.d_model
        self.join = nn.Linear(vision.hidden_size, width)
        self.grid = vision.image_size // vision.patch_size  # pyright: ignore[reportOperatorIssue]
        many = config.heads == "seven"
        self.heatmap_heads = nn.ModuleList(
            HeatmapHead(width, config.heatmap_convs, config.heatmap_deconvs) for _ in (HEATMAPS if many else "1")
        )
        self.score_heads = nn.ModuleList(
            ScoreHead(width, self.grid**2, config.score_convs, config.score_dense) for _ in (SCORES if many else "1")
        )
        self.post_init()
        # It starts every layer at a spread of 0.02, at which a row of narrow ones passes next to nothing back.
        for head in (*self.heatmap_heads, *self.score_heads):
            head.start()  # pyright: ignore[reportCallIssue]

    def forward(
        self,
        pixel_values: torch.Tensor,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        heatmaps: torch.Tensor | None = None,
        scores: torch.Tensor | None = None,
        words: torch.Tensor | None = None,
    ) -> RahfOutput:
        """Maps `[n, 2, H, W]` (HEATMAPS) and scores `[n, 4]` (SCORES), all in 0..1, and the losses against labels.

        Pictures `[n, 3, h, w]` in -1..1, prompts as tokens `[n, t]` without a task; labels: maps and scores as above,
        words as tokens `[n, u]` of `label_prompt`, -100 where padded. Losses: mean squared errors of pixels and of
        scores, teacher-forced cross-entropy; `loss` is their sum, weighted by the config (the paper leaves that blank).
        """
        read = self._reading(pixel_values, input_ids, attention_mask)
        maps, values = self._heatmaps(read), self._scores(read)
        out = RahfOutput(heatmaps=maps, scores=values)
        parts: list[torch.Tensor] = []
        map_weight, score_weight, word_weight = self.config.loss_weights
        if heatmaps is not None:
            out.heatmap_loss = F.mse_loss(maps, heatmaps)
            parts.append(map_weight * out.heatmap_loss)
        if scores is not None:
            out.score_loss = F.mse_loss(values, scores)
            parts.append(score_weight * out.score_loss)
        if words is not None:
            fused, mask = read(WORDS)
            written = self.t5(encoder_outputs=BaseModelOutput(fused), attention_mask=mask, labels=words)
            out.logits, out.word_loss = written.logits, written.loss
            parts.append(word_weight * written.loss)
        if parts:
            out.loss = torch.stack(parts).sum()
        return out

    @torch.no_grad()
    def predict(
        self, pixel_values: torch.Tensor, input_ids: torch.Tensor, attention_mask: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Maps and scores as in `forward`, and the tokens `[n, u]` that the decoder writes, at most max_tokens."""
        read = self._reading(pixel_values, input_ids, attention_mask)
        fused, mask = read(WORDS)
        tokens = self.t5.generate(  # pyright: ignore[reportAttributeAccessIssue]
            encoder_outputs=BaseModelOutput(fused),
            attention_mask=mask,
            max_new_tokens=self.config.max_tokens,
            do_sample=False,
            num_beams=1,
        )
        return self._heatmaps(read), self._scores(read), tokens

    def _reading(self, pixels: torch.Tensor, ids: torch.Tensor, mask: torch.Tensor | None) -> Reading:
        """From a task to the encoder's states for it, and their mask; all tasks are one to `seven`."""
        image = self.join(self.vit(pixel_values=pixels).last_hidden_state[:, 1:])
        real = torch.ones_like(ids) if mask is None else mask

        @cache
        def states(prefix: tuple[int, ...]) -> tuple[torch.Tensor, torch.Tensor]:
            task = torch.tensor(prefix, dtype=ids.dtype, device=ids.device).expand(len(ids), -1)
            whole = torch.cat([image, self.t5.shared(torch.cat([task, ids], 1))], 1)
            seen = torch.cat([real.new_ones(len(ids), image.shape[1] + len(prefix)), real], 1)
            return self.t5.encoder(inputs_embeds=whole, attention_mask=seen).last_hidden_state, seen

        return lambda task: states(tuple(self.config.task_ids[task]) if self.config.heads == "augmented" else ())

    def _grid(self, fused: torch.Tensor) -> torch.Tensor:
        """The image tokens as a grid `[n, width, h, w]`."""
        return fused[:, : self.grid**2].transpose(1, 2).unflatten(2, (self.grid, self.grid))

    def _heatmaps(self, read: Reading) -> torch.Tensor:
        heads = self.heatmap_heads
        pairs = [(heads[i % len(heads)], read(f"{name} heatmap")[0]) for i, name in enumerate(HEATMAPS)]
        return torch.stack([head(self._grid(fused)) for head, fused in pairs], 1)

    def _scores(self, read: Reading) -> torch.Tensor:
        heads = self.score_heads
        pairs = [(heads[i % len(heads)], read(f"{name} score")[0]) for i, name in enumerate(SCORES)]
        return torch.stack([head(self._grid(fused)) for head, fused in pairs], 1)
