"""How does the log stand now? How far it is sealed and signed, what waits, and what must not have happened."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import connection

from .models import Alarm

CAP = 10_001  # what waits is counted exactly up to 10,000
ALARM_HOURS = 24  # so long an alarm makes the log fail; it stays in the table for ever

_FIGURES = """
SELECT coalesce(t.size, 0), t.sealed_at, c.size, c.created_at, w.n, coalesce(extract(epoch FROM now() - w.oldest), 0),
       CASE WHEN t.size > coalesce(c.size, 0) THEN extract(epoch FROM now() - coalesce(
         (SELECT e.occurred_at FROM portal_leaf l JOIN portal_auditevent e ON e.id = l.event_id
           WHERE l.index = coalesce(c.size, 0)), t.sealed_at)) ELSE 0 END
  FROM (VALUES (1)) one LEFT JOIN portal_tree t ON true
  LEFT JOIN LATERAL (SELECT size, created_at FROM portal_checkpoint ORDER BY size DESC LIMIT 1) c ON true
 CROSS JOIN LATERAL (SELECT count(*) AS n, min(few.occurred_at) AS oldest FROM (
         SELECT e.occurred_at FROM portal_pending p LEFT JOIN portal_auditevent e ON e.id = p.event_id
          ORDER BY p.event_id LIMIT %s) few) w
"""
_RECENT = """
SELECT kind, about, told, created_at FROM portal_alarm
 WHERE created_at > now() - make_interval(hours => %s) ORDER BY created_at DESC LIMIT 20
"""


@dataclass(frozen=True)
class Standing:
    """Sizes in leaves, waits in seconds; `failing` says in sentences what is wrong, and is empty when all is well."""

    size: int
    sealed_at: datetime | None
    signed: int
    signed_at: datetime | None
    waiting: int  # events without a place, exact up to 10,000
    oldest_waiting: float
    unsigned: float  # how long the first leaf after the newest checkpoint has been there
    alarms: int
    failing: list[str] = field(default_factory=list)

    def told(self, now: datetime) -> dict[str, Any]:
        """As JSON can carry it."""
        return {
            "state": "failing" if self.failing else "well",
            "failing": self.failing,
            "size": self.size,
            "signed": self.signed,
            "waiting": self.waiting,
            "oldest_waiting_seconds": round(self.oldest_waiting, 1),
            "unsigned_seconds": round(self.unsigned, 1),
            "last_seal_seconds": _age(self.sealed_at, now),
            "last_checkpoint_seconds": _age(self.signed_at, now),
            "alarms": self.alarms,
        }


def standing() -> Standing:
    """Three short queries, whatever the size of the log. Late is what waits longer than `AUDIT_LATE_SECONDS`."""
    with connection.cursor() as cursor:
        cursor.execute(_FIGURES, [CAP])
        size, sealed_at, signed, signed_at, waiting, oldest, unsigned = cursor.fetchone()
        cursor.execute(_RECENT, [ALARM_HOURS])
        recent = cursor.fetchall()
        cursor.execute("SELECT count(*) FROM (SELECT 1 FROM portal_alarm LIMIT %s) few", [CAP])
        alarms = cursor.fetchone()[0]
    late, failing = settings.AUDIT_LATE_SECONDS, []
    if oldest > late:
        failing.append(f"{waiting} events wait to be sealed, one for {oldest:.0f} s: is the sequencer away?")
    refused = next((row for row in recent if row[0] == Alarm.Kind.REFUSED), None)
    if refused and (signed_at is None or refused[3] > signed_at):
        failing.append(f"the signer refused at {refused[3]:%Y-%m-%d %H:%M:%S} UTC: {refused[2]}")
    elif unsigned > late:
        failing.append(f"leaves from {signed or 0} on wait to be signed for {unsigned:.0f} s: is the signer away?")
    failing += [row[2] for row in recent if row[0] != Alarm.Kind.REFUSED]
    figures = (size, sealed_at, signed or 0, signed_at, waiting, float(oldest), float(unsigned), alarms)
    return Standing(*figures, failing=failing)


def _age(at: datetime | None, now: datetime) -> float | None:
    return None if at is None else round((now - at).total_seconds(), 1)
