"""Is a personal value shown only to who may see it, for a purpose, once, and never before it was written down?"""

from __future__ import annotations

import json
import re
from datetime import timedelta

import pytest
from django.utils import timezone

from portal.audit.models import AuditEvent
from portal.privacy import revealing
from portal.privacy.actions import keep
from portal.privacy.models import Reveal, VaultKey, VaultValue
from portal.refusal import Refused
from tests.make import make_account, make_case

pytestmark = pytest.mark.django_db

MAIL = "lu.super@mail.example"


@pytest.fixture
def account(now):
    return make_account(now=now, handle="lu_super_deals", email=MAIL, phone="+1 202 555 0143", birth_date="2009-02-03")


@pytest.fixture
def held(ada, account, now):
    """A case about the account that Ada holds."""
    return make_case(at="claimed", by=ada, account=account, now=now)


def value_of(account, name="account.email"):
    return VaultValue.objects.get(subject=account.pk, name=name)


def ask(client, account, case=None, name="account.email", **more):
    form = {"value": value_of(account, name).pk, "purpose": "decide", **({"case": case.pk} if case else {}), **more}
    return client.post("/reveals/", form)


def said(answer):
    """What a page says, without its markup: a text is shown in marked pieces."""
    return re.sub(r"<[^>]*>", "", answer.content.decode())


def events(type):
    return [(row, json.loads(bytes(row.payload))["facts"]) for row in AuditEvent.objects.filter(type=type)]


def test_the_case_page_shows_masks_and_a_way_to_ask(ada, at_desk, account, held):
    html = said(at_desk(ada).get(f"/cases/{held.pk}/"))

    assert "Show a value" in html
    assert "lu•••deals" in html
    assert MAIL not in html
    assert "lu_super_deals" not in html
    assert "Birth date" not in html


def test_it_is_shown_once_to_who_holds_the_case(ada, at_desk, account, held):
    client = at_desk(ada)

    answer = ask(client, account, held)
    first = client.get(answer["Location"])
    second = client.get(answer["Location"])

    assert MAIL in said(first)
    assert first["Refresh"] == f"60; url=/cases/{held.pk}/"
    assert "no-store" in first["Cache-Control"]
    assert second.status_code == 409
    assert MAIL not in said(second)


def test_htmx_gets_it_at_once_and_only_the_part(ada, at_desk, account, held):
    answer = at_desk(ada).post(
        "/reveals/",
        {"value": value_of(account).pk, "purpose": "decide", "case": held.pk},
        headers={"HX-Request": "true"},
    )

    html = answer.content.decode()
    assert MAIL in said(answer)
    assert 'data-ends="60"' in html
    assert "<html" not in html
    assert "no-store" in answer["Cache-Control"]


def test_it_is_in_the_log_without_the_value(ada, at_desk, account, held):
    ask(at_desk(ada), account, held, note="to compare with another shop")

    (event, facts), row = events("pii.revealed")[0], Reveal.objects.get()
    assert event.by == ada.audit_name
    assert set(event.subjects) == {account.audit_name, held.audit_name, row.audit_name}
    assert facts == {
        "value": str(row.value),
        "field": "account.email",
        "data_class": "identity",
        "purpose": "decide",
    }
    assert MAIL.encode() not in bytes(event.payload)
    assert b"another shop" not in bytes(event.payload)


def test_it_appears_on_the_timeline(ada, at_desk, account, held):
    client = at_desk(ada)
    ask(client, account, held)

    assert "E-mail shown to ada" in client.get(f"/cases/{held.pk}/").content.decode()


def test_a_reviewer_who_does_not_hold_the_case_is_refused_and_that_is_told(ada, person, at_desk, account, held):
    other = person("emil", "reviewer")

    answer = ask(at_desk(other), account, held)

    assert answer.status_code == 409
    assert not Reveal.objects.exists()
    assert [facts["why"] for _, facts in events("pii.reveal_refused")] == ["not_theirs"]


def test_a_case_about_somebody_else_does_not_open_it(ada, at_desk, account, now):
    case = make_case(at="claimed", by=ada, now=now)

    assert ask(at_desk(ada), account, case).status_code == 409
    assert not Reveal.objects.exists()


