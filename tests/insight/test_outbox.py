"""Can a lead get a stuck action going, and an operator keep a backend, without seeing evidence?"""

from __future__ import annotations

import re
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import transaction
from django.urls import reverse
from django.utils import timezone

from moderation.cases.models import Case
from moderation.enforcement.actions import order
from moderation.enforcement.models import AccountSequence, Attempt, Backend, Enforcement
from portal.audit.models import AuditEvent
from tests import make
from tests.insight.conftest import decide

pytestmark = pytest.mark.django_db


@pytest.fixture
def otto(person):
    return person("otto", "operator")


def stop(decision, **which):
    """An action that gave up after its second try."""
    mine = Enforcement.objects.filter(decision=decision, **which)
    mine.update(status="in_flight", lease_token=uuid4(), lease_until=make.NOON, attempts=2)
    mine.update(status="stopped", lease_token=None, lease_until=None, detail="422: unknown scope <b>everything</b>")
    action = mine.get()
    for number, outcome in ((1, "later"), (2, "never")):
        Attempt.objects.create(enforcement=action, number=number, at=make.NOON, ended_at=make.NOON, outcome=outcome)
    return action


def types(action):
    return set(AuditEvent.objects.filter(subjects__contains=[action.audit_name]).values_list("type", flat=True))


def test_it_shows_state_tries_and_the_last_answer_as_text(signed_in, ada, ben):
    stop(decide(ada))

    page = signed_in(ben).get(reverse("outbox"), {"state": "stopped"}).content.decode()

    assert "Stopped" in page
    assert "422: unknown scope &lt;b&gt;" in page
    assert "<b>everything" not in page
    assert "Send again" in page


def text_of(client):
    return " ".join(re.sub("<[^>]+>", " ", client.get(reverse("outbox")).content.decode()).split())


def test_it_says_how_the_platform_stands_beside_what_was_ordered(signed_in, ada, ben):
    decide(ada)
    client = signed_in(ben)
    assert "Not compared with what was ordered yet." in text_of(client)

    AccountSequence.objects.update(found="foreign", looked_at=timezone.now() - timedelta(minutes=5))

    assert "1 account in 24 h, 0 lost effects ordered again." in text_of(client)
    assert "1 changed by another hand" in text_of(client)


def test_it_says_of_a_backend_that_it_cannot_be_read_back(signed_in, ada, ben, monkeypatch):
    decide(ada)
    monkeypatch.setattr("moderation.insight.outbox.can_be_read", lambda description: False)

    assert "It cannot be read back, so nobody compares it" in text_of(signed_in(ben))


def test_who_may_not_see_a_lane_is_told_nothing_of_how_its_accounts_stand(signed_in, ada, ben):
    decision = decide(ada)
    with transaction.atomic():
        make.change(Case.objects.filter(pk=decision.case_id), lane="minors")
    AccountSequence.objects.update(found="foreign", looked_at=timezone.now())

    assert "Not compared with what was ordered yet." in text_of(signed_in(ben))


def test_an_effect_that_was_lost_is_shown_as_sent_again(signed_in, ada, ben):
    decision = decide(ada)
    first = Enforcement.objects.get(decision=decision)
    with transaction.atomic():
        order(
            decision_id=decision.pk, account=first.account, kind=first.kind, by=ada, now=make.NOON, parent=first,
            heals=True,
        )  # fmt: skip

    assert "again: it was lost there" in text_of(signed_in(ben))


def test_it_filters_by_state_and_age(signed_in, ada, ben, told):
    stop(decide(ada))
    decide(ada, minutes=90)
    told(hours=2)
    client = signed_in(ben)

    def shown(**query):
        return len(client.get(reverse("outbox"), query).context["rows"])

    assert shown() == 2
    assert shown(state="stopped") == 1
    assert shown(state="open") == 2
    assert shown(state="applied") == 0
    assert shown(age="1h") == 1
    assert shown(backend="nowhere") == 0


def test_it_lets_a_lead_send_an_action_again(signed_in, ada, ben):
    action = stop(decide(ada))

    answer = signed_in(ben).post(reverse("enforcement-retry", args=[action.pk]), follow=True)

    action.refresh_from_db()
    assert action.status == "queued"
    assert "enforcement.retried" in types(action)
    assert "sent again" in answer.content.decode()


