"""Do the ways out beside a decision work by plain form, and open the next case?"""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.make import make_case

pytestmark = pytest.mark.django_db


def post(client, case, verb, **fields):
    answer = client.post(f"/cases/{case.pk}/{verb}/", fields)
    case.refresh_from_db()
    return answer


def test_it_skips_with_a_reason_and_opens_the_next(ada, at_desk, mine, now):
    following = make_case(now=now)

    answer = post(at_desk(ada), mine, "skip", reason="I know the person")

    assert mine.status == "waiting"
    assert answer["Location"] == f"/cases/{following.pk}/"


def test_it_does_not_skip_without_a_reason(ada, at_desk, mine):
    answer = post(at_desk(ada), mine, "skip", reason="")

    assert answer.status_code == 409
    assert mine.status == "claimed"


def test_it_escalates_with_a_reason(ada, at_desk, mine):
    post(at_desk(ada), mine, "escalate", reason="a newspaper is involved")

    assert mine.queue.slug == "escalations"


def test_it_lets_a_case_wait_until_a_day(ada, at_desk, mine, now):
    post(at_desk(ada), mine, "wait", waiting_for="papers", until=(now + timedelta(days=3)).date().isoformat())

    assert mine.status == "pending"
    assert mine.pending_for == "papers"


def test_it_does_not_wait_without_a_day(ada, at_desk, mine):
    assert post(at_desk(ada), mine, "wait", waiting_for="papers", until="soon").status_code == 400
    assert mine.status == "claimed"


def test_it_releases_and_goes_to_the_desk(ada, at_desk, mine, now):
    make_case(now=now)
    answer = post(at_desk(ada), mine, "release")

    assert mine.status == "waiting"
    assert answer["Location"] == "/"


def test_it_hands_off_and_clears_the_screen(ada, at_desk, mine):
    answer = post(at_desk(ada), mine, "hand-off")

    assert mine.status == "handed_off"
    assert answer["Location"] == "/"


def test_danger_to_life_moves_the_case_at_once(ada, at_desk, mine):
    post(at_desk(ada), mine, "danger")

    assert mine.queue.slug == "danger"


def test_it_extends_the_claim_and_answers_the_ring(ada, at_desk, mine):
    before = mine.claimed_until
    answer = at_desk(ada).post(f"/cases/{mine.pk}/extend/", headers={"HX-Request": "true"})
    mine.refresh_from_db()

    assert mine.claimed_until >= before
    assert answer.content.decode().strip().startswith('<span id="claim-bar">')


def test_a_remark_is_kept_for_colleagues(ada, ben, at_desk, mine):
    post(at_desk(ada), mine, "annotate", text="Same wording as last week")

    assert "Same wording as last week" in at_desk(ben).get(f"/cases/{mine.pk}/").content.decode()


def test_a_lead_gives_a_case_to_somebody(ada, ben, person, at_desk, mine):
    milo = person("milo", "reviewer")
    post(at_desk(ben), mine, "reassign", to="milo")

    assert mine.claimed_by == milo


def test_a_reviewer_does_not(ada, at_desk, mine):
    assert post(at_desk(ada), mine, "reassign", to="").status_code == 403


def test_somebody_elses_case_is_not_left(person, at_desk, mine):
    milo = person("milo", "reviewer")

    assert post(at_desk(milo), mine, "skip", reason="no").status_code == 409
    assert mine.status == "claimed"
