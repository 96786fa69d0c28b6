"""How does the broker fail? It forgets, dies, comes back empty, drops everybody; and loads that show what it does."""

from __future__ import annotations

import contextlib
import shutil
import time
from typing import Any

from tests.faults.stage import Stage, until

from .orders import Orders
from .scene import Run

PLAIN = ("suspend", "limit_reach", "label")  # none overtakes another, so that each has a delay


def flush(stage: Stage, _away: float) -> None:
    """Everything in it is forgotten: bells, and which queues there are."""
    with client(stage) as broker:
        broker.flushall()


def die(stage: Stage, away: float) -> None:
    """SIGKILL; after `away` seconds it is there again with what it had written down."""
    stage.kill("valkey")
    time.sleep(away)
    stage.start("valkey")


def come_back_empty(stage: Stage, away: float) -> None:
    """It is restarted, and its data is gone."""
    assert stage.servers.valkey
    stage.servers.valkey.terminate()
    stage.servers.valkey.wait()
    shutil.rmtree(stage.servers.data_dir / "valkey")
    time.sleep(away)
    stage.start("valkey")


def reset(stage: Stage, _away: float) -> None:
    """Every connection but ours is dropped."""
    with client(stage) as broker:
        broker.client_kill_filter(_type="normal", skipme=True)
        broker.client_kill_filter(_type="pubsub", skipme=True)


BREAKS = {"flush": flush, "kill": die, "empty": come_back_empty, "reset": reset}


@contextlib.contextmanager
def client(stage: Stage) -> Any:
    """A connection of our own."""
    import redis

    with redis.Redis.from_url(stage.servers.redis_url) as broker:
        yield broker


def ready(run: Run, stage: Stage, *, slow_ms: int, decisions: int = 0) -> Orders:
    """Worker and dispatcher run and have done their first work; whoever orders from here on is not waiting for them.

    `decisions` are released beforehand, so that ordering costs little.
    """
    orders = Orders(run, accounts=run.size["accounts"], plan=lambda n: (n % run.size["accounts"], PLAIN[n % 3], {}))
    orders.prepare(decisions)
    stage.faults({"slow_ms": slow_ms})
    for name in ("worker", "dispatcher"):
        stage.start(name)
    until(stage.worker_listens, within=60)
    orders.some(10)
    ended(within=30)
    return orders


def ended(*, within: float) -> bool:
    """Whether all that is open came to its end in time."""
    from moderation.enforcement.models import Enforcement

    return until(lambda: not Enforcement.objects.open().exists(), within=within, every=0.2)
