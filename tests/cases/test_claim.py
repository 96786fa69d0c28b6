"""May I take this case? Claiming one, claiming the next."""

from __future__ import annotations

import pytest

from moderation.cases import actions
from moderation.cases.models import Case
from moderation.decisions import actions as decisions
from portal.audit.models import AuditEvent
from portal.refusal import Refused
from tests.make import NOON, later, make_case, ship_settings


def test_it_gives_the_case_a_holder_a_lease_and_an_event(ada):
    case = make_case()

    actions.claim(case, by=ada, now=NOON)

    case = Case.objects.get(pk=case.pk)
    assert (case.status, case.claimed_by, case.claimed_until) == ("claimed", ada, later(minutes=8))
    assert case.version == 2
    event = AuditEvent.objects.get(type="case.claimed")
    assert event.subjects == [f"case:{case.pk}", f"account:{case.account_id}"]
    assert event.by == f"user:{ada.pk}"


def test_it_refuses_a_case_somebody_else_holds(ada, ben):
    case = make_case(at="claimed", by=ada)

    with pytest.raises(Refused, match="Somebody else is working") as refused:
        actions.claim(case, by=ben, now=NOON)

    assert refused.value.state == "claimed"


def test_it_tells_the_loser_of_a_race_what_the_case_is_now(ada, ben):
    case = make_case()
    seen_by_ben = Case.objects.select_related("queue").get(pk=case.pk)
    actions.claim(case, by=ada, now=NOON)

    with pytest.raises(Refused, match="Somebody else was first") as refused:
        actions.claim(seen_by_ben, by=ben, now=NOON)

    assert refused.value.state == "claimed"
    assert Case.objects.get(pk=case.pk).claimed_by == ada


def test_it_refuses_who_has_no_role_of_the_queue(ada, cleo):
    money = make_case(risk_type="monetization_abuse")

    for person in (ada, cleo):
        with pytest.raises(Refused, match="worked by the role specialist"):
            actions.claim(money, by=person, now=NOON)


def test_it_refuses_a_second_case_while_one_is_held(ada, ruth):
    first = make_case(at="claimed", by=ada)

    with pytest.raises(Refused, match=f"You hold case {first.pk}"):
        actions.claim(make_case(), by=ada, now=NOON)
    for _ in range(3):
        actions.claim(make_case(), by=ruth, now=NOON)
    with pytest.raises(Refused, match="You hold case"):
        actions.claim(make_case(), by=ruth, now=NOON)


def test_it_counts_no_personal_limit_for_a_program(ada):
    make_case(at="claimed", by=ada)

    actions.claim(make_case(), by=ada, now=NOON, limits=False)

    assert Case.objects.filter(claimed_by=ada).count() == 2


def test_it_hands_out_cases_only_on_duty(person):
    tired = person("ines", "reviewer", duty="break")

    with pytest.raises(Refused, match="only on duty"):
        actions.claim(make_case(), by=tired, now=NOON)


def test_it_asks_to_read_a_changed_policy_first(ada, ben):
    case = make_case()
    policy = decisions.publish_policy("SPM-1.1", by=ben, now=NOON, text="New words.")

    with pytest.raises(Refused, match=r"SPM-1\.1"):
        actions.claim_next(by=ada, now=NOON)
    other = make_case(risk_type="fake_account")
    decisions.acknowledge(policy, by=ada, now=NOON)

    assert actions.claim_next(by=ada, now=NOON, queue=case.queue).pk == case.pk
    actions.claim(other, by=ben, now=NOON)  # another workflow's policies do not stand in the way


def test_next_is_the_most_urgent_over_all_my_queues(ada):
    make_case(shown=60)
    most = make_case(risk_type="fake_account", shown=80)
    make_case(risk_type="spam", shown=70)
    make_case(risk_type="live_room", shown=100)  # not mine: specialists

    assert actions.claim_next(by=ada, now=NOON).pk == most.pk


def test_next_of_equal_urgency_is_the_one_due_first(ada):
    make_case(now=later(minutes=1))
    due_first = make_case(now=NOON)
    make_case(now=later(minutes=2))

    assert actions.claim_next(by=ada, now=later(minutes=3)).pk == due_first.pk


def test_next_is_nothing_where_nothing_waits(ada):
    ship_settings()

    assert actions.claim_next(by=ada, now=NOON) is None


def test_next_leaves_languages_i_do_not_read(ada):
    make_case(lang="ja", shown=90)
    english = make_case(lang="en", shown=60)

    assert actions.claim_next(by=ada, now=NOON).pk == english.pk


def test_next_leaves_what_i_passed_on_today(ada):
    case = make_case(at="claimed", by=ada, shown=90)
    actions.skip(case, by=ada, now=NOON, reason="I know this shop")
    other = make_case(shown=60)

    assert actions.claim_next(by=ada, now=later(minutes=1)).pk == other.pk
    actions.release(Case.objects.get(pk=other.pk), by=ada, now=later(minutes=1))
    assert actions.claim_next(by=ada, now=later(hours=13)).pk == case.pk


def test_next_never_shows_a_lane_that_is_not_mine(ada, ben, ruth):
    child = make_case(risk_type="underage", shown=100)

    assert actions.claim_next(by=ada, now=NOON) is None
    assert actions.claim_next(by=ben, now=NOON) is None
    assert actions.claim_next(by=ruth, now=NOON).pk == child.pk
