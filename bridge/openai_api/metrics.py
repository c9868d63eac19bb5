"""Counters for Prometheus: the engine's own, and how long clients of this door wait."""

import time
from collections.abc import Iterator
from types import TracebackType
from typing import Self

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from bridge.openai_api.refusal import Refusal
from npc_engine.inference.request import EngineStats, FinishReason

_FIRST = (0.025, 0.05, 0.1, 0.15, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_TOTAL = (0.1, 0.25, 0.5, 1, 2, 3, 5, 10, 20, 30, 60, 120)

_COUNTERS = (
    ("steps", "Forward passes of the model."),
    ("prompt_tokens", "Tokens of prompts, computed or found."),
    ("cached_tokens", "Tokens of prompts whose attention state was found."),
    ("generated_tokens", "Tokens sampled."),
    ("parked", "How often a request gave up its place to a more urgent one."),
)
_GAUGES = (
    ("running", "Requests in the batch."),
    ("waiting", "Requests that wait for a place in the batch."),
)


class Metrics:
    """One server's metrics, in a registry of their own."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._engine = _EngineCollector()
        self._registry.register(self._engine)
        self._completions = Counter(
            "npc_engine_http_completions",
            "Completions by how they ended: stop, length, refused, or left by the client or a closing server.",
            ("end",),
            registry=self._registry,
        )
        self._first = Histogram(
            "npc_engine_http_first_token_seconds",
            "From a request's arrival to its first token.",
            buckets=_FIRST,
            registry=self._registry,
        )
        self._total = Histogram(
            "npc_engine_http_completion_seconds",
            "From a request's arrival to the end of its completion.",
            buckets=_TOTAL,
            registry=self._registry,
        )

    def watch(self) -> "Watch":
        """A stopwatch for a request that has just arrived."""
        return Watch(self._completions, self._first, self._total)

    def refused(self) -> None:
        """A completion was refused."""
        self._completions.labels("refused").inc()

    def page(self, stats: EngineStats) -> bytes:
        """All of it in Prometheus' text format."""
        self._engine.stats = stats
        return generate_latest(self._registry)


class Watch:
    """One completion's stopwatch, a context manager around it."""

    def __init__(self, completions: Counter, first: Histogram, total: Histogram) -> None:
        self._completions, self._first, self._total = completions, first, total
        self._arrival = time.perf_counter()
        self._end: FinishReason | None = None

    def first(self) -> None:
        """The first token is there."""
        self._first.observe(time.perf_counter() - self._arrival)

    def ended(self, finish: FinishReason) -> None:
        """It came to its end."""
        self._end = finish

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, Refusal):
            return  # counted where it is answered
        self._completions.labels(self._end or "left").inc()
        if self._end:
            self._total.observe(time.perf_counter() - self._arrival)


class _EngineCollector(Collector):
    """The engine's counters, as of when the page was asked for."""

    def __init__(self) -> None:
        self.stats = EngineStats()

    def collect(self) -> Iterator[Metric]:
        """What Prometheus' client asks for."""
        for name, what in _COUNTERS:
            yield CounterMetricFamily(f"npc_engine_{name}", what, value=getattr(self.stats, name))
        for name, what in _GAUGES:
            yield GaugeMetricFamily(f"npc_engine_{name}", what, value=getattr(self.stats, name))
        used = GaugeMetricFamily("npc_engine_tier_used_bytes", "Attention state kept in a tier.", labels=("tier",))
        budget = GaugeMetricFamily("npc_engine_tier_budget_bytes", "The most there may be.", labels=("tier",))
        for tier, use in self.stats.tiers.items():
            used.add_metric((tier,), use.used)
            budget.add_metric((tier,), use.budget)
        yield used
        yield budget
