"""Is the account holder told of a decision, in their language, unless there is a reason not to?"""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from moderation.cases import actions as cases
from moderation.decisions import actions, telling
from moderation.decisions.models import Decision
from moderation.enforcement import actions as enforcement
from moderation.enforcement.models import Enforcement, Notice
from portal.audit.models import AuditEvent
from portal.local.platform import Platform
from portal.privacy.actions import open_value
from portal.refusal import Refused
from risk.intake.models import Account
from tests.make import BAN, NOON, later, make_case, make_decision

SUSPEND = {"outcome": "suspend", "reason_code": "bulk_messages", "until": NOON + timedelta(days=7), "note": "often"}


def decide(by: Any, *, lang: str = "en", **word: Any) -> Decision:
    case = make_case(at="claimed", by=by, lang=lang)
    return make_decision(at="released", by=by, case=case, **(word or SUSPEND))


def drain(decision: Decision) -> None:
    enforcement.drain(decision.account_id, now=NOON)


def told(platform: Platform) -> list[dict[str, Any]]:
    return [row["notice"] for row in platform.ledger.rows if row["kind"] == "notify"]


def kinds(platform: Platform) -> list[str]:
    return [row["kind"] for row in platform.ledger.rows]


def facts(kind: str) -> dict[str, Any]:
    event = AuditEvent.objects.filter(type=kind).latest("id")
    return dict(json.loads(bytes(event.payload))["facts"])


def test_it_writes_what_follows_the_effect_and_sends_it_behind(ada, platform):
    decision = decide(ada)
    notice = Notice.objects.get()

    assert (notice.decision, notice.effect.kind, notice.order) == (decision, "suspend", None)
    drain(decision)

    [sent] = told(platform)
    assert kinds(platform) == ["suspend", "notify"]
    assert (sent["template"], sent["version"], sent["language"], sent["appeal_url"]) == ("N-SUSPEND", 1, "en", "")
    assert sent["text"].startswith("Your account is suspended until 27 November 2026, 12:00 UTC.")
    assert sent["text"] == open_value(notice.text)
    assert str(decision.pk) in sent["text"]


def test_nothing_is_written_before_the_undo_window_is_over(ada):
    decision = make_decision(by=ada, case=make_case(at="claimed", by=ada), **SUSPEND)
    assert not Notice.objects.exists()

    actions.undo(decision, by=ada, now=later(seconds=5))
    actions.release_due(now=later(seconds=30))

    assert not Notice.objects.exists()


@pytest.mark.parametrize(("lang", "language"), [("pt-BR", "pt"), ("ar", "ar"), ("fi", "en")])
def test_it_is_told_in_the_accounts_language_or_the_fallback(ada, platform, lang, language):
    drain(decide(ada, lang=lang))

    assert told(platform)[0]["language"] == language


def test_no_action_tells_nothing(ada):
    decision = decide(ada, outcome="no_action", reason_code="not_violating")

    assert not Notice.objects.exists()
    assert decision.untold == ""


def test_a_hand_off_to_child_safety_tells_nothing(ada):
    case = make_case(at="claimed", by=ada)

    cases.hand_off(case, by=ada, now=NOON)
    actions.release_due(now=later(minutes=5))

    assert not Notice.objects.exists()
    assert not Enforcement.objects.exists()


def test_deceptive_commercial_content_is_not_told_by_the_law_that_allows_it(ada, ben, platform):
    decision = make_decision(at="proposed", by=ada, **BAN)

    actions.approve(decision, by=ben, now=NOON)
    drain(decision)

    assert kinds(platform) == ["ban"]
    assert (decision.untold, facts("decision.released")["untold"]) == ("rules", "rules")
    assert "Article 17(2)" in telling.said_of("rules", outcome="ban", policy="SPM-1.2")


def test_who_decides_may_say_that_nobody_is_told_with_a_note(ada, platform):
    with pytest.raises(Refused, match="name the order or the law"):
        decide(ada, **SUSPEND | {"note": "  ", "notify": False})

    decision = decide(ada, **SUSPEND | {"note": "order LR-031 forbids it", "notify": False})
    drain(decision)

    assert kinds(platform) == ["suspend"]
    assert (decision.untold, facts("decision.held")["notify"]) == ("person", "no")


