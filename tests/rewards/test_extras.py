"""Messages about a package that is missing or broken."""

from __future__ import annotations

from pathlib import Path

import pytest

from rewards.extras import import_extra, missing


@pytest.mark.parametrize("module", ["nopackage", "nopackage.sub", "nopackage.sub.deep"])
def test_a_package_that_is_not_there_is_to_be_installed(module: str):
    with pytest.raises(ValueError, match=r"needs the package nopackage; install it with: pip install 'salon\[ocr\]'"):
        import_extra(module, "ocr")


def test_a_package_that_needs_another_is_installed_but_cannot_be_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "half_there.py").write_text("import half\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ValueError, match="half_there is installed but cannot be loaded: No module named 'half'"):
        import_extra("half_there", "ocr")


def test_the_licence_of_a_package_under_the_agpl_is_named():
    assert "AGPL-3.0" in missing("ultralytics", "yoloworld")
    assert "AGPL" not in missing("rapidfuzz", "ocr")
