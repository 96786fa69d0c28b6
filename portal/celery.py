"""Who rings the bells? The Celery app, the rooms that have tasks, and the timetable.

PostgreSQL decides what is to be done; a message only says "now". So a message may be lost or doubled, nothing waits in
the broker for a time (no eta, countdown or autoretry), and beat may be late.
"""

from __future__ import annotations

import os
from importlib.util import find_spec
from typing import Any

from celery import Celery, Task

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")

ROOMS = (
    "risk.intake.tasks",
    "risk.scoring.tasks",
    "moderation.bulk.tasks",
    "moderation.cases.tasks",
    "moderation.decisions.tasks",
    "moderation.enforcement.tasks",
    "moderation.insight.tasks",
    "portal.audit.tasks",
    "portal.privacy.tasks",
)
QUEUES = ("intake", "scoring", "cases", "decisions", "enforcement", "insight", "audit")
VISIBILITY = {"visibility_timeout": 300}  # the shortest of any app on a broker wins, so all say the same

TIMETABLE: dict[str, dict[str, Any]] = {
    "run-bulks": {"task": "moderation.bulk.tasks.run_under_way", "schedule": 5.0, "options": {"expires": 5}},
    "take-new": {"task": "moderation.cases.tasks.take_new", "schedule": 15.0, "options": {"expires": 15}},
    "pull-reports": {"task": "risk.intake.tasks.pull", "schedule": 60.0, "options": {"expires": 60}},
    "return-expired": {"task": "moderation.cases.tasks.return_expired", "schedule": 10.0, "options": {"expires": 10}},
    "release-due": {"task": "moderation.decisions.tasks.release_due", "schedule": 10.0, "options": {"expires": 10}},
    "meet-deadlines": {
        "task": "moderation.decisions.tasks.meet_deadlines",
        "schedule": 60.0,
        "options": {"expires": 60},
    },
    "sweep-actions": {"task": "moderation.enforcement.tasks.sweep", "schedule": 15.0, "options": {"expires": 15}},
    "sweep-insight": {"task": "moderation.insight.tasks.sweep", "schedule": 5.0, "options": {"expires": 5}},
    "count-hours": {"task": "moderation.insight.tasks.count_hours", "schedule": 60.0, "options": {"expires": 60}},
    "recount-hours": {"task": "moderation.insight.tasks.recount_hours", "schedule": 600.0, "options": {"expires": 600}},
    "apply-retention": {
        "task": "portal.privacy.tasks.apply_retention",
        "schedule": 3600.0,
        "options": {"expires": 3600},
    },
}


class OutOfMemory(RuntimeError):
    """A task asked for more memory than there is."""


class Bell(Task):  # type: ignore[misc]
    """A task that fails alone: Celery ends the whole worker, and all that its pool was at, over one `MemoryError`."""

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        """What the task does."""
        try:
            return super().__call__(*arguments, **named)
        except MemoryError as no:
            raise OutOfMemory(str(no)) from None


app = Celery("portal", task_cls=Bell)
app.config_from_object("django.conf:settings", namespace="CELERY")  # broker_url; read when first needed
app.conf.update(
    accept_content=["json"],
    beat_schedule=TIMETABLE,
    beat_scheduler="celery.beat:Scheduler",  # remembers nothing: a bell rung twice is rung once
    broker_connection_retry_on_startup=True,
    broker_transport_options={**VISIBILITY, "socket_connect_timeout": 2, "socket_timeout": None},
    enable_utc=True,
    event_serializer="json",
    imports=[room for room in ROOMS if find_spec(room)],
    result_backend_transport_options=VISIBILITY,
    result_serializer="json",
    task_acks_late=True,
    task_default_queue=QUEUES[0],
    task_ignore_result=True,
    task_publish_retry=False,  # who rings and is not heard rings again at the next sweep
    task_queues={name: {"exchange": name, "routing_key": name} for name in QUEUES},
    task_reject_on_worker_lost=False,  # our lease is the recovery
    task_serializer="json",
    task_time_limit=45,
    timezone="UTC",
    visibility_timeout=VISIBILITY["visibility_timeout"],
    worker_cancel_long_running_tasks_on_connection_loss=False,
    worker_hijack_root_logger=False,
    worker_prefetch_multiplier=1,
)
