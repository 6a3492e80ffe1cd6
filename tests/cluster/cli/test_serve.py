"""`salon serve` as a user types it, as far as it is refused; no Ray is started here."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import pytest
from commands import JURY, Salon, refused

from cluster.config.experiment import load_config
from cluster.config.jury import load_jury

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "jury.yaml"
    file.write_text(JURY)
    return file


def test_a_jury_is_read_from_an_experiment_or_alone(config: Path) -> None:
    experiment = ROOT / "configs" / "menagerie.yaml"
    assert load_jury(experiment).rewards == load_config(experiment).rewards
    assert "vqa" in load_jury(ROOT / "configs" / "jury.yaml").rewards.judges
    alone = load_jury(config, ["rewards.http.port=9000"])
    assert list(alone.rewards.judges) == ["size", "quality"]
    assert alone.rewards.http.port == 9000


@pytest.mark.parametrize(
    ("yaml", "options", "said"),
    [
        (JURY, ["--host", "0.0.0.0"], "rewards.http.host: '0.0.0.0' can be reached from other machines"),
        (JURY, ["--port", "0"], "--set rewards.http.port: "),
        (JURY.replace("jpeg}", "jpg}"), [], "rewards.judges.size: no judge is of kind 'jpg'"),
        (JURY + "clutser: {num_cpus: 1}\n", [], "clutser: unknown key; did you mean cluster?"),
        ("judges: {}\n", [], "rewards: is missing; it is a section with judges"),
        ("rewards: {judges: {a: {kind: 'no_such_module:f'}}}\n", [], "rewards.judges.a.kind: there is no module"),
        (JURY.replace("jpeg}", "jpeg, serve: {num_cpus: 64}}"), [], "cluster.num_cpus: the parts ask for 64"),
        ("rewards: {judges: {a: {kind: clip, model: ./nowhere}}}\n", [], "rewards.judges.a.model: there is no folder"),
    ],
)
def test_a_jury_that_cannot_be_served_is_refused_before_anything_starts(
    salon: Salon, config: Path, monkeypatch: pytest.MonkeyPatch, yaml: str, options: list[str], said: str
) -> None:
    monkeypatch.delenv("SALON_TOKEN", raising=False)
    config.write_text(yaml)
    code, out, err = salon("serve", config, *options)
    assert (code, out) == (2, "")
    assert said in err
    assert "ray" not in sys.modules or not sys.modules["ray"].is_initialized()


def test_a_port_that_is_taken_is_said_before_anything_starts(salon: Salon, config: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = refused(salon("serve", config, "--port", port))
    assert f"rewards.http: cannot listen on 127.0.0.1 port {port} (Address already in use)" in said
