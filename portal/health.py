"""Is it well? `/livez` says the process answers, `/readyz` names what is missing, `/metrics` is for Prometheus."""

from __future__ import annotations

import redis
from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from moderation.insight.gauges import gauges
from portal.metrics import REGISTRY
from portal.people.permissions import open_to_all

_migrated: set[str] = set()


@open_to_all
def livez(request: HttpRequest) -> HttpResponse:
    """200 while the process can answer at all."""
    return HttpResponse("ok\n", content_type="text/plain")


@open_to_all
def readyz(request: HttpRequest) -> HttpResponse:
    """200 when it can do its work, else 503 with what is missing."""
    missing = [*_database(), *_broker()]
    return JsonResponse({"ready": not missing, "missing": missing}, status=503 if missing else 200)


@open_to_all
def metrics(request: HttpRequest) -> HttpResponse:
    """Counters of this process and gauges of the whole, in Prometheus' text format; no personal data in a label."""
    return HttpResponse(generate_latest(REGISTRY) + gauges(), content_type=CONTENT_TYPE_LATEST)


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


def _broker() -> list[str]:
    try:
        with redis.Redis.from_url(settings.REDIS_URL, socket_timeout=1, socket_connect_timeout=1) as client:
            client.ping()
    except redis.RedisError as error:
        return [f"redis: {type(error).__name__} (actions go on without it, more slowly)"]
    return []
