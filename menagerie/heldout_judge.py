"""The held-out judge: a convolutional network that watches a run and is never part of the reward.

It differs from the judges of the reward in architecture, seed and supervision, so that a policy which exploits their
errors is unlikely to raise its scores as well.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from PIL import Image

from rewards.arrays import Float32Array, ImageArray
from rewards.fingerprint import fingerprint
from rewards.judge import Judge, SubScore, SubScores
from rewards.prompt_metadata import names_of
from rewards.settings.judge import ModelConfig
from rewards.verdict import Verdict

NONSENSE = "unrecognisable"
"""The label of garbage: noise, shuffled tiles, empty scenes. Such a picture is never free of artifacts."""
SIDE = 64


class HeldoutJudgeConfig(ModelConfig):
    """The held-out judge: another architecture, to watch a run."""

    kind: str = "menagerie.heldout_judge:HeldoutJudge"


class HeldoutJudge(Judge):
    """Value: 1 if the picture is free of artifacts, else 0.

    `scores`: `artifact_free`, and `animal`, `colour` and `setting`: 1 if the picture shows all that the prompt's
    metadata names under `animals`, `colours` and `setting`, 0 if not, left out if the metadata has no such key. Text:
    the predicted artifacts. Pictures are resized to `SIDE` by `SIDE` pixels.
    """

    Config = HeldoutJudgeConfig
    sub_scores: ClassVar[SubScores] = {
        "artifact_free": SubScore("free of artifacts", share=True, flawless=True),
        "animal": SubScore("animal recognised", share=True, tolerated_fall=0.03),
        "colour": SubScore("colour recognised", share=True, tolerated_fall=0.03),
        "setting": SubScore("setting recognised", share=True, tolerated_fall=0.03),
    }

    def __init__(self, name: str, config: HeldoutJudgeConfig, device: str = "cpu") -> None:
        # Imported here, so that a report can read the declarations above without loading torch.
        from menagerie.heldout_model import HeldoutModel
        from rewards.pretrained import load_frozen

        self.name, self._device = name, device
        self._model = load_frozen(HeldoutModel, config.model, device)
        self._labels = self._model.config
        self.version = fingerprint(config.model)

    def judge(
        self, images: ImageArray, prompts: Sequence[str], metadata: Sequence[Mapping[str, Any]] | None = None
    ) -> list[Verdict]:
        asked = metadata if metadata is not None else [{}] * len(images)
        # One picture at a time: convolutions over a batch of another size may round differently.
        return [self._verdict(self._see(image), wanted) for image, wanted in zip(images, asked, strict=True)]

    def _see(self, image: ImageArray) -> dict[str, Float32Array]:
        """The model's output for one picture, without the batch dimension."""
        import torch

        with torch.inference_mode():
            pixels = torch.from_numpy(np.ascontiguousarray(_resized(image))).permute(2, 0, 1)[None].to(self._device)
            out = self._model(pixels.float().div(127.5).sub(1))
            return {k: v[0].float().cpu().numpy() for k, v in out.items()}

    def _verdict(self, out: Mapping[str, Float32Array], metadata: Mapping[str, Any]) -> Verdict:
        labels = self._labels
        seen = [n for n, logit in zip([*labels.artifacts, NONSENSE], out["artifacts"], strict=True) if logit > 0]
        scores = {"artifact_free": float(not seen)}
        for key, head, named, names in (
            ("animal", "animals", "animals", labels.animals),
            ("colour", "colours", "colours", labels.colours),
            ("setting", "settings", "setting", labels.settings),
        ):
            if (wanted := names_of(metadata, named)) is not None:
                # As many of the likeliest labels as there are different names in the metadata.
                likely = {names[i] for i in np.argsort(-out[head])[: len(set(wanted))]}
                scores[key] = float(set(wanted) <= likely)
        features = out["features"] / max(float(np.linalg.norm(out["features"])), 1e-9)
        return Verdict(
            self.name,
            "ok",
            value=scores["artifact_free"],
            scores=scores,
            text=", ".join(seen) or "No artifacts",
            features=features.astype(np.float32),
            version=self.version,
        )


def _resized(image: ImageArray) -> ImageArray:
    if image.shape[:2] == (SIDE, SIDE):
        return image
    return np.array(Image.fromarray(image).resize((SIDE, SIDE), Image.Resampling.BOX))
