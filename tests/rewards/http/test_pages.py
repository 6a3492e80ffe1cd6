"""The pages at /docs and /redoc, in a network that leads nowhere."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from rewards.config import RewardsConfig
from rewards.http.api import build_app
from rewards.http.auth import TokenGuard
from rewards.http.server import bind, listening
from rewards.registry import build_judge
from rewards.serving.local_jury import LocalJury
from rewards.settings.http import HttpConfig

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    config = RewardsConfig.model_validate({"judges": {"size": {"kind": "jpeg"}}})
    jury = LocalJury(config, {"size": build_judge("size", config.judges["size"])})
    with bind(HttpConfig.model_construct(host="127.0.0.1", port=0)) as sock:
        limits = HttpConfig(port=sock.getsockname()[1])
        with listening(build_app(jury, limits, TokenGuard.knowing("sesame")), sock, limits) as url:
            yield url


@pytest.mark.parametrize("page", ["/docs", "/redoc"])
def test_everything_that_a_page_names_is_served_by_the_server_itself(url: str, page: str):
    text = requests.get(url + page, timeout=5).text
    named = re.findall(r"""(?:src|href|url|spec-url)\s*[=:]\s*["']([^"']+)["']""", text)
    assert len(named) >= 3, "a script, a style or an icon, and the description"
    for asset in named:
        assert asset.startswith("/"), asset
        answer = requests.get(url + asset, timeout=5)
        assert (answer.status_code, len(answer.content) > 100) == (200, True), asset
    for style in (asset for asset in named if asset.endswith(".css")):
        assert "url(http" not in requests.get(url + style, timeout=5).text
    assert "https://" not in re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL)


@pytest.mark.parametrize("page", ["/docs", "/redoc"])
def test_a_browser_without_internet_shows_the_api(url: str, page: str, tmp_path: Path):
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        pytest.skip(f"there is no browser on this machine (looked for {', '.join(BROWSERS)})")
    shown = subprocess.run(
        [
            browser,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            f"--user-data-dir={tmp_path}",
            "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
            "--virtual-time-budget=20000",
            "--dump-dom",
            url + page,
        ],
        capture_output=True,
        text=True,
        timeout=120,
    ).stdout
    text = re.sub(r"<[^>]*>", "", re.sub(r"<(script|style).*?</\1>", "", shown, flags=re.DOTALL))
    for wanted in ("Salon's jury", "/v1/verdicts", "/v1/judges", "/healthz"):
        assert wanted in text, wanted