def test_it_answers_htmx_with_the_row_alone(signed_in, ada, ben):
    action = stop(decide(ada))

    answer = signed_in(ben).post(reverse("enforcement-retry", args=[action.pk]), headers={"hx-request": "true"})

    assert answer.content.decode().strip().startswith("<tr")
    assert "<html" not in answer.content.decode()


def test_it_gives_an_action_up_only_with_a_reason(signed_in, ada, ben):
    action = stop(decide(ada))
    client = signed_in(ben)

    assert client.post(reverse("enforcement-skip", args=[action.pk]), {"reason": " "}).status_code == 409
    assert (
        client.post(reverse("enforcement-skip", args=[action.pk]), {"reason": "the scope is gone"}).status_code == 302
    )

    action.refresh_from_db()
    assert action.status == "skipped"
    assert "enforcement.skipped" in types(action)


def test_it_refuses_what_does_not_stand_still(signed_in, ada, ben):
    decision = decide(ada)
    action = Enforcement.objects.get(decision=decision)

    assert signed_in(ben).post(reverse("enforcement-retry", args=[action.pk])).status_code == 409


def test_it_lets_an_operator_pause_and_resume_a_backend(signed_in, otto, ben):
    make.ship_settings()
    client = signed_in(otto)

    assert client.post(reverse("backend-pause", args=["platform"]), {"why": ""}).status_code == 409
    assert client.post(reverse("backend-pause", args=["platform"]), {"why": "it is being moved"}).status_code == 302
    assert Backend.objects.get(pk="platform").paused_by == otto
    assert "it is being moved" in client.get(reverse("outbox")).content.decode()
    assert client.post(reverse("backend-resume", args=["platform"])).status_code == 302
    assert Backend.objects.get(pk="platform").paused_at is None
    assert signed_in(ben).post(reverse("backend-pause", args=["platform"]), {"why": "x"}).status_code == 403


def test_it_shows_an_operator_no_way_to_cases_or_accounts(signed_in, ada, otto):
    decision = decide(ada)
    stop(decision)

    page = signed_in(otto).get(reverse("outbox")).content.decode()

    assert "/cases/" not in page
    assert "/accounts/" not in page
    assert "Send again" in page


def test_it_hides_actions_of_lanes_somebody_does_not_have(signed_in, ruth, ben, otto):
    case = make.make_case(at="claimed", by=ruth, risk_type="underage")
    action = stop(make.make_decision(at="released", by=ruth, case=case))

    for user in (ben, otto):
        client = signed_in(user)
        assert client.get(reverse("outbox")).context["rows"] == []
        assert client.get(reverse("outbox")).context["backends"][0]["n"] == 0
        assert client.post(reverse("enforcement-retry", args=[action.pk])).status_code == 404


def test_it_asks_a_bounded_number_of_queries(signed_in, ada, ben, django_assert_max_num_queries):
    for minutes in range(5):
        stop(decide(ada, minutes=minutes))
    client = signed_in(ben)
    client.get(reverse("outbox"))

    with django_assert_max_num_queries(12):
        client.get(reverse("outbox"))


def test_a_notice_behind_which_something_was_decided_is_given_up_and_not_sent_again(signed_in, ada, ben):
    decision = decide(ada)
    effect = Enforcement.objects.get(decision=decision)
    with transaction.atomic():
        about = {"decision_id": decision.pk, "account": effect.account, "by": ada, "now": make.NOON}
        action = order(kind="notify", parent=effect, **about)
    stop(decision, kind="notify")
    client = signed_in(ben)
    assert "Send again" in text_of(client)
    with transaction.atomic():
        order(kind="ban", **about)

    page = text_of(client)
    answer = client.post(reverse("enforcement-retry", args=[action.pk]), follow=True)

    assert "Too late to send: something was decided since" in page
    assert "Give up" in page
    assert "Send again" not in page
    assert answer.status_code == 409
    assert "tell the account holder in another way" in answer.content.decode()
