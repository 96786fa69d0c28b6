"""What becomes a case? New scores over the line, and signals that must be looked at."""

from __future__ import annotations

import pytest
from django.db import IntegrityError, transaction

from moderation.cases import actions
from moderation.cases.models import Case
from moderation.decisions import actions as decisions
from portal.audit.models import AuditEvent
from risk.intake.models import Account, Signal
from risk.scoring.models import Score
from tests.make import NOON, later, make_case, make_decision, make_row_account, make_score, ship_settings


@pytest.fixture
def account(db):
    ship_settings()
    return make_row_account()


def told(account, kind, *, lane="general", at=NOON, **data):
    """A signal that must be looked at, as intake keeps it."""
    number = Signal.objects.count()
    return Signal.objects.create(
        source="test", external_id=str(number), kind=kind, lane=lane, occurred_at=at, received_at=at, account=account,
        data=data, opens=True,
    )  # fmt: skip


def test_a_score_over_the_line_opens_a_case_in_its_queue(account):
    score = make_score(account, shown=60, now=later(minutes=-3))

    assert actions.take_new(now=NOON) == 1

    case = Case.objects.get()
    assert (case.queue.slug, case.risk_type, case.score, case.shown, case.why) == (
        "spam",
        "spam",
        score,
        60,
        "posts a lot",
    )
    assert (case.priority, case.rank) == (360, 640)
    assert case.due_at == later(minutes=720 - 3)  # from receipt, not from opening
    assert AuditEvent.objects.get(type="case.opened").by.startswith("user:")


def test_what_is_new_waits_until_there_is_a_routing(db):
    make_score(make_row_account())

    assert actions.take_new(now=NOON) == 0
    assert Score.objects.get().taken_at is None


def test_each_score_is_taken_once(account):
    make_score(account)
    actions.take_new(now=NOON)

    assert actions.take_new(now=NOON) == 0
    assert Case.objects.count() == 1


def test_a_score_under_the_line_opens_nothing(account):
    make_score(account, shown=49)

    actions.take_new(now=NOON)

    assert not Case.objects.exists()
    assert Score.objects.get().taken_at == NOON


def test_a_verdict_of_a_model_is_named_as_one(account):
    make_score(account, shown=85, model="spamnet-4")

    actions.take_new(now=NOON)

    assert Case.objects.get().why == "spamnet-4 says 85"


def test_scores_of_one_account_make_one_case_of_the_most_urgent(account):
    make_score(account, risk_type="spam", shown=70)
    make_score(account, risk_type="bullying", shown=60)

    actions.take_new(now=NOON)

    case = Case.objects.get()
    assert (case.queue.slug, case.priority) == ("bullying", 540)


def test_joining_raises_the_priority_and_never_lowers_it(account):
    make_score(account, shown=60)
    actions.take_new(now=NOON)

    make_score(account, shown=90, now=later(hours=1))
    actions.take_new(now=later(hours=1))
    assert (Case.objects.get().priority, Case.objects.get().shown) == (540, 90)
    make_score(account, shown=55, now=later(hours=2))
    actions.take_new(now=later(hours=2))

    case = Case.objects.get()
    assert (case.priority, case.shown) == (540, 55)
    assert case.due_at == later(hours=12)  # the first receipt counts
    assert AuditEvent.objects.filter(type="case.joined").count() == 2


def test_a_stronger_reason_moves_a_waiting_case_but_not_a_claimed_one(account, ada):
    make_score(account, shown=60)
    actions.take_new(now=NOON)
    make_score(account, risk_type="bullying", shown=80)
    actions.take_new(now=NOON)
    assert (Case.objects.get().queue.slug, Case.objects.get().risk_type) == ("bullying", "bullying")

    claimed = make_case(at="claimed", by=ada)
    make_score(claimed.account, risk_type="bullying", shown=80)
    actions.take_new(now=NOON)

    case = Case.objects.get(pk=claimed.pk)
    assert (case.queue.slug, case.priority, case.version) == ("spam", 720, claimed.version)


def test_minors_are_a_lane_of_their_own(account):
    make_score(account, risk_type="spam", shown=60)
    make_score(account, risk_type="underage", shown=60)

    actions.take_new(now=NOON)

    assert sorted(Case.objects.values_list("lane", "queue__slug")) == [("general", "spam"), ("minors", "minors")]


