"""Does the privacy officer see who was shown what, and say whether it was in order, never about themselves?"""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from moderation.insight import reveals
from portal.audit.models import AuditEvent
from portal.privacy import revealing
from portal.privacy.models import Reveal, VaultValue
from portal.refusal import Refused
from tests.make import make_account, make_case

pytestmark = pytest.mark.django_db


@pytest.fixture
def now():
    return timezone.now()


@pytest.fixture
def pia(person):
    return person("pia", "privacy")


@pytest.fixture
def account(now):
    return make_account(now=now, handle="lu_super_deals", email="lu@mail.example")


def show(account, *, by, now, name="account.email", **more):
    value = VaultValue.objects.select_related("subject").get(subject=account.pk, name=name)
    return revealing.reveal(value, by=by, now=now, purpose=more.pop("purpose", "decide"), **more)


def review(client, reveal, verdict="in_order", **more):
    return client.post(f"/privacy/reveals/{reveal.pk}/review/", {"verdict": verdict, **more})


def test_it_lists_who_was_shown_what_and_why(signed_in, pia, ada, account, now):
    show(account, by=ada, now=now, purpose="other", note="to compare with a shop of that name")

    html = signed_in(pia).get("/privacy/reveals/").content.decode()

    assert "E-mail" in html
    assert "to compare with a shop" in html
    assert "lu•••deals" in html
    assert "lu@mail.example" not in html
    assert AuditEvent.objects.filter(type="audit.viewed", by=pia.audit_name).count() == 1


def test_it_keeps_what_the_officer_says_and_tells_it(signed_in, pia, ada, account, now):
    row = show(account, by=ada, now=now)

    answer = review(signed_in(pia), row)

    row.refresh_from_db()
    assert answer.status_code == 302
    assert (row.verdict, row.reviewed_by) == ("in_order", pia)
    event = AuditEvent.objects.get(type="reveal.reviewed")
    assert {row.audit_name, account.audit_name, ada.audit_name} <= set(event.subjects)
    assert json.loads(bytes(event.payload))["facts"] == {"verdict": "in_order"}


def test_htmx_gets_the_row(signed_in, pia, ada, account, now):
    row = show(account, by=ada, now=now)

    answer = signed_in(pia).post(
        f"/privacy/reveals/{row.pk}/review/", {"verdict": "in_order"}, headers={"HX-Request": "true"}
    )

    assert f'id="reveal-{row.pk}"' in answer.content.decode()
    assert "<html" not in answer.content.decode()


def test_not_in_order_needs_words(signed_in, pia, ada, account, now):
    row, client = show(account, by=ada, now=now), signed_in(pia)

    assert review(client, row, "not_in_order").status_code == 400
    assert review(client, row, "not_in_order", note="no case was near it").status_code == 302
    assert "no case was near it" in client.get("/privacy/reveals/").content.decode()


def test_nobody_reviews_their_own(signed_in, pia, account, now):
    row = show(account, by=pia, now=now, purpose="authority", note="order 12/2026")

    assert review(signed_in(pia), row).status_code == 409
    with pytest.raises(IntegrityError), transaction.atomic():
        Reveal.objects.filter(pk=row.pk).update(verdict="in_order", reviewed_by=pia, reviewed_at=now)


def test_it_is_said_once(signed_in, pia, person, ada, account, now):
    row = show(account, by=ada, now=now)
    review(signed_in(pia), row)

    assert review(signed_in(person("paul", "privacy")), row, "not_in_order", note="I disagree").status_code == 409


@pytest.mark.parametrize("role", ["reviewer", "specialist", "lead", "auditor", "admin"])
def test_it_is_the_privacy_officers_page(signed_in, person, role):
    assert signed_in(person("emil", role)).get("/privacy/reveals/").status_code == 403


def test_what_is_of_another_lane_does_not_exist(signed_in, pia, ruth, account, now):
    case = make_case(at="claimed", by=ruth, account=account, risk_type="underage", now=now)
    row = show(account, by=ruth, now=now, case=case.pk)

    assert str(row.pk) not in signed_in(pia).get("/privacy/reveals/").content.decode()
    assert review(signed_in(pia), row).status_code == 404


def test_it_marks_what_is_repeated(pia, ada, account, now):
    show(account, by=ada, now=now)
    show(account, by=ada, now=now)
    rows, _ = reveals.page_of(pia, reveals.week_of("", now=now), only_open=False, mark="")

    assert [row["marks"] for row in rows] == [["the same value 2 times"]] * 2


def test_it_marks_several_values_of_one_account(pia, ada, account, now):
    show(account, by=ada, now=now)
    row = show(account, by=ada, now=now, name="account.handle")

    assert reveals.row_of(row, by=pia)["marks"] == ["2 on this account"]


def test_it_marks_who_looks_at_far_more_than_the_others(pia, person, ada, now):
    emil, zoe = person("emil", "reviewer"), person("zoe", "reviewer")
    accounts = [make_account(now=now, email=f"a{n}@mail.example") for n in range(7)]
    for one in accounts[:6]:
        show(one, by=ada, now=now)
    for other in (emil, zoe):
        show(accounts[0], by=other, now=now)
        show(accounts[1], by=other, now=now)
    quiet = show(accounts[2], by=zoe, now=now)  # zoe: 3, emil: 2; the median beside Ada is 2.5

    rows, _ = reveals.page_of(pia, reveals.week_of("", now=now), only_open=False, mark="")
    assert {mark for row in rows for mark in row["marks"]} == set()
    show(accounts[6], by=ada, now=now)
    loud = show(make_account(now=now, email="b@mail.example"), by=ada, now=now)
    assert reveals.row_of(loud, by=pia)["marks"] == ["8 this week, others 2.5"]
    assert reveals.row_of(quiet, by=pia)["marks"] == []


def test_it_pages_by_a_cursor_and_by_weeks(pia, ada, account, now, settings):
    settings.REVEALS_AN_HOUR = 1000
    start = reveals.week_of("", now=now).start
    for n in range(reveals.PAGE + 3):
        show(account, by=ada, now=start + timedelta(minutes=n))
    show(account, by=ada, now=start - timedelta(days=1))
    week = reveals.week_of("", now=now)

    first, mark = reveals.page_of(pia, week, only_open=False, mark="")
    second, end = reveals.page_of(pia, week, only_open=False, mark=mark)

    assert [len(first), len(second), end] == [reveals.PAGE, 3, None]
    assert len({row["pk"] for row in first + second}) == reveals.PAGE + 3
    assert len(reveals.page_of(pia, reveals.week_of(str((start - timedelta(days=3)).date()), now=now),
                               only_open=False, mark="")[0]) == 1  # fmt: skip


def test_a_bad_day_is_said_to_be_one(signed_in, pia):
    assert signed_in(pia).get("/privacy/reveals/?week=2026-13-40").status_code == 400


def test_it_counts_what_was_refused(signed_in, pia, ada, account, now):
    with pytest.raises(Refused):
        show(account, by=ada, now=now, why_not="not yours")

    assert reveals.summary(pia, reveals.week_of("", now=now))["refused"] == 1
