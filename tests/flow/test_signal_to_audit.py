"""Does one account come all the way down the hill?

Told, scored, claimed, decided, agreed to, carried out, written, seen.
"""

from __future__ import annotations

import csv
import functools
import html
import io
import json
import os
import re
import zipfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from moderation.insight import exports
from portal.local.platform import Platform
from tests.flow.forms import form_to

HANDLE = "lucky_deals_24"
LURE = "You won! Claim your prize at http://win-big.example <script>alert(1)</script>"
WHY = "Sends the same lure to hundreds of people, behind a page that copies a bank."


@pytest.fixture
def platform(platform: Platform, tmp_path: Path, settings: Any) -> Platform:
    """The stand-in platform, with our own files beside its own."""
    settings.DATA_DIR = tmp_path
    return platform


@pytest.fixture
def team(real_commits: None, person: Callable[..., Any]) -> dict[str, Client]:
    """Ada reviews, Ben leads, Vera audits, and an upstream system tells: each with their own browser or key."""
    from django.core.management import call_command

    from portal.people import actions
    from portal.people.models import User

    call_command("ship")
    upstream = actions.create_user("upstream", by=User.objects.service("system"), now=timezone.now())
    clients = {"upstream": with_key(upstream, "signal.write", "account.read")}
    for name, role in (("ada", "reviewer"), ("ben", "lead"), ("vera", "auditor")):
        user = person(name, role)
        actions.change_password(user, by=user, now=timezone.now(), password="correct horse battery staple")
        clients[name] = Client()
        clients[name].post("/sign-in/", {"username": name, "password": "correct horse battery staple"})
        clients[f"{name}'s script"] = with_key(user)
        actions.change_profile(user, by=user, now=timezone.now(), undo_seconds=0)
    return clients


def with_key(user: Any, *scopes: str) -> Client:
    """A program that acts as somebody."""
    from portal.people import actions
    from portal.people.models import User

    _, key = actions.issue_key(
        user, by=User.objects.service("system"), now=timezone.now(), title="script", scopes=scopes
    )
    return Client(headers={"Authorization": f"Bearer {key}"})


def told() -> list[dict[str, Any]]:
    """What upstream tells about one account in an hour, one line of it wrong."""
    account = {"platform": "main", "id": "48211"}
    at = (timezone.now() - timedelta(minutes=10)).isoformat()

    def signal(number: int, kind: str, **more: Any) -> dict[str, Any]:
        return {
            "source": "app",
            "external_id": f"{kind}-{number}",
            "kind": kind,
            "occurred_at": at,
            "account": account,
            **more,
        }

    posts = {
        "posts": 120,
        "near_duplicates": 45,
        "links": 115,
        "new_domain_links": 90,
        "window_minutes": 60,
        "sample": LURE,
    }
    messages = {"sent": 60, "distinct_targets": 60, "replies": 0, "window_minutes": 60}
    return [
        signal(1, "account") | {"account": account | {"attributes": {"handle": HANDLE, "country": "DE", "lang": "en"}}},
        signal(2, "post", data=posts),
        signal(3, "message", data=messages),
        *(
            signal(n, "user_report", data={"reason": "spam", "reporter": f"99{n}", "text": "spam!"})
            for n in range(4, 8)
        ),
        signal(8, "telepathy"),
    ]


def test_one_account_comes_all_the_way_down_the_hill(team, platform, provers, monkeypatch):
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
    assert [(case["account"]["id"], case["risk_type"], case["state"]) for case in listed] == [
        ("48211", "spam", "waiting")
    ]
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
    ring("moderation.decisions.tasks.release_due")

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
    assert [words for words in ("ada", "proposed", "ben", "approved", "applied") if words not in log.lower()] == []
    assert HANDLE not in log
    written = everything_logged()
    assert [secret for secret in (HANDLE, "win-big", "copies a bank", "is a copy") if secret in written] == []

    # Seen: Ben's dashboard counts it, with the rows behind it.
    ring("moderation.insight.tasks.count_hours")
    board = words_of(ben.get("/dashboards/"))
    assert "SPM-1.2 Deceptive links 1 0" in board
    assert "sp_near_duplicates" in board

    # Exported: Vera gets the same history as a file that her spreadsheet does not run.
    monkeypatch.setattr(exports, "make", functools.partial(exports.make, pause=provers.prove))
    rows = exported(vera)
    assert {"case.opened", "decision.proposed", "approval.given", "enforcement.applied"} <= {
        row["type"] for row in rows
    }

    # And back: Ben reverses it, and the platform is told to undo it.
    decision = case_decision(number)
    answer = team["ben's script"].post(
        f"/api/v1/decisions/{decision}/reversal",
        json.dumps({"reason_code": "not_violating", "note": "It was the bank itself."}),
        content_type="application/json",
    )
    assert answer.status_code == 201, answer.content
    ring("moderation.decisions.tasks.release_due")
    carry_out()
    assert [(row["kind"], row["seq"]) for row in platform.ledger.after(0)] == [("ban", 1), ("unban", 2)]
    assert upstream.get("/api/v1/accounts/main/48211").json()["strikes"] == 0


# --- What stands between the steps: bells, rung here as dispatcher and timetable ring them
# ------------------------------


def ring(task: str, **what: Any) -> None:
    """Do what a worker does when this bell rings."""
    from portal.celery import app

    app.loader.import_default_modules()
    app.tasks[task](**what)


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
    names = [
        case.audit_name,
        f"account:{case.account_id}",
        *(e.audit_name for e in Enforcement.objects.filter(account=case.account_id)),
    ]
    batch = ["signals.accepted", "scores.written"]
    rows = AuditEvent.objects.order_by("id").values_list("type", "subjects")
    kinds = [kind for kind, subjects in rows if kind in batch or set(subjects) & set(names)]
    left_out = {"case.viewed", "account.viewed", "scores.taken", "draft.saved", "standing.recorded", "case.decided"}
    return [kind for kind in dict.fromkeys(kinds) if kind not in left_out]


def everything_logged() -> str:
    """All bytes of the log as one text."""
    from portal.audit.models import AuditEvent

    return " ".join(bytes(payload).decode() for payload in AuditEvent.objects.values_list("payload", flat=True))


def words_of(page: Any) -> str:
    """The words of a page, without its markup."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page.content.decode())).split())


def case_decision(number: str) -> str:
    from moderation.decisions.models import Decision

    return str(Decision.objects.get(case=number).pk)


def exported(client: Client) -> list[dict[str, str]]:
    """Ask for the history on the page, let the worker make it, fetch it, read it as a spreadsheet would."""
    from moderation.insight.models import Export

    asked = form_to(client.get("/exports/"), "/exports/").send(client, purpose="quarterly review", format="csv")
    assert asked.status_code == 200, words_of(asked)
    export = Export.objects.get()
    ring("moderation.insight.tasks.make_export", export_id=str(export.pk))
    file = client.get(f"/exports/{export.pk}/file/")
    assert file.status_code == 200, words_of(file)
    with zipfile.ZipFile(io.BytesIO(b"".join(file.streaming_content))) as found:
        table = found.read("events.not-authoritative.csv").decode("utf-8")
    return list(csv.DictReader(io.StringIO(table, newline="")))


def test_the_servers_are_of_the_version_asked_for(db):
    """With `REEVE_TEST_POSTGRES` the whole hill is walked on an older PostgreSQL too."""
    wanted = os.environ.get("REEVE_TEST_POSTGRES") if "RUN_BY_OLDER" in os.environ else None
    major = connection.pg_version // 10_000

    assert major == int(wanted) if wanted else major >= 16
