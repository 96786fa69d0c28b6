"""Does frozen evidence stand up? A changed byte is reported by name, and every copy is listed."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from django.db import connections
from django.urls import reverse

from moderation.cases import actions as cases
from moderation.cases import evidence
from moderation.cases.models import Case
from moderation.cases.rechecking import recheck
from moderation.decisions.models import Decision
from portal.audit.models import AuditEvent
from risk.intake import actions as intake
from risk.intake.models import Signal
from risk.scoring import actions as scoring
from risk.scoring.models import Score
from risk.strategy import actions as strategy
from tests import make

pytestmark = pytest.mark.usefixtures("real_commits")


@pytest.fixture
def frozen(person: Any) -> Any:
    """The evidence of a decision about an account of which three signals told something."""
    ada = person("ada", "reviewer")
    account = make.make_account("a-1", followers_count=12)
    raw = [make.make_signal(account="a-1", external_id=f"s-{n}", at=make.later(minutes=n)) for n in (1, 2)]
    intake.ingest(raw, by=ada, now=make.later(minutes=3), door="seed")
    case = make.make_case(at="claimed", by=ada, account=account)
    found = make.make_decision(at="released", by=ada, case=case).evidence
    found.case.account.refresh_from_db()
    return found


def tamper(table: str, change: str) -> None:
    """As the owner of the database, with every trigger off."""
    with connections["owner"].cursor() as cursor:
        cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        cursor.execute(f"UPDATE {table} SET {change}")
        cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")


def states(frozen: Any) -> dict[str, str]:
    """How each part stands, signals by what their source calls them."""
    frozen.refresh_from_db()
    called = {f"signal:{pk}": name for pk, name in Signal.objects.values_list("pk", "external_id")}
    return {called.get(part.name, part.name): part.state for part in recheck(frozen)}


def test_it_is_unchanged_after_it_was_frozen(frozen: Any) -> None:
    found = states(frozen)

    assert set(found.values()) == {"unchanged"}, found
    assert {"record", "log", "s-1", "s-2"} < set(found)
    assert len([name for name in found if name.startswith("score:")]) == 1


CHANGES = {
    "a byte of the record": ("moderation_evidence", "body = set_byte(body, 12, get_byte(body, 12) # 1)", {"record"}),
    "the record and its digest": (
        "moderation_evidence",
        "body = '\\x7b7d', digest = sha256(convert_to(E'reeve/evidence/v1\\n', 'UTF8') || '\\x7b7d')",
        {"log", "body"},
    ),
    "the digest": ("moderation_evidence", "digest = sha256('x')", {"record", "log"}),
    "what a signal told": (
        "risk_signal", "data = data || '{\"more\": 1}' WHERE external_id = 's-2'", {"s-2"},
    ),
    "when a signal was": (
        "risk_signal", "occurred_at = occurred_at + interval '1 s' WHERE external_id = 's-1'", {"s-1"},
    ),
    "the points of a score": ("risk_score", "raw = raw + 1", {"score"}),
    "a feature of a score": ("risk_score", "snapshot = snapshot || '{\"posts_count\": 9}'", {"score"}),
    "the points of a reason": ("risk_reason", "points = points + 1", {"score"}),
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_it_names_the_part_that_was_changed(frozen: Any, change: str) -> None:
    table, sql, bad = CHANGES[change]
    tamper(table, sql)

    found = {
        name.partition(":")[0] if name.startswith("score:") else name: state for name, state in states(frozen).items()
    }

    assert {name for name, state in found.items() if state == "changed"} == bad


def test_it_tells_a_deleted_signal_and_an_erased_account_from_a_changed_one(frozen: Any) -> None:
    with connections["owner"].cursor() as cursor:
        cursor.execute("DELETE FROM risk_signal WHERE external_id = 's-1'")
    assert "gone" in states(frozen).values()

    tamper("risk_account", "erased_at = now()")
    tamper("risk_score", "snapshot = '{}'")
    frozen.case.account.refresh_from_db()
    found = states(frozen)
    assert found["s-2"] == "erased"
    assert "changed" not in found.values()


def test_it_shows_an_auditor_the_changed_part_loudly(frozen: Any, person: Any, signed_in: Any) -> None:
    tamper("risk_signal", "kind = 'sale' WHERE external_id = 's-2'")

    page = signed_in(person("vera", "auditor")).get(reverse("evidence", args=[frozen.pk])).content.decode()

    assert "Changed since it was frozen" in page
    changed = Signal.objects.get(external_id="s-2").audit_name
    assert changed in page.split("part by part")[0]


def test_it_hands_out_the_exact_bytes_and_lists_who_took_them(frozen: Any, person: Any, signed_in: Any) -> None:
    vera = person("vera", "auditor")
    window = signed_in(vera)

    taken = window.post(reverse("evidence-copy", args=[frozen.pk]))
    page = window.get(reverse("evidence", args=[frozen.pk]))

    assert taken.content == bytes(frozen.body)
    assert hashlib.sha256(b"reeve/evidence/v1\n" + taken.content).digest() == bytes(frozen.digest)
    told = [line.sentence for line in page.context["custody"]]
    assert any("took a copy of the evidence" in line and bytes(frozen.digest).hex() in line for line in told)
    assert [line for line in told if line.startswith("ada decided")]


def test_it_writes_a_look_once_within_five_minutes(frozen: Any, person: Any, signed_in: Any) -> None:
    window = signed_in(person("vera", "auditor"))
    for _ in range(3):
        window.get(reverse("evidence", args=[frozen.pk]))

    assert AuditEvent.objects.filter(type="evidence.viewed").count() == 1


def test_it_gives_no_copy_of_a_case_handed_off_to_child_safety(person: Any, signed_in: Any) -> None:
    ruth, vera = person("ruth", "specialist"), person("vera", "auditor", "specialist")
    case = make.make_case(at="claimed", by=ruth, risk_type="spam")
    frozen = cases.hand_off(case, by=ruth, now=make.later(minutes=1))
    assert set(states(frozen).values()) == {"unchanged"}

    refused = signed_in(vera).post(reverse("evidence-copy", args=[frozen.pk]))

    assert refused.status_code == 409
    assert b"there is no copy" in refused.content
    assert not AuditEvent.objects.filter(type="evidence.copied").exists()


def test_it_does_not_exist_for_who_lacks_the_lane_or_the_role(frozen: Any, person: Any, signed_in: Any) -> None:
    make.change(Case.objects.filter(pk=frozen.case_id), lane="minors")
    address = reverse("evidence", args=[frozen.pk])

    assert signed_in(person("vera", "auditor")).get(address).status_code == 404
    assert signed_in(person("cleo")).get(address).status_code == 403
    assert Decision.objects.filter(evidence=frozen).exists()


def test_it_gives_the_digest_that_real_scoring_wrote(person: Any) -> None:
    system = person("ada", "reviewer")
    strategy.ship(by=system, now=make.NOON)
    raw = make.make_signal(account="a-2", attributes={"posts_count": 900, "followers_count": 3, "likes_given_count": 1})
    intake.ingest([raw], by=system, now=make.NOON, door="seed")
    assert scoring.score_stale(now=make.NOON)

    scores = list(Score.objects.exclude(snapshot={}))

    assert scores
    assert [evidence.features(one.snapshot) for one in scores] == [bytes(one.snapshot_digest).hex() for one in scores]
