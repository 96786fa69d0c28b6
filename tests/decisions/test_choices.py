"""What stands on the decide panel?"""

from __future__ import annotations

from datetime import timedelta

from moderation.decisions import actions, reading, unread
from moderation.decisions.models import Policy
from risk.intake.models import Account
from tests.make import NOON, make_case, make_decision, make_row_account, make_score, ship_settings


def test_it_shows_the_workflows_outcomes_reasons_and_questions(ada):
    case = make_case(at="claimed", by=ada)

    panel = reading.choices(case, now=NOON)

    assert [one["code"] for one in panel["outcomes"]] == ["no_action", "warn", "restrict", "suspend", "ban", "secure"]
    codes = {one["code"]: one for one in panel["reason_codes"]}
    assert set(codes) == {
        "bulk_messages", "deceptive_link", "flooding", "owner_not_in_control",
        "not_violating", "insufficient_evidence", "already_actioned", "account_gone",
    }  # fmt: skip
    assert (codes["deceptive_link"]["key"], codes["deceptive_link"]["policy_title"]) == ("2", "Deceptive links")
    assert panel["asks"][0] == {
        "id": "1",
        "text": "Is the owner likely in control?",
        "options": ["yes", "no", "unclear"],
    }
    assert panel["asks"][1] == {"id": "2", "text": "Language of the campaign", "options": []}


def test_it_proposes_the_rung_for_each_reason(ada):
    case = make_case(at="claimed", by=ada)

    rungs = reading.choices(case, now=NOON)["rungs"]

    assert rungs["bulk_messages"] == {"outcome": "warn", "days": 0, "until": "", "says": "Warn"}
    assert (rungs["deceptive_link"]["outcome"], rungs["deceptive_link"]["days"]) == ("suspend", 3)
    assert rungs["deceptive_link"]["until"] == (NOON + timedelta(days=3)).isoformat(timespec="minutes")
    assert "not_violating" not in rungs
    assert "owner_not_in_control" not in rungs  # a protection has no strikes


def test_it_counts_the_strikes_in_force(ada):
    account = make_row_account()
    make_decision(at="released", by=ada, case=make_case(at="claimed", by=ada, account=account))

    panel = reading.choices(make_case(account=account), now=NOON)

    assert (panel["strikes"], panel["rungs"]["bulk_messages"]["says"]) == (1, "Suspend for 3 days")
    assert reading.choices(make_case(account=account), now=NOON + timedelta(days=181))["strikes"] == 0


def test_it_says_who_must_agree_before_it_is_sent(ada):
    ship_settings()
    account = make_row_account(followers_count=20_000)

    outcomes = {one["code"]: one for one in reading.choices(make_case(account=account), now=NOON)["outcomes"]}

    assert "established account" in outcomes["ban"]["second_person_why"]
    assert outcomes["suspend"]["second_person"]
    assert not outcomes["warn"]["second_person"]
    bullying = {one["code"]: one for one in reading.choices(make_case(risk_type="bullying"), now=NOON)["outcomes"]}
    assert (bullying["suspend"]["second_person"], bullying["suspend"]["second_person_why"]) == (
        False,
        "A second person where until_days > 7.",
    )


def test_it_offers_the_other_types_the_account_is_about(ada):
    case = make_case(risk_type="spam")
    make_score(case.account, risk_type="fake_account", shown=70)
    make_score(case.account, risk_type="underage", shown=70)  # another lane: not to be learnt here

    assert reading.choices(case, now=NOON)["risk_types"] == ["fake_account", "spam"]
    other = reading.choices(case, now=NOON, workflow="fake_account")
    assert other["risk_type"] == "fake_account"
    assert "part_of_group" in {one["code"] for one in other["reason_codes"]}


def test_a_case_without_a_type_lets_the_reviewer_choose(ruth):
    case = make_case(risk_type="", queue="notices")

    panel = reading.choices(case, now=NOON)

    assert (panel["risk_type"], len(panel["risk_types"])) == ("", 11)
    assert [one["code"] for one in panel["outcomes"]] == ["no_action"]


def test_it_costs_a_bounded_number_of_queries(ada, django_assert_max_num_queries):
    case = make_case(at="claimed", by=ada)

    with django_assert_max_num_queries(12):
        reading.choices(case, now=NOON)


def test_a_changed_policy_is_unread_until_it_is_read_once(ada, ben):
    ship_settings()
    assert not unread.changed_policies(ada).exists()  # what shipped is not a change

    policy = actions.publish_policy("SPM-1.1", by=ben, now=NOON, text="New words.")
    assert (policy.version, policy.title) == (3, "Unsolicited bulk messages")
    assert Policy.objects.get(code="SPM-1.1", in_force=True) == policy
    assert unread.unread_policy(ada, "spam") == "SPM-1.1 (Unsolicited bulk messages)"
    assert unread.unread_policy(ada, "bullying") == ""
    actions.acknowledge(policy, by=ada, now=NOON)
    actions.acknowledge(policy, by=ada, now=NOON)

    assert unread.unread_policy(ada, "spam") == ""
    assert ada.acknowledgements.count() == 1


def test_it_says_what_cannot_be_done_where_the_account_is(ada):
    account = make_row_account()
    Account.objects.filter(pk=account.pk).update(platform="matrix")

    panel = reading.choices(make_case(account=Account.objects.get(pk=account.pk)), now=NOON)

    cannot = {one["code"]: one["why_not"] for one in panel["outcomes"] if one["why_not"]}
    assert set(cannot) == {"warn", "restrict"}
    assert cannot["warn"].startswith("“Warn” cannot be done on matrix. Possible there: ")


def test_on_our_own_platform_everything_can_be_done(ada):
    panel = reading.choices(make_case(), now=NOON)

    assert {one["why_not"] for one in panel["outcomes"]} == {None}
