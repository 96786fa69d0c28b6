"""What does my own work add up to? A reviewer's numbers of a period, for nobody else and beside nobody else's."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db import connection

from portal.people.models import User
from portal.wording import number, plain, span

from .figures import share
from .periods import Period

# One range of the index `decision_by_person`: some hundred rows a day.
MINE = """
SELECT d.outcome, coalesce(p.code, ''), coalesce(p.title, ''), count(*),
       count(*) FILTER (WHERE d.status = 'reversed'), count(*) FILTER (WHERE d.status = 'undone'),
       count(*) FILTER (WHERE d.status = 'proposed'), count(*) FILTER (WHERE d.status = 'declined'),
       percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM d.made_at - d.claimed_at))
         FILTER (WHERE d.made_at - d.claimed_at BETWEEN interval '0' AND interval '4 hours')
  FROM moderation_decision d LEFT JOIN moderation_policy p ON p.id = d.policy_id
 WHERE d.made_by_id = %(user)s AND d.made_at >= %(start)s AND d.made_at < %(end)s AND d.reverses_id IS NULL
 GROUP BY GROUPING SETS ((), (d.outcome), (p.code, p.title))
"""


def own_work(user: User, period: Period) -> dict[str, Any]:
    """Totals, then by outcome and by policy."""
    scope: dict[str, Any] = {"user": user.pk, "start": period.start, "end": period.end}
    with connection.cursor() as cursor:
        cursor.execute(MINE + " ORDER BY d.outcome NULLS FIRST, p.code NULLS FIRST", scope)
        rows = cursor.fetchall()
    whole = max(rows, key=lambda row: row[3])
    policies = [row for row in rows if not row[0] and row is not whole]
    return {
        "tiles": _tiles(*whole[3:]),
        "outcomes": [{"label": plain(row[0]), "value": row[3]} for row in rows if row[0]],
        "policies": [
            {"code": row[1], "title": row[2] or "No policy (no action)", "n": row[3], "reversed": row[4]}
            for row in policies
        ],
    }


def _tiles(
    n: int, turned: int, undone: int, proposed: int, declined: int, median: float | None
) -> list[dict[str, str]]:
    stood = n - undone - proposed - declined
    reversed_ = share(turned, stood)
    handled = span(timedelta(seconds=median)) if median is not None else "–"
    of_mine = f"later reversed, of those made in this time ({reversed_.words}, {reversed_.interval})"
    shown = (
        ("Decided", number(stood), "decisions that took or will take effect", "decided"),
        ("Reversed", f"{number(turned)} of {number(stood)}", of_mine, "reversed"),
        ("Undone", number(undone), "taken back within the window: good practice, not an error", ""),
        ("Waiting for a second person", number(proposed), f"proposed; {number(declined)} declined", ""),
        ("Claim to decision", handled, "median; yours alone to see, and no target", ""),
    )
    return [{"title": title, "figure": figure, "hint": hint, "what": what} for title, figure, hint, what in shown]
