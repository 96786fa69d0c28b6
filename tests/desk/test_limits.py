"""Does a lead see who is at their limit of an hour, and open it there?"""

from __future__ import annotations

import pytest
from django.utils import timezone

from moderation.decisions import caps
from moderation.decisions.models import CapOpening
from tests.make import make_decision


@pytest.fixture
def full(ada, monkeypatch):
    """Ada made the two bans she may."""
    monkeypatch.setitem(caps.CAPS_AN_HOUR, "ban", 2)
    for _ in range(2):
        make_decision(at="proposed", by=ada, now=timezone.now())
    return ada


def page(client):
    return " ".join(client.get("/approvals/").content.decode().split())


def test_a_lead_sees_who_is_at_the_limit_and_opens_it(full, ben, at_desk):
    client = at_desk(ben)
    assert "made 2 bans within an hour" in page(client)
    assert f"/approvals/limits/{full.pk}/ban/open/" in page(client)

    form = {"number": "5", "hours": "2", "reason": "a wave of <b>copied</b> shops"}
    answer = client.post(f"/approvals/limits/{full.pk}/ban/open/", form, follow=True)

    said = " ".join(answer.content.decode().split())
    assert "Opened: 5 more bans for ada" in said
    assert "may make 5 more of 5 bans" in said
    assert "a wave of &lt;b&gt;copied&lt;/b&gt; shops" in said
    assert "made 2 bans within an hour" not in said
    opening = CapOpening.objects.get()
    assert (opening.person, opening.opened_by, opening.number) == (full, ben, 5)


def test_the_rail_counts_them_for_a_lead(full, ben, at_desk):
    from moderation.desk.counts import rail_counts

    assert rail_counts(ben)["approvals"] == "3"  # two bans to agree to, and one person at the limit


def test_a_specialist_who_approves_does_not_see_or_open_limits(full, ruth, at_desk):
    client = at_desk(ruth)

    assert "within an hour" not in page(client)
    assert client.post(f"/approvals/limits/{full.pk}/ban/open/", {"number": "5"}).status_code == 403


def test_a_lead_at_the_limit_is_told_that_another_must_open_it(ben, at_desk, monkeypatch):
    monkeypatch.setitem(caps.CAPS_AN_HOUR, "ban", 1)
    make_decision(at="proposed", by=ben, now=timezone.now())
    client = at_desk(ben)

    assert "You cannot open your own limit; another lead can." in page(client)
    assert "/ban/open/" not in page(client)
    answer = client.post(f"/approvals/limits/{ben.pk}/ban/open/", {"number": "5", "hours": "1", "reason": "for myself"})
    assert answer.status_code == 409


@pytest.mark.parametrize("number", ["", "x", "-1", "0", "31", "99999999999", "²"])
def test_a_number_that_is_none_is_refused(full, ben, at_desk, number):
    form = {"number": number, "hours": "1", "reason": "a wave of copied shops"}

    assert at_desk(ben).post(f"/approvals/limits/{full.pk}/ban/open/", form).status_code == 400
    assert not CapOpening.objects.exists()


def test_there_is_nothing_to_open_of_nobody(ben, at_desk):
    form = {"number": "5", "hours": "1", "reason": "a wave of copied shops"}

    assert at_desk(ben).post("/approvals/limits/999999/ban/open/", form).status_code == 404
    assert "Limits of an hour" not in page(at_desk(ben))


def test_one_more_is_one_ban(full, ben, at_desk):
    client = at_desk(ben)
    form = {"number": "1", "hours": "1", "reason": "a wave of spam"}

    said = client.post(f"/approvals/limits/{full.pk}/ban/open/", form, follow=True).content.decode()

    assert "Opened: 1 more ban for ada" in said
    assert "may make 1 more of 1 ban until" in said
