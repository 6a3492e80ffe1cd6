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
        (JURY, ["--host", "::"], "rewards.http.host: '::' can be reached from other machines"),
        (JURY, ["--host", "nowhere.invalid"], "rewards.http.host: 'nowhere.invalid' is no address of this machine"),
        (JURY, ["--host", "192.0.2.1"], "rewards.http.host: '192.0.2.1' is no address of this machine"),
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


@pytest.mark.parametrize("token", ["open sesame", "sesame\n", "\tsesame", "ses\x1bame"])
def test_a_token_that_no_header_carries_is_refused(
    salon: Salon, config: Path, monkeypatch: pytest.MonkeyPatch, token: str
) -> None:
    monkeypatch.setenv("SALON_TOKEN", token)
    said = refused(salon("serve", config))
    assert "SALON_TOKEN: has a space, a line end or another character" in said
    assert token.strip() not in said


@pytest.mark.parametrize("host", ["127.1", "localhost"])
def test_a_host_is_what_the_system_takes_it_for_and_not_what_yaml_does(
    salon: Salon, config: Path, monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    monkeypatch.delenv("SALON_TOKEN", raising=False)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = refused(salon("serve", config, "--host", host, "--port", port))
    assert f"cannot listen on {host} port {port} (Address already in use)" in said
