# pyright: strict
"""Traces of one call: which call, what is in them, and that nothing stays behind."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import torch

from actors.config import LoraConfig
from actors.profiling import traced


class Part:
    """A part of an owner, of one of our packages as far as a trace can tell."""

    __module__ = "actors.part"

    def double(self, x: torch.Tensor) -> torch.Tensor:
        return x @ torch.eye(len(x)) * 2


class Owner:
    __module__ = "learners.owner"

    def __init__(self) -> None:
        self.part = Part()
        self.settings = LoraConfig()

    def work(self, size: int) -> float:
        return float(self.part.double(torch.ones(size, size)).sum())


def test_the_call_after_the_warm_up_is_traced_and_its_methods_are_named(tmp_path: Path) -> None:
    owner = Owner()
    work = traced(owner.work, tmp_path / "profile", "one", owner, warm_up=2)
    assert [work(3), work(3)] == [18, 18]
    assert not (tmp_path / "profile").exists()
    assert work(4) == 32
    trace = json.loads(gzip.decompress((tmp_path / "profile" / "one.json.gz").read_bytes()))
    names = [event.get("name") for event in trace["traceEvents"]]
    assert names.count("Part.double") >= 1
    assert any(name == "aten::mm" for name in names)
    table = (tmp_path / "profile" / "one.txt").read_text()
    assert "1 calls  Part.double" in table
    assert "aten::mm" in table


def test_after_the_trace_everything_is_as_it_was(tmp_path: Path) -> None:
    owner = Owner()
    work = traced(owner.work, tmp_path, "one", owner, warm_up=0)
    work(2)
    written = {file: file.stat().st_mtime_ns for file in tmp_path.iterdir()}
    assert work(5) == 50
    assert vars(owner.part) == {}
    assert {file: file.stat().st_mtime_ns for file in tmp_path.iterdir()} == written