def test_the_same_key_with_another_word_about_telling_is_another_decision(ada):
    case = make_case(at="claimed", by=ada)
    said = {"by": ada, "now": NOON, "version": case.version, "request_key": "one-key", **SUSPEND}
    actions.decide(case, **said)

    with pytest.raises(Refused, match="used for another decision"):
        actions.decide(case, **said, notify=False)


def test_a_backend_that_takes_no_messages_is_sent_none_and_the_decision_says_so(ada):
    case = make_case(at="claimed", by=ada)
    Account.objects.filter(pk=case.account_id).update(platform="matrix")
    case.account.refresh_from_db()

    decision = make_decision(at="released", by=ada, case=case, **SUSPEND | {"until": later(days=3)})

    assert not Notice.objects.exists()
    assert decision.untold == "backend"


def test_a_reversal_says_so_to_whoever_was_told(ada, ben, platform):
    decision = decide(ada)
    drain(decision)

    actions.reverse(decision, by=ben, now=later(hours=1), reason_code="not_violating")
    enforcement.drain(decision.account_id, now=later(hours=1))

    assert kinds(platform) == ["suspend", "notify", "unsuspend", "notify"]
    assert told(platform)[1]["template"] == "N-UNDONE"
    assert "The measure of 20 November 2026 against your account is lifted" in told(platform)[1]["text"]


def test_a_reversal_before_anything_was_sent_tells_nothing_at_all(ada, ben, platform):
    decision = decide(ada)

    actions.reverse(decision, by=ben, now=NOON, reason_code="not_violating")
    drain(decision)

    assert kinds(platform) == ["unsuspend"]
    assert set(Notice.objects.values_list("order", flat=True)) == {None}


def test_a_reversal_of_what_cannot_be_lifted_is_told_at_once(ada, ben, platform):
    decision = make_decision(at="released", by=ada)  # a warning
    drain(decision)

    actions.reverse(decision, by=ben, now=NOON, reason_code="not_violating")
    drain(decision)

    assert kinds(platform) == ["warn", "notify", "notify"]


def test_a_warning_reversed_before_it_was_sent_is_never_sent(ada, ben, platform):
    decision = make_decision(at="released", by=ada)

    actions.reverse(decision, by=ben, now=NOON, reason_code="not_violating")
    drain(decision)

    assert kinds(platform) == []
    assert Enforcement.objects.get().status == "cancelled"
    assert Notice.objects.get().dropped_why.startswith("overtaken")


def test_what_ended_by_itself_is_still_corrected(ada, ben, platform):
    decision = decide(ada)
    drain(decision)

    actions.reverse(decision, by=ben, now=later(days=8), reason_code="not_violating")
    enforcement.drain(decision.account_id, now=later(days=8))

    assert kinds(platform) == ["suspend", "notify", "notify"]


def test_who_was_not_told_is_not_told_of_the_reversal_either(ada, ben, platform):
    decision = decide(ada, **SUSPEND | {"notify": False})
    drain(decision)

    actions.reverse(decision, by=ben, now=NOON, reason_code="not_violating")
    drain(decision)

    assert kinds(platform) == ["suspend", "unsuspend"]


def test_how_it_was_found_names_no_method(ada):
    case = make_case(at="claimed", by=ada)

    for opened_by, said in (
        ("score", "automation"),
        ("user_report", "report"),
        ("ada", "person"),
        ("drift", "automation"),
    ):
        case.opened_by = opened_by
        assert telling.found_by(case) == said


def test_an_address_to_appeal_at_is_sent_along(ada, settings, platform):
    settings.APPEAL_URL = "https://example.org/appeal/{decision}"

    decision = decide(ada)
    drain(decision)

    assert told(platform)[0]["appeal_url"] == f"https://example.org/appeal/{decision.pk}"
