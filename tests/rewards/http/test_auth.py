"""Who is let in, and which addresses only this machine reaches."""

from __future__ import annotations

import pickle

import pytest

from rewards.http.auth import TokenGuard, is_loopback


def test_the_guard_admits_the_token_as_it_comes_in_a_header_and_nobody_else():
    guard = TokenGuard.knowing("sésame")
    assert guard.admits("sésame".encode().decode("latin-1"))
    for wrong in (None, "", "sesame", "sésame ", "SÉSAME"):
        assert not guard.admits(wrong)
    assert not guard.open


@pytest.mark.parametrize("nothing", [None, ""])
def test_without_a_token_everybody_is_admitted(nothing: str | None):
    guard = TokenGuard.knowing(nothing)
    assert guard.open
    assert guard.admits(None)


def test_the_token_itself_is_not_in_the_guard():
    assert b"sesame" not in pickle.dumps(TokenGuard.knowing("sesame"))


@pytest.mark.parametrize(
    ("host", "ours"),
    [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("192.168.0.7", False), ("", False)],
)
def test_loopback_is_distinguished_from_open_addresses(host: str, ours: bool):
    assert is_loopback(host) is ours
