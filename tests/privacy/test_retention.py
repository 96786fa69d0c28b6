"""Does what is old enough go, and nothing that is held, open or still to be appealed?"""

from __future__ import annotations

import json
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from moderation.cases import actions as cases
from moderation.cases.models import Case, Note
from moderation.decisions.models import Decision
from moderation.insight.models import HourlyRollup
from portal.audit.models import AuditEvent
from portal.people.models import User
from portal.privacy import holding, retention, tasks
from portal.privacy.actions import open_value
from portal.privacy.models import Hold, RetentionRun, VaultValue
from risk.intake.models import Account, Link, Signal
from tests.make import NOON, later, make_account, make_case, make_decision

pytestmark = pytest.mark.django_db
DAYS = {"signals_raw": 90, "link_hashes_after_last_use": 180}


def sweep(*rules, days=0.0, apply=True):
    lines = retention.sweep(by=User.objects.service("system"), now=later(days=days), apply=apply, rules=rules)
    return {line.rule.name: line for line in lines}


def told(name="old", **attributes):
    """An account with one signal received at noon."""
    account = make_account(name, **({"handle": f"handle_of_{name}", "odd": "something odd"} | attributes))
    Signal.objects.filter(account=account).update(received_at=NOON)
    return account


def held(account, pia, ben, reference="LR-031"):
    hold = holding.ask(account.pk, of=ben, reference=reference, reason="x", confidential=True, by=pia, now=NOON)
    holding.agree(hold, by=ben, now=NOON)
    return hold


def ended_case(by, *, outcome="no_action", at=NOON, **more):
    """A decided case with a note, ended at a time."""
    case = make_case(at="claimed", by=by, now=at, **more)
    cases.annotate(case, by=by, now=at, text="a note on it")
    word = (
        {"outcome": "no_action", "reason_code": "not_violating"}
        if outcome == "no_action"
        else {"outcome": "warn", "reason_code": "bulk_messages"}
    )
    decision = make_decision(at="released", by=by, case=case, now=at, note="why I think so", **word)
    return Case.objects.get(pk=case.pk), decision


@pytest.mark.parametrize(("days", "left"), [(89.9, 1), (90.1, 0)])
def test_signals_go_after_their_days(days, left):
    told()

    sweep("signals_raw", days=days)

    assert Signal.objects.count() == left


def test_what_the_account_still_shows_stays_readable():
    account = told()
    stale = VaultValue.objects.create(
        subject_id=account.pk, name="signal.text", data_class="content", nonce=b"", sealed=b"", commitment=b""
    )
    Signal.objects.update(data={"text": {"vault": str(stale.pk)}})

    sweep("signals_raw", days=100)

    account.refresh_from_db()
    assert open_value(account.attributes["handle"]["vault"]) == "handle_of_old"
    assert not VaultValue.objects.filter(pk=stale.pk).exists()


def test_a_dry_run_changes_nothing_and_says_what_it_would_do(pia, ben):
    told("one")
    held(told("two"), pia, ben)

    line = sweep("signals_raw", days=100, apply=False)["signals_raw"]

    assert (line.due.rows, line.due.oldest, line.due.held, line.deleted) == (1, NOON, 1, 0)
    assert Signal.objects.count() == 2
    assert not AuditEvent.objects.filter(type="retention.applied").exists()
    assert RetentionRun.objects.get().lines[0]["held"] == 1


def test_a_hold_keeps_what_is_old_until_it_is_released(pia, ben):
    account = told()
    Link.objects.create(account=account, kind="device", digest=b"x" * 32, first_at=NOON, last_at=NOON)
    hold = held(account, pia, ben)

    sweep("signals_raw", "link_hashes_after_last_use", days=200)
    assert (Signal.objects.count(), Link.objects.count()) == (1, 1)

    holding.ask_release(hold, of=ben, by=pia, now=later(days=200))
    sweep("signals_raw", "link_hashes_after_last_use", days=200)
    assert (Signal.objects.count(), Link.objects.count()) == (1, 1)

    holding.release(Hold.objects.get(), by=ben, now=later(days=201))
    sweep("signals_raw", "link_hashes_after_last_use", days=201)
    assert (Signal.objects.count(), Link.objects.count()) == (0, 0)


def test_an_open_case_keeps_its_signals():
    account = told()
    make_case(account=account)

    sweep("signals_raw", days=400)

    assert Signal.objects.count() == 1


