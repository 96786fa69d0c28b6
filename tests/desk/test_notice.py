"""Does who decides see what the account holder will read, and everybody afterwards whether they did?"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from moderation.decisions import actions as decisions
from moderation.decisions.models import Decision
from moderation.desk.dossier import effects
from moderation.enforcement import actions as enforcement
from moderation.enforcement import notices
from moderation.enforcement.call import Answer, Meaning
from moderation.enforcement.models import Enforcement, Notice
from moderation.insight.outbox import page_of
from portal.people.models import User
from tests.make import BAN, make_case, make_decision, ship_settings

from .test_decide import decide

pytestmark = pytest.mark.django_db
SUSPEND = {"outcome": "suspend", "reason_code": "bulk_messages", "until_days": "7"}


def ask(client: Any, case: Any, **said: Any) -> str:
    said = {"outcome": "warn", "reason_code": "flooding"} | said
    return client.post(f"/cases/{case.pk}/notice/", said, headers={"HX-Request": "true"}).content.decode()


def page(client: Any, case: Any) -> str:
    return client.get(f"/cases/{case.pk}/").content.decode()


def test_it_shows_the_words_that_follow_from_what_is_filled_in(ada, at_desk, mine, now):
    html = ask(at_desk(ada), mine, **SUSPEND, made_at=now.isoformat())

    end = now + timedelta(days=7)
    assert f"Your account is suspended until {end.day} {end:%B %Y}" in html
    assert "(SPM-1.1)" in html
    assert "appeal free of charge within 184 days" in html


@pytest.mark.parametrize(
    "said",
    [
        {"outcome": ""},
        {"outcome": "no such"},
        {"outcome": "no_action"},
        {"reason_code": "not_violating"},
        {"reason_code": "x" * 500},
        {"outcome": "suspend"},
        {"outcome": "suspend", "until_days": "nine"},
        {"outcome": "restrict"},
        {"policy": "no such"},
    ],
)
def test_it_shows_nothing_while_too_little_is_said(ada, at_desk, mine, said):
    html = ask(at_desk(ada), mine, **said)

    assert "holder-notice" in html
    assert "will read" not in html


def test_it_shows_why_nobody_is_told(ada, at_desk, mine):
    client = at_desk(ada)

    assert "Article 17(2)" in ask(client, mine, outcome="ban", reason_code="deceptive_link")
    assert "said so, with a note" in ask(client, mine, silent="yes")


def test_it_is_shown_in_the_language_the_holder_reads(ada, at_desk, now):
    case = make_case(at="claimed", by=ada, now=now, lang="ar")

    html = ask(at_desk(ada), case)

    assert 'lang="ar" dir="auto"' in html


def test_nothing_is_kept_by_looking(ada, at_desk, mine):
    ask(at_desk(ada), mine)

    assert not Notice.objects.exists()
    assert not mine.drafts.exists()


def test_without_a_script_it_is_kept_as_the_draft_whose_page_shows_it(ada, at_desk, mine):
    client = at_desk(ada)

    answer = client.post(f"/cases/{mine.pk}/notice/", {"outcome": "warn", "reason_code": "flooding", "note": "half"})

    assert answer["Location"] == f"/cases/{mine.pk}/"
    html = page(client, mine)
    assert "We looked at your account" in html
    assert "half" in html


def test_a_case_of_another_lane_is_not_told_of(ada, at_desk, ruth, now):
    hidden = make_case(at="claimed", by=ruth, risk_type="underage", now=now)

    answer = at_desk(ada).post(f"/cases/{hidden.pk}/notice/", {"outcome": "ban"})

    assert answer.status_code == 404


def test_nobody_told_is_said_on_the_panel_with_a_note(ada, at_desk, mine):
    client = at_desk(ada)

    refused = decide(client, mine, silent="yes")
    assert refused.status_code == 400
    assert "name the order or the law" in refused.content.decode()

    decide(client, mine, silent="yes", note="order LR-031")
    assert Decision.objects.get().notify is False


def test_a_taken_back_decision_keeps_that_nobody_is_told(ada, at_desk, mine):
    client = at_desk(ada)
    decide(client, mine, silent="yes", note="order LR-031")

    client.post(f"/decisions/{Decision.objects.get().pk}/undo/")

    assert 'name="silent" value="yes" checked' in page(client, mine)


def test_the_second_person_sees_what_will_be_read(ada, ben, at_desk, mine, now):
    said = BAN | {"reason_code": "bulk_messages", "note": "x"}
    make_decision(at="proposed", by=ada, case=mine, now=now, **said)

    assert "Your account is closed for good" in at_desk(ben).get("/approvals/").content.decode()
    assert "Your account is closed for good" in page(at_desk(ben), mine)


def test_the_case_says_where_the_notice_stands(ada, at_desk, mine, now):
    make_decision(at="released", by=ada, case=mine, now=now)
    client = at_desk(ada)
    assert "told once it is in force" in page(client, mine)

    effect = Enforcement.objects.get()
    enforcement._settle(
        enforcement._claim(effect.account_id, now=None), Answer(Meaning.APPLIED, "ok"), now=None, at=now
    )
    assert "on its way" in page(client, mine)

    enforcement._settle(
        enforcement._claim(effect.account_id, now=None), Answer(Meaning.APPLIED, "ok"), now=None, at=now
    )
    html = page(client, mine)
    assert "delivered" in html
    assert "N-WARN, version 1, in en" in html


def test_the_case_says_when_it_could_not_be_delivered_or_was_dropped(ada, ben, at_desk, mine, now):
    make_decision(at="released", by=ada, case=mine, now=now)
    effect = Enforcement.objects.get()
    sent = enforcement._claim(effect.account_id, now=None)
    enforcement._settle(sent, Answer(Meaning.NEVER, "answered 400"), now=None, at=now)
    effect.refresh_from_db()
    enforcement.skip(effect, by=ben, now=now, reason="gone")

    assert "not sent: given up by a lead" in page(at_desk(ben), mine)

    notices.drop(Notice.objects.select_related("decision").get(), why=notices.OVER, by=ben, now=now, at=now)
    assert f"not sent: {notices.OVER}" in page(at_desk(ben), mine)


def test_the_case_says_why_nobody_was_told(ada, ben, at_desk, mine, now):
    decision = make_decision(at="proposed", by=ada, case=mine, now=now, **BAN)
    decisions.approve(decision, by=ben, now=now)

    assert "is not told: Regulation (EU) 2022/2065, Article 17(2)" in page(at_desk(ben), mine)


def test_a_delay_is_shown_on_the_case_and_in_the_outbox(ada, ben, mine, now, monkeypatch):
    ship_settings()
    decisions.publish_policy("SPM-1.1", by=User.objects.service("system"), now=now, delay_minutes_max=30)
    from moderation.decisions import releasing

    monkeypatch.setattr(releasing.secrets, "randbelow", lambda n: n - 1)
    make_decision(at="released", by=ada, case=mine, now=now)

    [shown] = effects(mine.account, now=now, case=mine)
    assert shown["waits_until"] == now + timedelta(minutes=30)
    [row], _ = page_of(ben, {}, now=now)
    assert row["again"].endswith("(delay of the policy)")
    assert page_of(ben, {}, now=now + timedelta(minutes=31))[0][0]["again"] == ""
