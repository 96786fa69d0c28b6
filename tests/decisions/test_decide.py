"""May I conclude this case, and what follows? One word, checked, frozen, held."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from moderation.cases import actions as cases
from moderation.cases.models import Case, Draft, Evidence
from moderation.decisions import actions
from moderation.decisions.models import Decision
from moderation.enforcement import connector
from moderation.enforcement.models import Enforcement
from portal.audit.models import AuditEvent
from portal.privacy.actions import open_value
from portal.refusal import Refused
from risk.intake.models import Account, Signal, Standing
from tests.make import BAN, NOON, later, make_case, make_decision, make_row_account, make_score


def decide(case, *, by, key="k1", now=NOON, **word):
    word = {"outcome": "warn", "reason_code": "bulk_messages", "version": case.version} | word
    return actions.decide(case, by=by, now=now, request_key=key, **word)


def test_it_holds_the_decision_for_the_undo_window(ada):
    case = make_case(at="claimed", by=ada)

    decision = decide(case, by=ada)

    assert (decision.status, decision.release_at) == ("held", later(seconds=10))
    assert (decision.policy.code, decision.label, decision.shown) == ("SPM-1.1", "positive", 60)
    case = Case.objects.get(pk=case.pk)
    assert (case.status, case.claimed_by, case.ended_at) == ("decided", None, NOON)
    assert not Enforcement.objects.exists()


@pytest.mark.parametrize(("outcome", "said"), [("warn", "Warn"), ("restrict", "Restrict")])
def test_it_refuses_what_cannot_be_done_where_the_account_is(ada, outcome, said):
    case = make_case(at="claimed", by=ada)
    Account.objects.filter(pk=case.account_id).update(platform="matrix")
    case = Case.objects.get(pk=case.pk)

    with pytest.raises(Refused, match=f"“{said}” cannot be done on matrix. Possible there: Limit reach, Suspend, Ban"):
        decide(case, by=ada, outcome=outcome, scope="live" if outcome == "restrict" else "")

    assert not Decision.objects.exists()


def test_it_refuses_what_nobody_would_carry_out(ada, monkeypatch):
    monkeypatch.setattr(connector, "serving", lambda platform: None)

    with pytest.raises(Refused, match="No backend serves the platform main"):
        decide(make_case(at="claimed", by=ada), by=ada)


def test_it_orders_the_effect_at_once_where_no_undo_is_wanted(ada):
    case = make_case(at="claimed", by=ada)

    decision = decide(case, by=ada, undo_seconds=0)

    assert decision.status == "released"
    action = Enforcement.objects.get()
    assert (action.kind, action.decision_id, action.policy) == ("warn", decision.pk, "SPM-1.1")
    assert Standing.objects.get().strikes == 1


def test_it_sends_nothing_for_no_action(ada):
    case = make_case(at="claimed", by=ada)

    decision = decide(case, by=ada, outcome="no_action", reason_code="not_violating", undo_seconds=0)

    assert (decision.status, decision.policy, decision.label) == ("released", None, "negative")
    assert not Enforcement.objects.exists()
    assert not Standing.objects.exists()


def test_it_freezes_what_lay_on_the_table(ada):
    case = make_case(at="claimed", by=ada)

    signal = Signal.objects.create(
        source="app", external_id="mail-of-somebody", kind="post", account=case.account, occurred_at=NOON
    )

    decision = decide(case, by=ada, evidence=["app:mail-of-somebody", "profile card"])

    frozen = Evidence.objects.get()
    assert decision.evidence == frozen
    assert b'"some_rule",60' in bytes(frozen.body)
    pointed = json.loads(bytes(frozen.body))["pointed"]
    assert pointed[0] == signal.audit_name
    assert open_value(pointed[1].split(":")[1]) == "profile card"
    assert not any(words in bytes(frozen.body) for words in (b"profile card", b"mail-of-somebody"))
    told = AuditEvent.objects.get(type="decision.held")
    assert bytes(frozen.digest).hex() in bytes(told.payload).decode()


def test_it_writes_each_step_into_the_log(ada):
    decide(make_case(at="claimed", by=ada), by=ada, undo_seconds=0)

    types = set(AuditEvent.objects.values_list("type", flat=True))
    assert {"case.decided", "decision.held", "decision.released", "enforcement.ordered"} <= types


def test_it_keeps_the_note_in_the_vault_and_out_of_the_log(ada):
    case = make_case(at="claimed", by=ada)

    decision = decide(case, by=ada, note="wrote to 40 strangers")

    assert open_value(decision.note) == "wrote to 40 strangers"
    assert not any(b"strangers" in bytes(event.payload) for event in AuditEvent.objects.all())


def test_it_needs_ones_own_claim(ada, ben):
    waiting = make_case()
    held_by_ben = make_case(at="claimed", by=ben)

    with pytest.raises(Refused, match="claim it before") as refused:
        decide(waiting, by=ada)
    assert (refused.value.status, refused.value.state) == (409, "waiting")
    with pytest.raises(Refused, match="Somebody else"):
        decide(held_by_ben, by=ada)


def test_it_refuses_a_case_that_changed_since_it_was_seen(ada):
    case = make_case(at="claimed", by=ada)

    with pytest.raises(Refused, match="has changed since") as refused:
        decide(case, by=ada, version=case.version - 1)

    assert (refused.value.status, refused.value.state) == (409, "claimed")


def test_the_same_key_and_content_answers_the_first_result(ada):
    case = make_case(at="claimed", by=ada)
    seen = case.version

    first = decide(case, by=ada, version=seen)
    again = decide(Case.objects.select_related("queue", "account").get(pk=case.pk), by=ada, version=seen)

    assert again == first
    assert Decision.objects.count() == 1


def test_the_same_key_with_other_content_is_refused(ada):
    case = make_case(at="claimed", by=ada)
    seen = case.version
    decide(case, by=ada, version=seen)

    with pytest.raises(Refused, match="another decision") as refused:
        decide(case, by=ada, version=seen, outcome="no_action", reason_code="not_violating")

    assert refused.value.status == 422


def test_a_ban_always_waits_for_a_second_person(ada):
    decision = decide(make_case(at="claimed", by=ada), by=ada, **BAN)

    assert (decision.status, decision.needs_approval, decision.release_at) == ("proposed", True, None)
    assert Case.objects.get().status == "proposed"


@pytest.mark.parametrize(("followers", "status"), [(9_999, "held"), (10_000, "proposed"), (None, "held")])
def test_the_workflow_says_when_a_suspension_needs_two(ada, followers, status):
    case = make_case(at="claimed", by=ada, **({} if followers is None else {"followers_count": followers}))

    decision = decide(case, by=ada, outcome="suspend", until=NOON + timedelta(days=3), note="three in a week")

    assert decision.status == status


@pytest.mark.parametrize(("days", "status"), [(3, "held"), (7, "held"), (8, "proposed")])
def test_a_long_suspension_for_bullying_needs_two(ada, days, status):
    case = make_case(at="claimed", by=ada, risk_type="bullying")

    decision = decide(
        case, by=ada, outcome="suspend", reason_code="insults_person", until=NOON + timedelta(days=days), note="again"
    )

    assert decision.status == status


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        ({"outcome": "suspend"}, "needs an end"),
        ({"outcome": "suspend", "until": NOON - timedelta(days=1)}, "in the past"),
        ({"outcome": "warn", "until": NOON + timedelta(days=1)}, "takes no end"),
        ({"outcome": "restrict"}, "one of live, messages"),
        ({"outcome": "restrict", "scope": "everything"}, "one of live, messages"),
        ({"outcome": "warn", "scope": "posts"}, "takes no scope"),
        ({"outcome": "hang"}, "no outcome"),
        ({"reason_code": "because"}, "no reason code"),
        ({"reason_code": "part_of_group"}, "belongs to fake account"),
        ({"outcome": "demonetize", "note": "n"}, "is no outcome of spam"),
        ({"outcome": "warn", "policy": "SPM-1.3"}, "stands for SPM-1.1"),
        ({"outcome": "warn", "reason_code": "not_violating"}, "implies no policy"),
        ({"outcome": "warn", "reason_code": "not_violating", "policy": "NO-1"}, "no policy NO-1"),
        (BAN | {"note": " "}, "needs a note"),
    ],
)
def test_it_says_what_does_not_fit(ada, word, sentence):
    case = make_case(at="claimed", by=ada)

    with pytest.raises(Refused, match=sentence) as refused:
        decide(case, by=ada, **word)

    assert refused.value.status == 400
    assert Case.objects.get().status == "claimed"


def test_a_policy_may_be_named_where_the_reason_implies_none(ada):
    decision = decide(make_case(at="claimed", by=ada), by=ada, reason_code="not_violating", policy="SPM-1.3")

    assert decision.policy.code == "SPM-1.3"


@pytest.mark.parametrize(("shown", "needs"), [(79, False), (80, True)])
def test_closing_a_high_score_needs_a_note(ada, shown, needs):
    case = make_case(at="claimed", by=ada, shown=shown)
    word = {"outcome": "no_action", "reason_code": "not_violating"}

    if needs:
        with pytest.raises(Refused, match="score of 80 needs a note"):
            decide(case, by=ada, **word)
    decision = decide(case, by=ada, **word, note="a bakery" if needs else "")

    assert decision.status == "held"


def test_leaving_the_ladder_needs_a_note(ada):
    account = make_row_account()
    make_decision(by=ada, at="released", case=make_case(at="claimed", by=ada, account=account))
    case = make_case(at="claimed", by=ada, account=account)  # one strike: the next rung is three days

    with pytest.raises(Refused, match="The ladder proposes “Suspend for 3 days”"):
        decide(case, by=ada)
    decision = decide(case, by=ada, outcome="suspend", until=NOON + timedelta(days=3))

    assert decision.status == "held"


def test_a_reason_that_needs_a_note_gets_one(ada):
    case = make_case(at="claimed", by=ada, risk_type="fake_account")

    with pytest.raises(Refused, match="Imitates somebody or something” needs a note"):
        decide(case, by=ada, outcome="label", reason_code="imitates")


def test_another_open_risk_type_of_the_account_may_be_decided(ada):
    case = make_case(at="claimed", by=ada, risk_type="account_takeover", queue="takeover")
    make_score(case.account, risk_type="spam", shown=70)

    decision = decide(case, by=ada, **BAN)

    assert (decision.risk_type, decision.status) == ("spam", "proposed")


def test_a_case_without_a_risk_type_follows_the_reason(ada, ruth):
    case = make_case(at="claimed", by=ruth, risk_type="", queue="notices")

    decision = decide(case, by=ruth, outcome="warn", reason_code="insults_person")

    assert decision.risk_type == "bullying"


def test_an_outcome_that_waits_for_somebody_leaves_the_case_pending(ruth):
    case = make_case(at="claimed", by=ruth, risk_type="underage")

    decide(case, by=ruth, outcome="verify_age", reason_code="ask_age", undo_seconds=0)

    case = Case.objects.get(pk=case.pk)
    assert (case.status, case.pending_until, case.pending_default) == ("pending", later(days=14), "ban proposed")
    assert Enforcement.objects.get().kind == "require_age_check"


def test_the_draft_is_gone_once_it_is_sent(ada):
    case = make_case(at="claimed", by=ada)
    cases.save_draft(case, by=ada, now=NOON, body={"outcome": "warn"}, note="not yet")

    decide(case, by=ada)

    assert not Draft.objects.exists()


def test_nobody_bans_more_than_thirty_an_hour(ada):
    for _ in range(30):
        make_decision(at="proposed", by=ada)
    case = make_case(at="claimed", by=ada)

    with pytest.raises(Refused, match="limit of 30 decisions of this kind"):
        decide(case, by=ada, key="one too many", **BAN)
    assert decide(case, by=ada, key="in the next hour", now=later(hours=2), **BAN).status == "proposed"


def test_a_program_has_no_personal_cap(ada):
    for _ in range(30):
        make_decision(at="proposed", by=ada)

    assert decide(make_case(at="claimed", by=ada), by=ada, limits=False, **BAN).status == "proposed"


def test_it_says_that_somebody_was_first_before_what_did_not_fit(ada):
    """The first decision gave a strike, which asks the second one for a note: but there is nothing left to decide."""
    case = make_case(at="claimed", by=ada)
    stale = Case.objects.select_related("account", "queue", "score").get(pk=case.pk)
    word = {"outcome": "warn", "reason_code": "bulk_messages", "undo_seconds": 0, "version": case.version}
    actions.decide(case, by=ada, now=NOON, request_key="first", **word)

    with pytest.raises(Refused) as refused:
        actions.decide(stale, by=ada, now=NOON, request_key="second", **word)

    assert (refused.value.status, refused.value.state) == (409, "decided")
