"""What can be counted?

The counters and timers that every room may use; `/metrics` shows them beside gauges read on demand.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Histogram

REGISTRY = CollectorRegistry()

SIGNALS = Counter("reeve_signals_total", "Signals by what became of them.", ["result"], registry=REGISTRY)
DECISIONS = Counter("reeve_decisions_total", "Decisions by outcome.", ["outcome"], registry=REGISTRY)
ATTEMPTS = Counter(
    "reeve_enforcement_attempts_total",
    "Tries of actions by backend and result.",
    ["backend", "result"],
    registry=REGISTRY,
)
CALL_SECONDS = Histogram("reeve_backend_call_seconds", "Time a backend took to answer.", ["backend"], registry=REGISTRY)