def test_a_signal_that_must_still_open_a_case_is_not_old():
    told()
    Signal.objects.update(opens=True, taken_at=None)

    sweep("signals_raw", days=400)

    assert Signal.objects.count() == 1


@pytest.mark.parametrize(("outcome", "days", "left"), [("warn", 214, 1), ("warn", 216, 0), ("no_action", 91, 0)])
def test_the_window_for_appeals_keeps_the_evidence(ada, outcome, days, left):
    account = told()
    ended_case(ada, outcome=outcome, account=account)

    sweep("signals_raw", days=days)

    assert Signal.objects.count() == left


@pytest.mark.parametrize(
    ("outcome", "rule", "kept_for"), [("no_action", "evidence_no_action", 90), ("warn", "evidence_restricted", 215)]
)
def test_typed_texts_go_with_their_case(ada, outcome, rule, kept_for):
    _, decision = ended_case(ada, outcome=outcome)
    note = Note.objects.get().text

    sweep(*retention.RULES, days=kept_for - 1)
    assert open_value(note) == "a note on it"

    deleted = {name: line.deleted for name, line in sweep(*retention.RULES, days=kept_for + 1).items() if line.deleted}

    told = outcome != "no_action"  # then the words for the account holder go too
    assert deleted == {rule: 2 + told}
    assert (open_value(note), open_value(decision.note)) == (None, None)
    assert Decision.objects.get().outcome == outcome


def test_minors_without_a_measure_are_kept_for_a_month(ruth):
    case, _ = ended_case(ruth, risk_type="underage")
    assert case.lane == "minors"

    assert sweep("minors_no_action", "evidence_no_action", days=29)["minors_no_action"].deleted == 0
    assert sweep("minors_no_action", "evidence_no_action", days=31)["minors_no_action"].deleted == 2


def test_numbers_of_named_people_go_and_those_of_queues_stay():
    for measure in ("decided_by", "decided"):
        HourlyRollup.objects.create(hour=NOON, measure=measure, of="1", n=3)

    sweep("staff_metrics_named", days=401)

    assert [row.measure for row in HourlyRollup.objects.all()] == ["decided"]


def test_every_batch_leaves_a_certificate(monkeypatch):
    monkeypatch.setattr(retention, "BATCH", 2)
    for number in range(5):
        told(f"a{number}")

    assert sweep("signals_raw", days=100)["signals_raw"].deleted == 5

    certificates = [
        json.loads(bytes(row))["facts"]
        for row in AuditEvent.objects.filter(type="retention.applied").order_by("id").values_list("payload", flat=True)
    ]
    assert [told["rows"] for told in certificates] == [2, 2, 1]
    assert {told["rule"] for told in certificates} == {"signals_raw"}
    assert {told["cut_off"] for told in certificates} == {later(days=10).isoformat()}
    assert len({told["digest"] for told in certificates}) == 3


def test_accounts_and_the_log_stay():
    told()
    before = AuditEvent.objects.count()

    sweep(*retention.RULES, days=4000)

    assert Account.objects.count() == 1
    assert AuditEvent.objects.exclude(type="retention.applied").count() == before


def test_every_rule_has_a_period_and_somebody_who_walks_it(settings):
    assert set(settings.RETENTION_DAYS) == set(retention.RULES)
    assert set(retention._walkers) == set(retention.RULES)


def test_it_is_applied_once_a_day(monkeypatch):
    told()
    monkeypatch.setattr("portal.clock.now", lambda: later(days=100))
    tasks.apply_retention()
    monkeypatch.setattr("portal.clock.now", lambda: later(days=100, hours=5))
    tasks.apply_retention()
    monkeypatch.setattr("portal.clock.now", lambda: later(days=101))
    tasks.apply_retention()

    assert RetentionRun.objects.filter(applied=True).count() == 2
    assert not Signal.objects.exists()


def command(*words):
    out = StringIO()
    call_command("sweep_retention", *words, stdout=out)
    return out.getvalue().splitlines()


def test_the_command_is_dry_unless_told_otherwise():
    told()
    Signal.objects.update(received_at=NOON - timedelta(days=4000))

    dry = command("--rule", "signals_raw")
    assert dry[0].endswith("dry run")
    assert "1 due" in dry[0]
    assert Signal.objects.count() == 1

    assert command("--apply", "--rule", "signals_raw")[0].endswith("deleted 1")
    assert not Signal.objects.exists()
    with pytest.raises(CommandError, match="no rule nothing"):
        command("--rule", "nothing")
