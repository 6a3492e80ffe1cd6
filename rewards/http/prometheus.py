# pyright: strict
"""Metrics of the judges for Prometheus."""

from __future__ import annotations

from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from rewards.serving.scoring import Judged

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


class JudgeMetrics:
    """Counters and latencies by judge. Every judge is there from the start, at zero."""

    def __init__(self, judges: Sequence[str]) -> None:
        self._registry = CollectorRegistry()
        by, registry = ["judge"], self._registry
        self._calls = Counter("salon_judge_calls", "Requests that the judge was asked in.", by, registry=registry)
        self._failures = Counter(
            "salon_judge_failures", "Requests in which it failed for some picture.", by, registry=registry
        )
        self._pictures = Counter("salon_judge_pictures", "Pictures that it was asked about.", by, registry=registry)
        self._seconds = Histogram(
            "salon_judge_latency_seconds",
            "Seconds of the model call that judged a picture, once a picture; without failures and what is remembered.",
            by,
            buckets=SECONDS,
            registry=registry,
        )
        for name in judges:
            for metric in (self._calls, self._failures, self._pictures, self._seconds):
                metric.labels(name)

    def count(self, judged: Sequence[Judged]) -> None:
        """One request's pictures."""
        for name in judged[0].verdicts:
            verdicts = [picture.verdicts[name] for picture in judged if picture.verdicts[name].asked]
            if not verdicts:
                continue
            self._calls.labels(name).inc()
            self._pictures.labels(name).inc(len(verdicts))
            if any(verdict.status == "error" for verdict in verdicts):
                self._failures.labels(name).inc()
            for verdict in verdicts:
                if verdict.status != "error" and not verdict.remembered:
                    self._seconds.labels(name).observe(verdict.latency)

    def exposition(self) -> bytes:
        """The text format of Prometheus, version 0.0.4."""
        return generate_latest(self._registry)
