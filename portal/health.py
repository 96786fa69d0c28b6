"""Is it well? `/livez` says the process answers, `/readyz` names what is missing, `/metrics` is for Prometheus."""

from __future__ import annotations

from typing import Any

import redis
from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Gauge, generate_latest

from moderation.insight.gauges import gauges
from portal import clock
from portal.audit.standing import standing
from portal.metrics import REGISTRY
from portal.people.permissions import open_to_all

_migrated: set[str] = set()


@open_to_all
def livez(request: HttpRequest) -> HttpResponse:
    """200 while the process can answer at all."""
    return HttpResponse("ok\n", content_type="text/plain")


@open_to_all
def readyz(request: HttpRequest) -> HttpResponse:
    """200 when it can do its work, else 503 with what is missing.

    How the log stands is told beside it and changes no status: work goes on while it waits to be sealed or signed.
    """
    missing = [*_database(), *_broker()]
    told = {"ready": not missing, "missing": missing, "log": _log()}
    return JsonResponse(told, status=503 if missing else 200)


@open_to_all
def metrics(request: HttpRequest) -> HttpResponse:
    """Counters of this process and gauges of the whole, in Prometheus' text format; no personal data in a label."""
    return HttpResponse(generate_latest(REGISTRY) + gauges() + _log_gauges(), content_type=CONTENT_TYPE_LATEST)


def _database() -> list[str]:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        if "yes" not in _migrated:
            executor = MigrationExecutor(connection)
            if executor.migration_plan(executor.loader.graph.leaf_nodes()):
                return ["migrations: run `manage.py migrate --database owner`"]
            _migrated.add("yes")
    except DatabaseError as error:
        return [f"database: {type(error).__name__}"]
    return []


def _log() -> dict[str, Any]:
    try:
        return standing().told(clock.now())
    except DatabaseError as error:
        return {"state": "unknown", "failing": [f"database: {type(error).__name__}"]}


def _log_gauges() -> bytes:
    registry, now = CollectorRegistry(), standing()
    for name, says, value in (
        ("failing", "1 while something is wrong with the log; /readyz says what.", bool(now.failing)),
        ("leaves", "Events that have their place in the tree.", now.size),
        ("signed_leaves", "Leaves under the newest checkpoint.", now.signed),
        ("waiting", "Events that wait for their place, exact up to 10,000.", now.waiting),
        ("oldest_waiting_seconds", "How long the oldest of them waits.", now.oldest_waiting),
        ("unsigned_seconds", "How long the first leaf after the newest checkpoint waits.", now.unsigned),
        ("alarms", "Things that must not happen to a log and did.", now.alarms),
    ):
        Gauge(f"reeve_log_{name}", says, registry=registry).set(value)
    return generate_latest(registry)


def _broker() -> list[str]:
    try:
        with redis.Redis.from_url(settings.REDIS_URL, socket_timeout=1, socket_connect_timeout=1) as client:
            client.ping()
    except redis.RedisError as error:
        return [f"redis: {type(error).__name__} (actions go on without it, more slowly)"]
    return []
