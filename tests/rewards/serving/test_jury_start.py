"""What is said of judges that do not come up in time, without a Serve."""

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