@pytest.mark.parametrize("role", ["lead", "auditor"])
def test_who_checks_sees_it_on_any_case_they_may_know_of(person, at_desk, account, held, role):
    client = at_desk(person("emil", role))

    answer = ask(client, account, held, purpose="check")

    assert MAIL in said(client.get(answer["Location"]))


def test_the_privacy_officer_needs_no_case_but_a_reason_in_words(person, at_desk, account):
    client = at_desk(person("pia", "privacy"))

    assert ask(client, account, purpose="authority").status_code == 400
    answer = ask(client, account, purpose="authority", note="order 12/2026")
    assert MAIL in said(client.get(answer["Location"]))


@pytest.mark.parametrize("role", ["analyst", "operator", "admin"])
def test_other_roles_are_shown_nothing(person, at_desk, account, held, role):
    assert ask(at_desk(person("emil", role)), account, held).status_code == 403
    assert not Reveal.objects.exists()


def test_another_cannot_take_over_what_was_asked(ada, ben, at_desk, account, held):
    answer = ask(at_desk(ada), account, held)

    assert at_desk(ben).get(answer["Location"]).status_code == 404


@pytest.mark.parametrize("form", [{"purpose": ""}, {"purpose": "curiosity"}, {"purpose": "other", "note": "x"}])
def test_it_needs_a_purpose(ada, at_desk, account, held, form):
    assert ask(at_desk(ada), account, held, **form).status_code == 400
    assert not Reveal.objects.exists()


def test_a_birth_date_stays_in_the_minors_lane(ada, at_desk, account, held):
    assert ask(at_desk(ada), account, held, name="account.birth_date").status_code == 404


def test_a_case_of_another_lane_does_not_exist(ada, ruth, at_desk, account, now):
    hidden = make_case(at="claimed", by=ruth, account=account, risk_type="underage", now=now)

    assert ask(at_desk(ada), account, hidden).status_code == 404
    answer = ask(at_desk(ruth), account, hidden, name="account.birth_date")
    assert "2009-02-03" in at_desk(ruth).get(answer["Location"]).content.decode()


def test_an_erased_value_is_refused_in_so_many_words(ada, at_desk, account, held, now):
    VaultKey.objects.filter(pk=account.pk).update(wrapped=None, destroyed_at=now)

    answer = ask(at_desk(ada), account, held)

    assert answer.status_code == 409
    assert "was erased" in answer.content.decode()
    assert [facts["why"] for _, facts in events("pii.reveal_refused")] == ["erased"]


def test_the_twenty_first_within_an_hour_is_refused(ada, at_desk, account, held):
    client = at_desk(ada)
    answers = [ask(client, account, held).status_code for _ in range(21)]

    assert answers == [302] * 20 + [429]
    assert Reveal.objects.count() == 20
    assert [facts["why"] for _, facts in events("pii.reveal_refused")] == ["limit"]
    at = timezone.now() + timedelta(minutes=61)
    assert revealing.reveal(value_of(account), by=ada, now=at, purpose="decide", case=held.pk)


def test_a_value_of_content_or_of_colleagues_is_none_to_ask_for(ada, at_desk, account, held):
    note = keep(account.pk, "decision.note", "what a colleague thought", data_class="staff")

    assert at_desk(ada).post("/reveals/", {"value": note.pk, "case": held.pk, "purpose": "decide"}).status_code == 404


def test_it_is_too_late_after_some_minutes(ada, at_desk, account, held, now):
    client = at_desk(ada)
    answer = ask(client, account, held)

    with pytest.raises(Refused, match="covered again"):
        revealing.hand_over(Reveal.objects.get(), by=ada, now=timezone.now() + timedelta(minutes=5))
    assert client.get(answer["Location"]).status_code == 200


def test_what_breaks_while_it_is_read_leaves_the_row_and_shows_nothing(ada, at_desk, account, held):
    """The reading fails after the log: the seal is broken, so opening it raises."""
    value = value_of(account)
    VaultValue.objects.filter(pk=value.pk).update(sealed=b"\0" * 64)
    client = at_desk(ada)
    client.raise_request_exception = False

    answer = ask(client, account, held)
    page = client.get(answer["Location"])

    assert page.status_code == 500
    assert MAIL not in said(page)
    assert Reveal.objects.get().handed_at is not None
    assert len(events("pii.revealed")) == 1
