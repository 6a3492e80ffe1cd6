"""Settings of the jury's HTTP API: `rewards.http` in the YAML."""

from __future__ import annotations

from pydantic import Field

from rewards.settings.section import Section

MAX_PIXELS = 4_194_304
"""2048 × 2048: what one picture may hold by default"""


class HttpConfig(Section):
    """Where `salon serve` listens and how much one request may bring. Training runs don't use it."""

    host: str = "127.0.0.1"
    """address to listen on; any but this machine's own needs a token in SALON_TOKEN"""
    port: int = Field(default=8000, ge=1, le=65535)
    """port to listen on"""
    header_timeout_s: float = Field(default=10.0, gt=0, le=3600)
    """seconds for the headers of a request; a connection that sends none is closed"""
    body_timeout_s: float = Field(default=30.0, gt=0, le=3600)
    """seconds for the body of a request"""
    max_bytes: int = Field(default=32 * 2**20, ge=1024)
    """bytes of a request's body, all its pictures together; base64 counts as it is sent"""
    max_pixels: int = Field(default=MAX_PIXELS, ge=1, le=64_000_000)
    """width × height of one picture; decoded, a pixel takes three bytes"""
    max_pictures: int = Field(default=16, ge=1)
    """pictures in one request"""
    max_metadata: int = Field(default=100_000, ge=2)
    """characters of a request's metadata, all its pictures together, as JSON"""
