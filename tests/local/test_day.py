"""Is the told day the one that was written? Told once, on real tables and a real platform, then held to the plan."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from django.test import override_settings
from django.utils import timezone

from portal.local import day
from portal.local.day_plan import CLAIMS, Plan, plan
from portal.local.platform import Platform
from tests.conftest import NOON, _empty_tables

pytestmark = pytest.mark.slow

# type: watch only, waiting, claimed, pending, escalated, proposed, decided
PLANNED = {
    "fake_account": (20, 24, 1, 0, 2, 3, 46),
    "spam": (14, 14, 1, 0, 1, 2, 41),  # one more than its accounts: 70074 was decided twice
    "bullying": (8, 11, 1, 1, 1, 1, 24),  # one handed off beside them; one that was in danger waits for an answer
    "repeat_offender": (6, 9, 0, 0, 1, 4, 16),
    "incentive_fraud": (8, 12, 0, 2, 1, 1, 16),
    "scraping": (6, 7, 0, 0, 1, 0, 14),
    "live_room": (4, 2, 1, 0, 1, 1, 15),
    "monetization_abuse": (6, 5, 0, 3, 1, 2, 7),
    "underage": (8, 7, 0, 7, 0, 2, 9),  # the second case of 70046 among those that wait
    "fake_traffic": (2, 4, 0, 0, 0, 0, 6),
    "account_takeover": (0, 2, 0, 0, 0, 0, 6),
}


@dataclass
class Told:
    """The day as it stands in the tables."""

    plan: Plan
    sums: dict[str, Any]
    ledger: list[dict[str, Any]]
    people: list[dict[str, Any]]


@pytest.fixture(scope="module")
def told(django_db_setup: None, django_db_blocker: Any, tmp_path_factory: Any) -> Iterator[Told]:
    from django.db import connections

    folder = tmp_path_factory.mktemp("day")
    with django_db_blocker.unblock(), Platform(data=folder / "platform.jsonl", secret="s") as platform:
        host = platform.url.removeprefix("http://")
        with override_settings(PLATFORM_URL=platform.url, PLATFORM_SECRET="s", ENFORCEMENT_HOSTS=[host]):
            _empty_tables()
            ready_at = timezone.now()
            day.ensure_shipped()
            people = day.ensure_people([])
            day.tell(ready_at)
            yield Told(plan(ready_at), day.sums(ready_at), platform.ledger.rows, people)
            for connection in connections.all():
                connection.close()
            _empty_tables()


def opening_scores(told: Told) -> Iterator[tuple[Any, Any]]:
    """Each account of the cast with its score of its type at the time its case opened; None where no rule fired."""
    from risk.scoring.models import Score

    scores = {
        (score.account.external_id, score.risk_type): score
        for score in Score.objects.select_related("account").prefetch_related("reasons").order_by("-at", "-pk")
    }  # the oldest stands
    for one in told.plan.cast:
        if one.opens_by != "nobody":
            yield one, scores.get((one.id, one.type))


# --- The plan ---


def test_it_is_the_same_plan_for_the_same_moment() -> None:
    assert plan(NOON) == plan(NOON)


def test_it_has_420_flagged_accounts_and_one_from_before() -> None:
    cast = plan(NOON).cast

    assert len({one.id for one in cast}) == len(cast) == 421
    assert [one.id for one in cast if one.opens_by == "nobody"] == ["70026"]


def test_nobody_works_on_two_cases_at_once_or_before_a_case_is_there() -> None:
    written = plan(NOON)
    opened = {one.id: one.opened for one in written.cast}
    busy: dict[str, list[tuple[datetime, datetime]]] = {}
    for act in written.acts:
        if act.do in CLAIMS and act.told["handling"]:
            begin = act.at - timedelta(seconds=act.told["handling"])
            assert begin > opened[act.account], act
            busy.setdefault(act.who, []).append((begin, act.at))
    for spans in busy.values():
        spans.sort()
        assert all(ends < begins for (_, ends), (begins, _) in pairwise(spans))


def test_people_decide_within_their_shift() -> None:
    written = plan(NOON)
    clock, shifts = written.clock, {p["username"]: p["shift"] for p in day_people() if "shift" in p}
    for act in written.acts:
        if act.do == "decide" and act.at > clock.at("00:01"):
            begins, ends = shifts[act.who]
            assert clock.at(begins) <= act.at <= clock.at(ends), act


def day_people() -> list[dict[str, Any]]:
    from portal.local.day_data import people

    return people()


# --- What came of it ---


@pytest.mark.parametrize("risk_type", PLANNED)
def test_the_cases_of_a_type_stand_where_the_day_says(told: Told, risk_type: str) -> None:
    _, waiting, claimed, pending, escalated, proposed, decided = PLANNED[risk_type]
    wanted = {"claimed": claimed, "pending": pending, "proposed": proposed, "decided": decided}
    wanted["waiting"] = waiting + escalated
    if risk_type == "bullying":
        wanted["handed_off"] = 1

    assert told.sums["by_type"][risk_type] == {state: n for state, n in wanted.items() if n}


def test_the_standing_outcomes_are_those_of_the_day(told: Told) -> None:
    standing = told.sums["standing"]

    assert {outcome: standing[outcome] for outcome in ("no_action", "warn", "label", "limit_reach")} == {
        "no_action": 48, "warn": 24, "label": 1, "limit_reach": 7,
    }  # fmt: skip
    assert {outcome: standing[outcome] for outcome in ("restrict", "suspend", "ban", "demonetize", "secure")} == {
        "restrict": 20, "suspend": 30, "ban": 44, "demonetize": 9, "secure": 5,
    }  # fmt: skip
    assert told.sums["reversed"] == 12
    assert told.sums["decisions"]["undone"] == 7
    assert told.sums["decisions"]["declined"] == 1


def test_five_cases_are_late_and_the_oldest_waits_26_hours(told: Told) -> None:
    from moderation.cases.models import Case

    assert told.sums["late"] == 5
    oldest = Case.objects.waiting().order_by("opened_at").select_related("queue").first()
    assert oldest is not None
    assert oldest.queue.slug == "scraping"
    assert round((told.plan.clock.ready_at - oldest.opened_at) / timedelta(hours=1)) == 26


def test_the_points_of_each_story_are_those_it_states(told: Told) -> None:
    wrong = []
    for one, score in opening_scores(told):
        if one.told_by.startswith("S") and one.raw is not None:
            rows = {reason.rule: reason.points for reason in score.reasons.all()} if score else {}
            if (score.raw if score else 0) != one.raw[0] or (one.expect and rows != one.expect):
                wrong.append((one.told_by, one.id, one.raw, score and score.raw, rows))
    assert wrong == []


def test_the_points_of_each_archetype_lie_in_its_range(told: Told) -> None:
    wrong = []
    for one, score in opening_scores(told):
        if not one.told_by.startswith("S") and one.raw is not None:
            raw = score.raw if score else 0
            if not one.raw[0] <= raw <= one.raw[1]:
                wrong.append((one.told_by, one.id, one.raw, raw))
    assert wrong == []


def test_the_reasons_of_every_score_add_up_to_it(told: Told) -> None:
    from django.db.models import F, Sum

    from risk.scoring.models import Score

    summed = Score.objects.filter(model="").annotate(sum=Sum("reasons__points"))

    assert summed.count() > 400
    assert not summed.exclude(sum=F("raw")).exclude(sum=None, raw=0).exists()


def test_there_is_one_open_case_per_account_and_lane(told: Told) -> None:
    from moderation.cases.models import Case

    places = Counter(Case.objects.open().values_list("account", "lane"))

    assert set(places.values()) == {1}
    assert Counter(Case.objects.filter(account__external_id="70046").values_list("lane", flat=True)) == {
        "general": 1, "minors": 1,
    }  # fmt: skip


def test_what_must_not_become_a_case_is_none(told: Told) -> None:
    from moderation.cases.models import Case

    watched = [one.id for one in told.plan.cast if one.fate == "watch" or one.opens_by == "nobody"]

    assert len(watched) == 81 + 2
    assert "70045" in watched
    assert not Case.objects.filter(account__external_id__in=watched).exists()
    assert not Case.objects.filter(account__external_id__startswith="6").exists()


def test_linked_reports_about_age_give_no_points(told: Told) -> None:
    from risk.scoring.models import Reason

    rules = set(Reason.objects.filter(score__account__external_id="70031").values_list("rule", flat=True))

    assert rules == {"un_guardian"}


def test_every_effect_happened_once_and_every_action_has_its_effect(told: Told) -> None:
    from moderation.enforcement.models import Enforcement

    keys = [row["key"] for row in told.ledger]

    assert len(keys) == len(set(keys))
    assert set(keys) == {str(pk) for pk in Enforcement.objects.filter(status="applied").values_list("pk", flat=True)}
    measures = Enforcement.objects.exclude(kind="notify")
    assert told.sums["actions"] == {"applied": measures.count() - 3 + len(said(told)), "retrying": 3}
    assert measures.filter(status="applied").count() == 175


def said(told: Told) -> list[dict[str, Any]]:
    """The messages that account holders got."""
    return [row for row in told.ledger if row["kind"] == "notify"]


def test_account_holders_are_told_after_the_effect_and_never_before(told: Told) -> None:
    from moderation.enforcement.models import Notice

    assert len(said(told)) == Notice.objects.filter(delivered_at__isnull=False).count() > 150
    for notice in Notice.objects.filter(order__isnull=False, effect__isnull=False).select_related("order", "effect"):
        assert notice.effect.status == "applied"
        assert notice.order.seq > notice.effect.seq
        assert notice.order.ordered_at >= notice.effect.settled_at
    assert "N-UNDONE" in {row["notice"]["template"] for row in told.ledger if row["kind"] == "notify"}


def test_no_effect_came_before_its_decision_was_in_force(told: Told) -> None:
    from django.db.models import F

    from moderation.enforcement.models import Enforcement

    assert not Enforcement.objects.filter(settled_at__lt=F("decision__released_at")).exists()
    assert not Enforcement.objects.filter(settled_at__gt=told.plan.clock.ready_at).exists()


def test_while_the_platform_was_away_people_went_on_and_effects_waited(told: Told) -> None:
    from moderation.decisions.models import Decision
    from moderation.enforcement.models import Enforcement

    away, back = told.plan.clock.at("13:10"), told.plan.clock.at("13:40")
    ordered = Enforcement.objects.filter(ordered_at__range=(away, back))

    assert Decision.objects.filter(made_at__range=(away, back)).count() > 5
    assert ordered.count() > 12
    assert not ordered.filter(settled_at__lt=back).exists()
    assert all(action.attempts > 1 for action in ordered)


def test_personal_data_was_shown_23_times_and_once_in_vain(told: Told) -> None:
    from portal.privacy.models import Reveal

    assert (told.sums["reveals"], told.sums["reveals_refused"]) == (23, 1)
    assert set(Reveal.objects.filter(case=None).values_list("by__username", flat=True)) <= {"pia"}
    assert Reveal.objects.filter(handed_at=None).count() == 0


def test_every_ban_had_a_second_person(told: Told) -> None:
    from moderation.decisions.models import Decision

    bans = Decision.objects.filter(outcome="ban").exclude(status__in=("proposed", "declined", "undone"))

    assert bans.count() >= 44
    assert not bans.filter(approved_by=None).exists()


def test_one_decision_on_many_accounts_waits_for_a_second_lead(told: Told) -> None:
    from moderation.bulk.models import Bulk

    group = Bulk.objects.select_related("made_by").get()

    assert (group.status, group.made_by.username, group.outcome) == ("proposed", "lena", "limit_reach")
    assert group.accounts > 50  # so that it pauses after the first 50
    assert group.items.filter(status="left_out").exists()


def test_soon_after_ready_something_happens_without_a_click(told: Told) -> None:
    from moderation.cases.models import Case
    from moderation.enforcement.models import Enforcement

    ready_at = told.plan.clock.ready_at
    ends = Enforcement.objects.get(status="applied", expires_at__range=(ready_at, ready_at + timedelta(minutes=2)))
    assert (ends.kind, ends.expires_at) == ("suspend", ready_at + timedelta(seconds=40))
    assert Case.objects.waiting().filter(due_at=ready_at + timedelta(minutes=2)).count() == 1
    held = Case.objects.get(status="claimed", claimed_by__username="tomo")
    assert held.claimed_until == ready_at - timedelta(minutes=4)  # given back five minutes after its lease


def test_who_left_cannot_come_in_and_holds_nothing(told: Told) -> None:
    from moderation.cases.models import Case, Draft

    assert "jonas" in {person["username"] for person in told.people}
    assert "jonas" not in {person["username"] for person in day.ensure_people(told.people)}
    assert Draft.objects.filter(user__username="jonas").exists()
    assert not Case.objects.filter(claimed_by__username="jonas").exists()


def test_a_second_start_changes_nothing(told: Told) -> None:
    from portal.audit.models import AuditEvent
    from portal.people.models import ServiceKey

    key = day.ensure_service_key(None)
    before = AuditEvent.objects.count(), ServiceKey.objects.count()

    day.ensure_shipped()
    again = day.ensure_people(told.people)

    assert [person for person in told.people if person["username"] != "jonas"] == again
    assert day.ensure_service_key(key) == key
    assert (AuditEvent.objects.count(), ServiceKey.objects.count()) == before


def test_lost_passwords_are_made_anew(told: Told) -> None:
    from portal.people.models import User

    again = {person["username"]: person for person in day.ensure_people(told.people[1:])}

    first = told.people[0]["username"]
    assert again[first]["password"] != told.people[0]["password"]
    assert User.objects.get(username=first).check_password(again[first]["password"])
