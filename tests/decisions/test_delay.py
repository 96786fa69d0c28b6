"""Does a delay hide what triggered an action, and never stand in the way of what must not wait?"""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from moderation.decisions import actions, releasing
from moderation.enforcement import actions as enforcement
from moderation.enforcement.call import Answer, Meaning
from moderation.enforcement.models import Enforcement, Notice
from portal.audit.models import AuditEvent
from portal.people.models import User
from tests.make import NOON, later, make_case, make_decision, ship_settings

SUSPEND = {"outcome": "suspend", "reason_code": "bulk_messages", "until": NOON + timedelta(days=7), "note": "often"}
MINUTE = timedelta(minutes=1)


@pytest.fixture
def delayed(ada: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """SPM-1.1 delays by 30 minutes at most, and the draw is the longest."""
    ship_settings()
    actions.publish_policy("SPM-1.1", by=User.objects.service("system"), now=NOON, delay_minutes_max=30)
    monkeypatch.setattr(releasing.secrets, "randbelow", lambda n: n - 1)


def suspend(by: Any, **word: Any) -> Any:
    return make_decision(at="released", by=by, case=make_case(at="claimed", by=by), **SUSPEND | word)


def test_it_waits_as_long_as_was_drawn_and_says_so(ada, delayed):
    decision = suspend(ada)

    action = Enforcement.objects.get()
    assert action.due_at == action.next_attempt_at == NOON + 30 * MINUTE
    ordered = AuditEvent.objects.get(type="enforcement.ordered")
    assert json.loads(bytes(ordered.payload))["facts"]["waits_until"] == action.due_at.isoformat()
    assert enforcement.drain(decision.account_id, now=NOON + 29 * MINUTE) == 0


def test_it_begins_after_the_undo_window(ada, delayed):
    make_decision(by=ada, case=make_case(at="claimed", by=ada), **SUSPEND)

    actions.release_due(now=later(seconds=10))

    assert Enforcement.objects.get().due_at == later(seconds=10, minutes=30)


def test_the_draw_is_spread_and_comes_from_where_nobody_can_guess_it(ada, monkeypatch):
    ship_settings()
    actions.publish_policy("SPM-1.1", by=User.objects.service("system"), now=NOON, delay_minutes_max=30)
    assert releasing.secrets.__name__ == "secrets"

    decision = suspend(ada)
    drawn = {releasing._delay(decision, now=NOON) for _ in range(40)}

    assert len(drawn) > 20
    assert timedelta() <= min(drawn) <= max(drawn) <= 30 * MINUTE


def test_without_a_setting_nothing_waits(ada):
    suspend(ada)

    assert Enforcement.objects.get().due_at == NOON


def test_a_short_measure_is_not_eaten_by_its_delay(ada, delayed):
    suspend(ada, until=NOON + 50 * MINUTE)

    assert Enforcement.objects.get().due_at == NOON + 5 * MINUTE


def test_protection_and_the_lanes_of_danger_never_wait(ada, ruth, delayed):
    for code in ("SEC-1.1", "MIN-1.2"):
        actions.publish_policy(code, by=User.objects.service("system"), now=NOON, delay_minutes_max=30)
    taken = make_case(at="claimed", by=ada, risk_type="account_takeover", queue="takeover")
    make_decision(at="released", by=ada, case=taken, outcome="secure", reason_code="taken_over")
    minor = make_case(at="claimed", by=ruth, risk_type="underage")
    make_decision(
        at="released", by=ruth, case=minor, outcome="restrict", reason_code="ask_age", scope="minor_mode", note="x"
    )

    assert set(Enforcement.objects.values_list("due_at", flat=True)) == {NOON}


def test_a_reversal_in_the_delay_overtakes_it_and_is_itself_not_delayed(ada, ben, delayed):
    decision = suspend(ada)

    actions.reverse(decision, by=ben, now=NOON + MINUTE, reason_code="not_violating")

    assert list(Enforcement.objects.order_by("seq").values_list("kind", "status", "due_at")) == [
        ("suspend", "superseded", NOON + 30 * MINUTE), ("unsuspend", "queued", NOON + MINUTE),
    ]  # fmt: skip
    assert set(Notice.objects.values_list("order", flat=True)) == {None}


def test_a_warning_taken_back_in_the_delay_is_never_sent(ada, ben, delayed):
    decision = make_decision(at="released", by=ada)

    actions.reverse(decision, by=ben, now=NOON + MINUTE, reason_code="not_violating")

    assert Enforcement.objects.get().status == "cancelled"


def test_what_may_not_wait_lets_what_waits_before_it_go(ada, delayed):
    first = suspend(ada)
    case = make_case(at="claimed", by=ada, risk_type="account_takeover", queue="takeover", account=first.account)

    make_decision(at="released", by=ada, case=case, now=NOON + MINUTE, outcome="secure", reason_code="taken_over")

    rows = list(Enforcement.objects.order_by("seq").values_list("kind", "next_attempt_at"))
    assert rows == [("suspend", NOON + MINUTE), ("secure", NOON + MINUTE)]


def test_what_waits_itself_hastens_nothing(ada, delayed):
    first = suspend(ada)
    case = make_case(at="claimed", by=ada, account=first.account)

    make_decision(at="released", by=ada, case=case, now=NOON + MINUTE, **SUSPEND | {"outcome": "warn", "until": None})

    assert list(Enforcement.objects.order_by("seq").values_list("due_at", flat=True)) == [
        NOON + 30 * MINUTE, NOON + 31 * MINUTE,
    ]  # fmt: skip


def test_a_notice_hastens_nothing(ada, delayed):
    warned = make_decision(at="released", by=ada, case=make_case(at="claimed", by=ada), now=NOON - 31 * MINUTE)
    case = make_case(at="claimed", by=ada, account=warned.account)
    make_decision(at="released", by=ada, case=case, now=NOON, **SUSPEND)
    sent = enforcement._claim(warned.account_id, now=NOON)

    enforcement._settle(sent, Answer(Meaning.APPLIED, "ok"), now=NOON, at=NOON)

    rows = list(Enforcement.objects.order_by("seq").values_list("kind", "due_at"))
    assert rows[1:] == [("suspend", NOON + 30 * MINUTE), ("notify", NOON)]


def test_a_delay_of_more_than_a_day_is_refused(ada):
    ship_settings()

    with pytest.raises(IntegrityError, match="policy_delays_a_day_at_most"), transaction.atomic():
        actions.publish_policy("SPM-1.1", by=User.objects.service("system"), now=NOON, delay_minutes_max=1441)
