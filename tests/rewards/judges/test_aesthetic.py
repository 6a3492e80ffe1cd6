"""The aesthetic predictor: its formula, the conversion of the public file, and the judge on a small CLIP."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from rewards.judges.aesthetic import AestheticConfig, AestheticJudge
from rewards.models.aesthetic_model import AestheticModel, AestheticModelConfig, app, convert_aesthetic
from rewards.models.clip_encoder import ClipEncoder


@pytest.fixture(scope="module")
def aesthetic(predictor_dir: Path, clip_dir: Path) -> AestheticJudge:
    return AestheticJudge("looks", AestheticConfig(model=str(predictor_dir), encoder=str(clip_dir)))


def public_file(folder: Path) -> tuple[Path, dict[str, torch.Tensor]]:
    """A file laid out as the public one, with weights of ours."""
    torch.manual_seed(1)
    widths = (768, 1024, 128, 64, 16, 1)
    weights: dict[str, torch.Tensor] = {}
    for layer, a, b in zip((0, 2, 4, 6, 7), widths, widths[1:], strict=False):
        weights[f"layers.{layer}.weight"] = torch.randn(b, a) / a**0.5
        weights[f"layers.{layer}.bias"] = torch.randn(b)
    torch.save(weights, folder / "public.pth")
    return folder / "public.pth", weights


def test_the_public_file_becomes_a_folder_that_gives_its_scores(tmp_path: Path):
    file, weights = public_file(tmp_path)
    convert_aesthetic(file, tmp_path / "folder")
    assert {path.name for path in (tmp_path / "folder").iterdir()} == {"config.json", "model.safetensors"}
    model = AestheticModel.from_pretrained(tmp_path / "folder").eval()
    expected = embeddings = torch.nn.functional.normalize(torch.randn(5, 768), dim=-1)
    for layer in (0, 2, 4, 6, 7):
        expected = expected @ weights[f"layers.{layer}.weight"].T + weights[f"layers.{layer}.bias"]
    with torch.no_grad():
        torch.testing.assert_close(model(embeddings), expected[:, 0])


def test_a_file_with_other_layers_is_refused(tmp_path: Path):
    torch.save({"layers.0.weight": torch.zeros(2, 2)}, tmp_path / "other.pth")
    with pytest.raises(ValueError, match=r"other.pth: not an aesthetic predictor; its keys must be layers.0.bias"):
        convert_aesthetic(tmp_path / "other.pth", tmp_path / "folder")


def test_a_file_that_would_run_code_is_refused_in_one_line(tmp_path: Path):
    torch.save({"layers.0.weight": Path("anything but a tensor")}, tmp_path / "code.pth")
    result = CliRunner().invoke(app, [str(tmp_path / "code.pth"), str(tmp_path / "folder")])
    assert result.exit_code == 2
    assert result.output.startswith(f"{tmp_path}/code.pth: not a file of weights alone")
    assert len(result.output.splitlines()) == 1
    assert not (tmp_path / "folder").exists()


def test_the_length_of_an_embedding_does_not_matter(predictor_dir: Path):
    # CLIP's raw embeddings are about ten long; fed unscaled, they would give another number.
    model = AestheticModel.from_pretrained(predictor_dir).eval()
    unit = torch.nn.functional.normalize(torch.randn(4, 24), dim=-1)
    with torch.no_grad():
        torch.testing.assert_close(model(10 * unit), model(unit))
        assert not torch.allclose(model.layers(10 * unit)[:, 0], model(unit), atol=1e-3)


def test_the_value_is_the_prediction_on_clips_unit_embedding(
    aesthetic: AestheticJudge, predictor_dir: Path, clip_dir: Path, noise: np.ndarray
):
    embeddings = ClipEncoder(str(clip_dir)).pictures(noise[:2])
    torch.testing.assert_close(embeddings.norm(dim=-1), torch.ones(2))
    with torch.no_grad():
        expected = AestheticModel.from_pretrained(predictor_dir).layers(embeddings)[:, 0].tolist()
    verdicts = aesthetic.judge(noise[:2], ["", "a cat"])
    assert [v.value for v in verdicts] == pytest.approx(expected, abs=1e-6)
    assert verdicts[0].features is not None
    np.testing.assert_array_equal(verdicts[0].features, embeddings[0].numpy())


def test_a_clip_of_another_width_is_refused(clip_dir: Path, tmp_path: Path):
    AestheticModel(AestheticModelConfig((768, 1))).save_pretrained(tmp_path)
    with pytest.raises(
        ValueError, match=r"rewards.judges.looks.encoder: .* has embeddings of 24 numbers, .* reads 768"
    ):
        AestheticJudge("looks", AestheticConfig(model=str(tmp_path), encoder=str(clip_dir)))
