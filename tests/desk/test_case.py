"""Does one screen tell who, why, what, before and with whom, and nothing that is not for these eyes?"""

from __future__ import annotations

import pytest

from moderation.cases import actions as cases
from portal.audit.models import AuditEvent
from risk.intake import actions as intake
from risk.intake.models import Account
from risk.strategy import actions as strategies
from tests.make import make_case, make_decision, make_score

pytestmark = pytest.mark.django_db


@pytest.fixture
def told(system, now):
    """An account with a hostile message, reports and a shared device."""
    strategies.ship(by=system, now=now)
    account = {
        "platform": "main",
        "id": "70231",
        "attributes": {"handle": "lucky_deals", "email": "lucky@shop.example", "followers_count": 12},
    }
    other = {"platform": "main", "id": "70232", "attributes": {"handle": "other_one"}}
    device = [{"kind": "device", "value": "the-device"}]

    def told_by(number, kind):
        return {"source": "app", "external_id": number, "kind": kind, "occurred_at": now.isoformat()}

    register = {"app_version": "1", "method": "email", "user_agent": "x", "network": "mobile", "seconds": 9}
    message = {
        "sent": 96,
        "distinct_targets": 92,
        "replies": 1,
        "near_duplicates": 214,
        "window_minutes": 29,
        "sample": "<script>alert(1)</script> https://prize.example/x\u202e",
    }
    receipt = intake.ingest(
        [
            {**told_by("1", "registration"), "account": account, "data": register, "links": device},
            {**told_by("2", "message"), "account": account, "data": message},
            {
                **told_by("3", "user_report"),
                "account": account,
                "data": {
                    "reason": "scam",
                    "reporter": "reporter-4711",
                    "text": "She wrote to me too",
                    "language": "en",
                },
            },
            {**told_by("4", "registration"), "account": other, "data": register, "links": device},
        ],
        by=system,
        now=now,
        door="seed",
    )
    assert receipt.accepted == 4, receipt.rejected
    return Account.objects.get(external_id="70231")


def page(client, case):
    answer = client.get(f"/cases/{case.pk}/")
    assert answer.status_code == 200
    return answer.content.decode()


def test_it_shows_the_whole_case(ada, at_desk, told, now):
    case = make_case(account=told, shown=90, now=now)
    html = page(at_desk(ada), case)

    assert "lu•••" in html
    assert "Posts a lot" in html  # why
    assert "hxxps://prize[.]example" in html  # what
    assert "1 on one device" in html  # with whom
    assert "Case 1 opened" in html or f"Case {case.pk} opened" in html  # before
    assert "Claim this case" in html


def test_evidence_cannot_act(ada, at_desk, told, now):
    html = page(at_desk(ada), make_case(account=told, now=now))

    assert "<script>alert" not in html
    assert "https://prize.example" not in html
    assert "U+202E" in html


def test_no_personal_value_of_anybody_stands_on_the_page(ada, at_desk, told, now):
    html = page(at_desk(ada), make_case(account=told, now=now))

    for personal in ("lucky_deals", "lucky@shop.example", "other_one", "reporter-4711"):
        assert personal not in html


def test_a_look_is_written_down_once_in_five_minutes(ada, at_desk, now):
    case = make_case(now=now)
    client = at_desk(ada)
    page(client, case)
    page(client, case)

    assert AuditEvent.objects.filter(type="case.viewed", by=ada.audit_name).count() == 1


def test_a_case_of_another_lane_does_not_exist(ada, ruth, at_desk, now):
    case = make_case(risk_type="underage", now=now)

    assert at_desk(ada).get(f"/cases/{case.pk}/").status_code == 404
    page(at_desk(ruth), case)


def test_scores_of_another_lane_are_not_shown(ada, ruth, at_desk, now):
    case = make_case(now=now)
    make_score(case.account, risk_type="underage", shown=50, now=now)

    assert "Underage" not in page(at_desk(ada), case)
    assert "Underage" in page(at_desk(ruth), case)


def test_a_model_verdict_is_not_shown_as_points_of_ours(ada, at_desk, now):
    case = make_case(now=now)
    case.score = make_score(case.account, shown=91, model="spamnet-4", now=now)
    case.save()

    html = page(at_desk(ada), case)

    assert "a verdict of the model" in html
    assert "spamnet-4" in html
    assert "Sum 91" not in html


def test_what_a_rule_lacked_is_named(ada, at_desk, now):
    case = make_case(now=now)
    case.score.missing = {"sp_known_phishing": ["top_domain"]}
    case.score.save()

    assert "top_domain" in page(at_desk(ada), case)


def test_distressing_evidence_is_covered_at_first(ada, at_desk, told, now):
    html = page(at_desk(ada), make_case(account=told, risk_type="bullying", now=now))

    assert '<details class="cover">' in html


def test_the_holder_sees_the_panel_with_keys_policies_and_ladder(ada, at_desk, now):
    html = page(at_desk(ada), make_case(at="claimed", by=ada, now=now))

    assert 'name="reason_code" value="deceptive_link" required data-key="2"' in html
    assert "Links must not lead to pages" in html
    assert "Ladder: strike 2 of 5" in html
    assert "Every ban needs a second person." in html


def test_somebody_else_sees_who_holds_it(milo_of, ada, at_desk, now):
    case = make_case(at="claimed", by=milo_of, now=now)
    html = page(at_desk(ada), case)

    assert "claimed by milo" in html
    assert "Somebody else is working on this case." in html
    assert 'name="reason_code"' not in html


@pytest.fixture
def milo_of(person):
    return person("milo", "reviewer")


def test_a_draft_is_filled_in_again(ada, at_desk, now):
    case = make_case(at="claimed", by=ada, now=now)
    cases.save_draft(case, by=ada, now=now, body={"outcome": "warn", "reason_code": "flooding"}, note="half a thought")

    html = page(at_desk(ada), case)

    assert "half a thought" in html
    assert 'value="flooding" required data-key="3" data-suggests="warn" data-days="" checked' in html


def test_a_sealed_case_shows_no_evidence(person, at_desk, told, now):
    ruth = person("ruth", "specialist")
    case = make_case(account=told, at="claimed", by=ruth, now=now)
    cases.hand_off(case, by=ruth, now=now)

    html = page(at_desk(ruth), case)

    assert "The evidence is sealed" in html
    assert "prize" not in html


def test_what_was_decided_and_what_came_of_it_is_shown(ada, ben, at_desk, now):
    case = make_case(at="claimed", by=ada, now=now)
    make_decision(at="released", by=ada, case=case, now=now)

    html = page(at_desk(ben), case)

    assert "released" in html
    assert "waits to be sent" in html
    assert "Reverse" in html


def test_a_second_person_gives_their_word_on_the_case(ada, ben, at_desk, now):
    case = make_case(at="claimed", by=ada, now=now)
    decision = make_decision(at="proposed", by=ada, case=case, now=now)

    assert f"/decisions/{decision.pk}/approve/" in page(at_desk(ben), case)
    assert f"/decisions/{decision.pk}/approve/" not in page(at_desk(ada), case)


def test_an_account_page_hides_evidence_from_who_works_no_cases(person, at_desk, told):
    html = at_desk(person("noor", "analyst")).get("/accounts/main/70231/").content.decode()

    assert "Evidence is for those who work cases" in html
    assert "prize" not in html


def test_it_costs_a_bounded_number_of_queries(ada, at_desk, at_most, told, now):
    case = make_case(at="claimed", by=ada, account=told, now=now)
    client = at_desk(ada)
    page(client, case)

    with at_most(40):
        page(client, case)
