"""How may a case leave my hands without a decision?"""

from __future__ import annotations

from datetime import timedelta

import pytest

from moderation.cases import actions
from moderation.cases.models import Case, Evidence, Note, Skip
from portal.audit.models import AuditEvent
from portal.privacy.actions import open_value
from portal.refusal import Refused
from tests.make import NOON, later, make_case


def test_release_gives_it_back(ada):
    case = make_case(at="claimed", by=ada)

    actions.release(case, by=ada, now=NOON)

    case = Case.objects.get()
    assert (case.status, case.claimed_by, case.claimed_until) == ("waiting", None, None)


def test_every_exit_needs_ones_own_claim(ada, ben):
    case = make_case(at="claimed", by=ben)
    exits = [
        lambda: actions.release(case, by=ada, now=NOON),
        lambda: actions.skip(case, by=ada, now=NOON, reason="r"),
        lambda: actions.escalate(case, by=ada, now=NOON, reason="r"),
        lambda: actions.wait(case, by=ada, now=NOON, waiting_for="papers", until=later(days=1)),
        lambda: actions.hand_off(case, by=ada, now=NOON),
        lambda: actions.danger(case, by=ada, now=NOON),
        lambda: actions.extend(case, by=ada, now=NOON),
    ]

    for leave in exits:
        with pytest.raises(Refused, match="Somebody else"):
            leave()
    assert Case.objects.get().claimed_by == ben


def test_skip_needs_a_reason_and_keeps_it_in_the_vault(ada):
    case = make_case(at="claimed", by=ada)
    with pytest.raises(Refused, match="Say why"):
        actions.skip(case, by=ada, now=NOON, reason=" ")

    actions.skip(case, by=ada, now=NOON, reason="written in Japanese")

    assert open_value(Skip.objects.get().reason) == "written in Japanese"
    assert b"Japanese" not in bytes(AuditEvent.objects.get(type="case.skipped").payload)


def test_the_log_says_when_somebody_skips_more_than_a_shift_allows(ada):
    for _ in range(11):
        actions.skip(make_case(at="claimed", by=ada), by=ada, now=NOON, reason="r")

    over = [
        b'"over":true' in bytes(event.payload)
        for event in AuditEvent.objects.filter(type="case.skipped").order_by("id")
    ]
    assert over == [False] * 10 + [True]


def test_escalating_moves_it_to_people_who_know_more(ada, ruth):
    case = make_case(at="claimed", by=ada, shown=90)

    actions.escalate(case, by=ada, now=NOON, reason="a politician")

    case = Case.objects.get()
    assert (case.queue.slug, case.escalated_from.slug, case.status) == ("escalations", "spam", "waiting")
    assert case.due_at == later(minutes=240)
    assert open_value(Note.objects.get().text) == "a politician"
    assert actions.claim_next(by=ada, now=NOON) is None
    assert actions.claim_next(by=ruth, now=NOON) == case


def test_escalating_never_leaves_the_minors_lane(ruth, person):
    case = make_case(at="claimed", by=ruth, risk_type="underage")

    actions.escalate(case, by=ruth, now=NOON, reason="not sure")

    case = Case.objects.get()
    assert (case.queue.slug, case.lane) == ("minors", "minors")
    assert actions.claim_next(by=ruth, now=NOON) is None
    assert actions.claim_next(by=person("omar", "specialist"), now=NOON) == case


def test_wait_stands_until_a_day_and_then_returns(ada):
    case = make_case(at="claimed", by=ada)

    actions.wait(case, by=ada, now=NOON, waiting_for="the owner's answer", until=later(days=2))

    case = Case.objects.get()
    assert (case.status, case.pending_until, case.pending_default) == ("pending", later(days=2), "return")


@pytest.mark.parametrize("until", [NOON, NOON - timedelta(days=1), NOON + timedelta(days=91)])
def test_wait_takes_no_day_that_makes_no_sense(ada, until):
    with pytest.raises(Refused, match="next 90 days"):
        actions.wait(make_case(at="claimed", by=ada), by=ada, now=NOON, waiting_for="papers", until=until)


def test_a_pending_case_can_be_taken_up_again(ada):
    case = make_case(at="claimed", by=ada)
    actions.wait(case, by=ada, now=NOON, waiting_for="papers", until=later(days=2))

    actions.claim(Case.objects.select_related("queue").get(), by=ada, now=later(days=1))

    case = Case.objects.get()
    assert (case.status, case.pending_until, case.pending_default) == ("claimed", None, "")


def test_handing_off_seals_it(ada):
    case = make_case(at="claimed", by=ada)

    actions.hand_off(case, by=ada, now=NOON)

    case = Case.objects.get()
    assert (case.status, case.ended_at) == ("handed_off", NOON)
    assert Evidence.objects.get().case == case
    with pytest.raises(Refused, match="sealed"):
        actions.claim(case, by=ada, now=NOON)
    with pytest.raises(Refused, match="sealed"):
        actions.annotate(case, by=ada, now=NOON, text="t")


def test_danger_goes_before_everything_and_out_of_sight(ada, ruth):
    case = make_case(at="claimed", by=ada)

    actions.danger(case, by=ada, now=NOON)

    case = Case.objects.get()
    assert (case.queue.slug, case.lane, case.priority, case.due_at) == ("danger", "safety", 1000, later(minutes=15))
    assert not Case.objects.visible_to(ada).exists()
    assert actions.claim_next(by=ruth, now=NOON) == case


def test_danger_joins_the_case_that_is_there(ada):
    first = make_case(at="claimed", by=ada)
    account = first.account
    actions.danger(first, by=ada, now=NOON)
    second = make_case(at="claimed", by=ada, account=account)

    actions.danger(second, by=ada, now=later(minutes=5))

    assert Case.objects.get(pk=second.pk).status == "withdrawn"
    assert Case.objects.open().get() == first