@pytest.mark.parametrize(
    ("kind", "data", "queue", "risk_type", "priority"),
    [
        ("legal_notice", {"reference": "x"}, "notices", "", 600),
        ("trusted_notice", {}, "notices", "", 800),
        ("authority_order", {}, "notices", "", 950),
        ("owner_report", {"reason": "hacked"}, "takeover", "account_takeover", 700),
        ("owner_report", {"reason": "impersonated"}, "fake-accounts", "fake_account", 0),
        ("something_new", {}, "unrouted", "", 0),
    ],
)
def test_some_signals_open_a_case_whatever_the_score(account, kind, data, queue, risk_type, priority):
    told(account, kind, **data)

    actions.take_new(now=NOON)

    case = Case.objects.get()
    assert (case.queue.slug, case.risk_type, case.priority, case.must_review) == (queue, risk_type, priority, True)
    assert case.opened_by == kind


def test_a_confidential_order_is_not_routed_to_notices(account):
    told(account, "authority_order", confidential_until="2027-01-01T00:00:00Z")

    actions.take_new(now=NOON)

    assert Case.objects.get().queue.slug == "unrouted"


def test_a_notice_on_a_waiting_case_takes_it_to_its_queue_with_its_floor(account):
    make_score(account, shown=60)
    actions.take_new(now=NOON)
    told(account, "trusted_notice")

    actions.take_new(now=NOON)

    case = Case.objects.get()
    assert (case.queue.slug, case.priority, case.must_review, case.risk_type) == ("notices", 800, True, "spam")
    make_score(account, risk_type="bullying", shown=100)
    actions.take_new(now=NOON)
    assert Case.objects.get().queue.slug == "notices"  # what must be looked at stays where it must be looked at


def test_the_answer_a_pending_case_waits_for_brings_it_back(ruth):
    case = make_case(at="claimed", by=ruth, risk_type="underage")
    make_decision(at="released", by=ruth, case=case, outcome="verify_age", reason_code="ask_age")
    told(case.account, "age_check_result", lane="minors", result="passed")

    actions.take_new(now=later(days=1))

    case = Case.objects.get()
    assert (case.status, case.pending_until, case.why) == ("waiting", None, "Age check result")


def test_an_answer_nobody_waits_for_opens_nothing(account):
    told(account, "age_check_result", lane="minors")

    actions.take_new(now=NOON)

    assert not Case.objects.exists()


def test_what_was_just_decided_is_not_asked_again_for_the_same_points(ada):
    decision = make_decision(at="released", by=ada)
    for shown, minute in ((60, 1), (69, 2)):
        make_score(decision.account, shown=shown, now=later(minutes=minute))
        actions.take_new(now=later(minutes=minute))
    assert not Case.objects.open().exists()

    Account.objects.filter(pk=decision.account_id).update(last_seen_at=later(minutes=3))
    make_score(decision.account, shown=70, now=later(minutes=3))
    actions.take_new(now=later(minutes=3))

    assert Case.objects.open().count() == 1


def test_points_that_rose_without_news_ask_nobody_again(ada):
    decision = make_decision(at="released", by=ada)
    Account.objects.filter(pk=decision.account_id).update(last_seen_at=decision.made_at)
    make_score(decision.account, shown=90, now=later(minutes=3))  # the strike of that decision made it

    actions.take_new(now=later(minutes=3))

    assert not Case.objects.open().exists()


def test_a_models_new_verdict_always_opens(ada):
    decision = make_decision(at="released", by=ada)
    make_score(decision.account, shown=81, model="spamnet-4", now=later(minutes=1))

    actions.take_new(now=later(minutes=1))

    assert Case.objects.open().count() == 1


def test_a_snoozed_account_rests(account):
    account.snoozed_until = later(days=1)
    account.save()
    make_score(account, shown=100)

    actions.take_new(now=NOON)

    assert not Case.objects.exists()


def test_the_database_allows_one_open_case_per_account_and_lane(account):
    case = make_case(account=account)
    case.pk = None

    with pytest.raises(IntegrityError, match="one_open_case_per_account_and_lane"), transaction.atomic():
        case.save(force_insert=True)


def test_a_hundred_scores_cost_as_many_queries_as_one(account, django_assert_max_num_queries):
    for _ in range(100):
        make_score(make_row_account(), shown=60)

    with django_assert_max_num_queries(25):
        actions.take_new(now=NOON)

    assert Case.objects.count() == 100


def test_shipping_twice_is_once(account, system):
    assert actions.ship(by=system, now=NOON) == 0
    assert decisions.ship(by=system, now=NOON) == 0
