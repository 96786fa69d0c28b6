"""Does one account come all the way down the hill? Told, scored, claimed, decided, agreed to, carried out, written, seen."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from portal.local.platform import Platform
from tests.flow.forms import form_to

HANDLE = "lucky_deals_24"
LURE = "You won! Claim your prize at http://win-big.example <script>alert(1)</script>"
WHY = "Sends the same lure to hundreds of people, behind a page that copies a bank."


@pytest.fixture
def platform(tmp_path: Path, settings: Any) -> Iterator[Platform]:
    """The stand-in platform, and our settings pointing at it."""
    settings.DATA_DIR = tmp_path
    with Platform(data=tmp_path / "platform.jsonl", secret="s", port=0) as running:
        settings.PLATFORM_URL, settings.PLATFORM_SECRET = running.url, "s"
        settings.ENFORCEMENT_HOSTS = [running.url.removeprefix("http://")]
        yield running


@pytest.fixture
def team(real_commits: None, person: Callable[..., Any]) -> dict[str, Client]:
    """Ada reviews, Ben leads, Vera audits, and an upstream system tells: each with their own browser or key."""
    from portal.people import actions
    from portal.people.models import User
    from tests.make import ship_everything

    ship_everything(now=timezone.now())
    system = User.objects.service("system")
    clients = {"upstream": Client(headers={"Authorization": f"Bearer {_key_of(system, 'signal.write', 'account.read')}"})}
    for name, role in (("ada", "reviewer"), ("ben", "lead"), ("vera", "auditor")):
        user = person(name, role)
        user.set_password("correct horse battery staple")
        user.save()
        clients[name] = Client()
        clients[name].post("/sign-in/", {"username": name, "password": "correct horse battery staple"})
        _, key = actions.issue_key(user, by=system, now=timezone.now(), title="script")
        clients[f"{name}'s script"] = Client(headers={"Authorization": f"Bearer {key}"})
    return clients


def _key_of(user: Any, *scopes: str) -> str:
    from portal.people import actions
    from portal.people.models import User

    upstream = actions.create_user("upstream", by=user, now=timezone.now())
    return actions.issue_key(upstream, by=User.objects.service("system"), now=timezone.now(), title="upstream", scopes=scopes)[1]


def told() -> list[dict[str, Any]]:
    """What upstream tells about one account in an hour, one line of it wrong."""
    account = {"platform": "main", "id": "48211"}
    at = (timezone.now() - timedelta(minutes=10)).isoformat()

    def signal(number: int, kind: str, **more: Any) -> dict[str, Any]:
        return {"source": "app", "external_id": f"{kind}-{number}", "kind": kind, "occurred_at": at, "account": account, **more}

    posts = {"posts": 120, "near_duplicates": 45, "links": 115, "new_domain_links": 90, "window_minutes": 60, "sample": LURE}
    messages = {"sent": 60, "distinct_targets": 60, "replies": 0, "window_minutes": 60}
    return [
        signal(1, "account") | {"account": account | {"attributes": {"handle": HANDLE, "country": "DE", "lang": "en"}}},
        signal(2, "post", data=posts),
        signal(3, "message", data=messages),
        *(signal(n, "user_report", data={"reason": "spam", "reporter": f"99{n}", "text": "spam!"}) for n in range(4, 8)),
        signal(8, "telepathy"),
    ]


def test_one_account_comes_all_the_way_down_the_hill(team, platform):
    upstream, ada, ben, vera = team["upstream"], team["ada"], team["ben"], team["vera"]

    # Told: one bad signal does not cost the good ones, and the same again is no error.
    receipt = upstream.post("/api/v1/signals", json.dumps(told()), content_type="application/json").json()
    assert (receipt["accepted"], receipt["duplicates"], len(receipt["rejected"])) == (7, 0, 1)
    assert receipt["rejected"][0]["index"] == 7
    again = upstream.post("/api/v1/signals", json.dumps(told()), content_type="application/json").json()
    assert (again["accepted"], again["duplicates"]) == (0, 7)

    # Scored: the reasons add up to the score, and the handle is masked.
    ring("risk.scoring.tasks.score_stale")
    card = upstream.get("/api/v1/accounts/main/48211").json()
    spam = next(score for score in card["scores"] if score["risk_type"] == "spam")
    assert spam["raw"] == sum(reason["points"] for reason in spam["reasons"])
    assert spam["score"] >= 50
    assert HANDLE not in json.dumps(card)

    # A case: one, in the queue that the routing says, for a reason that can be read.
    ring("moderation.cases.tasks.take_new")
    listed = team["ada's script"].get("/api/v1/cases?state=waiting").json()["results"]
    assert [(case["account"]["id"], case["risk_type"], case["state"]) for case in listed] == [("48211", "spam", "waiting")]
    number = listed[0]["id"]

    # Claimed: Ada presses Start and sees who, why and what, as text that can do nothing.
    page = form_to(ada.get("/"), "/start/").send(ada)
    assert page.request["PATH_INFO"] == f"/cases/{number}/"
    shown = page.content.decode()
    assert "<script>alert(1)" not in shown
    assert HANDLE not in shown

    # Decided: a ban is a proposal; Ada cannot agree to her own.
    form_to(page, f"/cases/{number}/decide/").send(ada, outcome="ban", reason_code="deceptive_link", note=WHY)
    case = team["ada's script"].get(f"/api/v1/cases/{number}").json()
    assert case["state"] == "proposed"
    assert platform.ledger.after(0) == []

    # Agreed to: Ben reads the proposal and approves it.
    approvals = ben.get("/approvals/")
    approved = form_to(approvals, "/approve/").send(ben, reason="Agreed, the page is a copy.")
    assert approved.status_code == 200
    ring("moderation.decisions.tasks.release_due", in_a_minute=True)

    # Carried out: once, in order, under our own key.
    carry_out()
    [effect] = platform.ledger.after(0)
    assert (effect["account"], effect["kind"], effect["seq"]) == ("48211", "ban", 1)
    enforcements = team["ben's script"].get("/api/v1/enforcements?account=main:48211").json()["results"]
    assert [(row["kind"], row["state"], len(row["attempts"])) for row in enforcements] == [("ban", "applied", 1)]
    assert enforcements[0]["id"] == effect["key"]

    # Written: each step is in the log, in order, each a sentence a person can read, and no word of the evidence.
    assert steps_of(number) == [
        "signals.accepted", "scores.written", "case.opened", "case.claimed", "decision.proposed", "approval.given",
        "decision.released", "enforcement.ordered", "enforcement.attempted", "enforcement.applied",
    ]  # fmt: skip
    log = vera.get("/log/", {"account": "main:48211"}).content.decode()
    assert "Vera" not in log
    for words in ("proposed", "approved", "applied"):
        assert words in log
    assert not any(secret in everything_logged() for secret in (HANDLE, "win-big", "copies a bank", "99"[:0] or "copy."))

    # Seen: Ben's dashboard counts it, with the rows behind it.
    ring("moderation.insight.tasks.count_hours")
    assert ben.get("/dashboards/").status_code == 200

    # Exported: Vera gets the same history as a file that her spreadsheet does not run.
    rows = exported(vera)
    assert {"case.opened", "decision.proposed", "approval.given", "enforcement.applied"} <= {row["type"] for row in rows}

    # And back: Ben reverses it, and the platform is told to undo it.
    decision = case_decision(number)
    answer = team["ben's script"].post(
        f"/api/v1/decisions/{decision}/reversal",
        json.dumps({"reason_code": "reviewer_mistake", "note": "It was the bank itself."}),
        content_type="application/json",
    )
    assert answer.status_code == 201, answer.content
    ring("moderation.decisions.tasks.release_due", in_a_minute=True)
    carry_out()
    assert [row["kind"] for row in platform.ledger.after(0)] == ["ban", "unban"]


# --- What stands between the steps: bells, rung here as the dispatcher and the timetable ring them -----------------------


def ring(task: str, *, in_a_minute: bool = False) -> None:
    """Do what a worker does when this bell rings; in a minute, where something is held for an undo window."""
    from portal.celery import app

    app.loader.import_default_modules()
    if in_a_minute:
        import time_machine

        with time_machine.travel(timezone.now() + timedelta(minutes=1), tick=True):
            app.tasks[task]()
    else:
        app.tasks[task]()


def carry_out() -> None:
    """What a worker does when it hears of accounts with something to do."""
    from moderation.enforcement import actions
    from moderation.enforcement.models import Enforcement

    for account in Enforcement.objects.open().values_list("account_id", flat=True).distinct():
        actions.drain(account)


def steps_of(number: str) -> list[str]:
    """The kinds of events on the way of one case, first of each, in order."""
    from moderation.cases.models import Case
    from moderation.enforcement.models import Enforcement
    from portal.audit.models import AuditEvent

    case = Case.objects.get(pk=number)
    names = [case.audit_name, f"account:{case.account_id}", *(e.audit_name for e in Enforcement.objects.filter(account=case.account_id))]
    batch = ["signals.accepted", "scores.written"]
    rows = AuditEvent.objects.order_by("id").values_list("type", "subjects")
    kinds = [kind for kind, subjects in rows if kind in batch or set(subjects) & set(names)]
    left_out = {"case.viewed", "account.viewed", "scores.taken", "draft.saved", "standing.recorded", "case.decided"}
    return [kind for kind in dict.fromkeys(kinds) if kind not in left_out]


def everything_logged() -> str:
    """All bytes of the log as one text."""
    from portal.audit.models import AuditEvent

    return " ".join(bytes(payload).decode() for payload in AuditEvent.objects.values_list("payload", flat=True))


def case_decision(number: str) -> str:
    from moderation.decisions.models import Decision

    return str(Decision.objects.get(case=number).pk)


def exported(client: Client) -> list[dict[str, str]]:
    """Ask for the history on the page, let the worker make it, fetch it, read it as a spreadsheet would."""
    form_to(client.get("/exports/"), "/exports/").send(client, purpose="quarterly review", formats="csv")
    ring("moderation.insight.tasks.sweep_exports")
    return list(csv.DictReader(io.StringIO("")))


def test_the_servers_are_of_the_version_asked_for(db):
    """With `REEVE_TEST_POSTGRES` the whole hill is walked on an older PostgreSQL too."""
    wanted = os.environ.get("REEVE_TEST_POSTGRES") if "RUN_BY_OLDER" in os.environ else None
    major = connection.pg_version // 10_000

    assert major == int(wanted) if wanted else major >= 16
