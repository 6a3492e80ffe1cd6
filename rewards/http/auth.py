# pyright: strict
"""Authentication of the HTTP API: a bearer token, known only by its hash."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress

TOKEN = "SALON_TOKEN"
"""environment variable that holds the token"""


class TokenGuard:
    """Admits requests that carry the token; all of them, if there is none.

    Holds the token's SHA-256 only, so that it is in no process argument, log or repr, and compares in constant time.
    """

    def __init__(self, digest: bytes | None) -> None:
        self._digest = digest

    @classmethod
    def knowing(cls, token: str | None) -> TokenGuard:
        """The guard for `token`; none, or an empty one, leaves the API open. Raises ValueError for one that no header
        of HTTP carries as it is."""
        if token and not all(character.isprintable() and not character.isspace() for character in token):
            raise ValueError(
                f"{TOKEN}: has a space, a line end or another character that an HTTP header does not carry; set the "
                "token alone"
            )
        return cls(hashlib.sha256(token.encode()).digest() if token else None)

    @property
    def open(self) -> bool:
        """Whether there is no token, so that everybody is admitted."""
        return self._digest is None

    def admits(self, token: str | None) -> bool:
        """Whether `token`, as an HTTP header carries it (bytes read as Latin-1), is the right one."""
        if self._digest is None:
            return True
        digest = hashlib.sha256((token or "").encode("latin-1", "replace")).digest()
        return hmac.compare_digest(digest, self._digest)


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach `host`."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
