# pyright: strict
"""How a run says that it cannot go on."""


class RunStopped(RuntimeError):  # noqa: N818 (the name of the event)
    """The run ended before its last update; what it has made is kept, and the message says why."""


class AlarmRang(RunStopped):
    """The alarm ended the run, as `alarm.on_alarm` says it should."""
