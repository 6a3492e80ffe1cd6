"""A `salon serve` for the tests of this folder, as a user starts it, and how to ask it."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from pathlib import Path

import requests

ROOT = Path(__file__).resolve().parents[2]
TOKEN = "sesame-3f1c"
DEADLINE_S = 3
JURY = f"""\
rewards:
  http: {{max_bytes: 200000, max_pixels: 100000, header_timeout_s: {DEADLINE_S}, body_timeout_s: {DEADLINE_S}}}
  judges:
    size: {{kind: jpeg, serve: {{num_cpus: 0.1}}}}
    quality: {{kind: jpeg, quality: 50, role: audit, serve: {{num_cpus: 0.1}}}}
cluster: {{object_store_mb: 100, num_cpus: 2}}
"""


class Server:
    """A running `salon serve` and how to ask it."""

    def __init__(self, folder: Path, port: int) -> None:
        config = folder / "jury.yaml"
        config.write_text(JURY)
        self.url, self.folder = f"http://127.0.0.1:{port}", folder
        self.said: list[str] = []
        command = [sys.executable, "-c", "from cluster.cli.main import main; main()", "serve", str(config)]
        self.process = subprocess.Popen(
            [*command, "--port", str(port)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env=os.environ | {"SALON_TOKEN": TOKEN, "RAY_TMPDIR": str(folder), "PYTHONUNBUFFERED": "1"},
        )

    def wait_until_up(self) -> None:
        assert self.process.stdout is not None
        self.said = list(itertools.islice(self.process.stdout, 2))
        assert len(self.said) == 2, self.process.communicate()[1]

    def ask(self, method: str, path: str, token: str | None = TOKEN, **options: object) -> requests.Response:
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        return requests.request(method, self.url + path, headers=headers, timeout=60, **options)
