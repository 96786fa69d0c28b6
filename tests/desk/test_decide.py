"""Does a decision made on the page do what it says, once, and open the next case?"""

from __future__ import annotations

import re

import pytest
from django.utils import timezone

from moderation.cases.models import Case
from moderation.decisions.models import Decision
from risk.intake.models import Account
from tests.make import make_case, make_decision, make_row_account

pytestmark = pytest.mark.django_db


def panel_of(client, case):
    html = client.get(f"/cases/{case.pk}/").content.decode()
    return {
        name: re.search(rf'name="{name}" value="([^"]*)"', html)[1] for name in ("version", "request_key", "made_at")
    }


def decide(client, case, **said):
    word = {"outcome": "warn", "reason_code": "flooding", "note": "", **panel_of(client, case), **said}
    return client.post(f"/cases/{case.pk}/decide/", word)


def test_it_decides_and_opens_the_next_case(ada, at_desk, mine, now):
    following = make_case(now=now)

    answer = decide(at_desk(ada), mine)

    assert answer["Location"] == f"/cases/{following.pk}/"
    decision = Decision.objects.get()
    assert (decision.status, decision.outcome, decision.made_by) == ("held", "warn", ada)


def test_with_nothing_left_it_goes_to_the_desk(ada, at_desk, mine):
    answer = decide(at_desk(ada), mine)

    assert answer["Location"] == "/"


def test_the_next_page_offers_to_undo_it(ada, at_desk, mine, now):
    make_case(now=now)
    client = at_desk(ada)
    html = client.get(decide(client, mine)["Location"]).content.decode()

    assert f"/decisions/{Decision.objects.get().pk}/undo/" in html
    assert f"case {mine.pk}" in html


def test_undo_brings_the_case_back_as_it_was(ada, at_desk, mine):
    client = at_desk(ada)
    decide(client, mine, note="half a thought")

    answer = client.post(f"/decisions/{Decision.objects.get().pk}/undo/")

    assert answer["Location"] == f"/cases/{mine.pk}/"
    html = client.get(answer["Location"]).content.decode()
    assert "half a thought" in html
    mine.refresh_from_db()
    assert mine.claimed_by == ada


def test_a_second_click_is_the_same_decision(ada, at_desk, mine):
    client = at_desk(ada)
    word = {
        **panel_of(client, mine),
        "outcome": "suspend",
        "reason_code": "bulk_messages",
        "until_days": "7",
        "note": "again",
    }
    client.post(f"/cases/{mine.pk}/decide/", word)
    client.post(f"/cases/{mine.pk}/decide/", word)

    assert Decision.objects.count() == 1


def test_a_preset_of_another_outcome_does_no_harm(ada, at_desk, mine):
    decide(at_desk(ada), mine, until_days="7", scope="live")

    decision = Decision.objects.get()
    assert decision.until is None
    assert decision.scope == ""


def test_a_restriction_takes_its_scope_and_a_day_of_ones_own(ada, at_desk, mine, now):
    day = (now + timezone.timedelta(days=5)).date().isoformat()
    decide(at_desk(ada), mine, outcome="restrict", scope="messages", until_date=day, note="scam")

    decision = Decision.objects.get()
    assert decision.scope == "messages"
    assert timezone.localtime(decision.until).date().isoformat() == day


def test_answers_and_cited_evidence_are_kept(ada, at_desk, mine):
    decide(at_desk(ada), mine, ask_1="no", evidence=["app:1"])

    assert Decision.objects.get().answers == {"1": "no"}


def test_without_a_reason_nothing_is_sent(ada, at_desk, mine):
    answer = decide(at_desk(ada), mine, reason_code="")

    assert answer.status_code == 400
    assert "Choose a reason" in answer.content.decode()
    assert not Decision.objects.exists()


def test_an_old_page_is_refused_and_says_so(ada, at_desk, mine):
    answer = decide(at_desk(ada), mine, version="77")

    assert answer.status_code == 409
    assert "has changed since you opened it" in answer.content.decode()


def test_htmx_gets_the_refusal_as_a_notice(ada, at_desk, mine):
    client = at_desk(ada)
    word = {**panel_of(client, mine), "outcome": "warn", "reason_code": "flooding", "version": "77"}
    answer = client.post(f"/cases/{mine.pk}/decide/", word, headers={"HX-Request": "true"})

    assert answer.status_code == 409
    html = answer.content.decode()
    assert "data-refusal" in html
    assert "<html" not in html


def test_a_ban_is_proposed_and_says_why(ada, at_desk, mine):
    client = at_desk(ada)
    answer = decide(client, mine, outcome="ban", reason_code="deceptive_link", note="sells codes")

    assert Decision.objects.get().status == "proposed"
    assert "Every ban needs a second person" in client.get(answer["Location"]).content.decode()


def test_a_lead_agrees_on_the_approvals_page(ada, ben, at_desk, mine, now):
    decision = make_decision(at="proposed", by=ada, case=mine, now=now)
    client = at_desk(ben)

    assert "Sells" not in client.get("/approvals/").content.decode()
    assert "sells codes" in client.get("/approvals/").content.decode()
    client.post(f"/decisions/{decision.pk}/approve/", {"reason": ""})

    decision.refresh_from_db()
    assert decision.approved_by == ben
    assert "Nothing waits for a second person" in client.get("/approvals/").content.decode()


def test_declining_needs_a_reason(ada, ben, at_desk, mine, now):
    decision = make_decision(at="proposed", by=ada, case=mine, now=now)

    answer = at_desk(ben).post(f"/decisions/{decision.pk}/decline/", {"reason": " "})

    assert answer.status_code == 400
    decision.refresh_from_db()
    assert decision.status == "proposed"


def test_a_lead_reverses_a_decision_in_force(ada, ben, at_desk, mine, now):
    decision = make_decision(at="released", by=ada, case=mine, now=now)

    at_desk(ben).post(f"/decisions/{decision.pk}/reverse/", {"reason_code": "not_violating", "note": "it was banter"})

    decision.refresh_from_db()
    assert decision.status == "reversed"


def test_a_reviewer_cannot_reverse(ada, at_desk, mine, now):
    decision = make_decision(at="released", by=ada, case=mine, now=now)

    assert at_desk(ada).post(f"/decisions/{decision.pk}/reverse/", {"reason_code": "not_violating"}).status_code == 403


def test_the_draft_is_kept_without_leaving(ada, at_desk, mine):
    answer = at_desk(ada).post(
        f"/cases/{mine.pk}/draft/", {"outcome": "warn", "reason_code": "flooding", "note": "n", "ask_1": "yes"}
    )

    assert answer.status_code == 204
    draft = mine.drafts.get()
    assert draft.body == {"outcome": "warn", "reason_code": "flooding", "answers": {"1": "yes"}}
    assert Case.objects.get(pk=mine.pk).claimed_by == ada


def test_an_outcome_that_nobody_can_carry_out_there_cannot_be_chosen(ada, at_desk, now):
    account = make_row_account(now=now)
    Account.objects.filter(pk=account.pk).update(platform="matrix")
    case = make_case(at="claimed", by=ada, now=now, account=Account.objects.get(pk=account.pk))

    html = at_desk(ada).get(f"/cases/{case.pk}/").content.decode()

    assert re.search(r'name="outcome" value="warn" required disabled aria-describedby="unable"', html)
    assert "Nobody can do this on matrix: Warn, Restrict." in html
    assert re.search(r'name="outcome" value="suspend" required data-key="s"', html)
    assert 'data-suggests="warn"' not in html
