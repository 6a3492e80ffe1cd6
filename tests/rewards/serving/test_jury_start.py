"""The errors of judges that do not come up, without a Serve."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from ray import serve

from rewards.config import RewardsConfig
from rewards.serving.jury import wait_until_running


def test_judges_that_are_not_up_in_time_are_named_with_the_keys_that_help(monkeypatch: pytest.MonkeyPatch):
    app = SimpleNamespace(status="DEPLOYING", deployments={"slow": SimpleNamespace(status="UPDATING")})
    monkeypatch.setattr(serve, "status", lambda: SimpleNamespace(applications={"jury": app}))
    monkeypatch.setattr(serve, "delete", lambda name, _blocking: None)
    config = RewardsConfig.model_validate({"judges": {"slow": {"kind": "jpeg"}}, "start_timeout_s": 9})
    with pytest.raises(TimeoutError, match=r"judges slow were not up in 9 s; .* downloaded\? raise rewards.start_time"):
        wait_until_running("jury", 0.0, config)


def test_a_judge_that_cannot_load_is_named_by_the_last_line_of_its_own_error(monkeypatch: pytest.MonkeyPatch):
    broken = SimpleNamespace(status="UNHEALTHY", message="Traceback:\n  File x.py\nValueError: no such weights\n")
    fine = SimpleNamespace(status="HEALTHY", message="")
    app = SimpleNamespace(status="DEPLOY_FAILED", message="", deployments={"fine": fine, "broken": broken})
    monkeypatch.setattr(serve, "status", lambda: SimpleNamespace(applications={"jury": app}))
    taken_away: list[str] = []
    monkeypatch.setattr(serve, "delete", lambda name, _blocking: taken_away.append(name))
    config = RewardsConfig.model_validate({"judges": {"fine": {"kind": "jpeg"}, "broken": {"kind": "jpeg"}}})
    with pytest.raises(ValueError, match=r"^the jury cannot start: ValueError: no such weights$"):
        wait_until_running("jury", 0.0, config)
    assert taken_away == ["jury"]
