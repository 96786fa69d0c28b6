"""How fast can a Celery task be at all? One that writes down when it ran; the yardstick beside `effect.py`."""

from __future__ import annotations

import os
import time
from typing import Any

import redis
from celery import shared_task

from portal.celery import app

app.conf.task_queues = {"yardstick": {"exchange": "yardstick", "routing_key": "yardstick"}}
app.conf.imports = []
RAN = "bench:ran"


@shared_task(queue="yardstick")
def nothing(*, number: int, **_later: Any) -> None:
    """Say when it ran, and nothing else."""
    redis.Redis.from_url(os.environ["REDIS_URL"]).rpush(f"{RAN}:{number}", str(time.time()))
