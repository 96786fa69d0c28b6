"""What must be sent so that each door opens? One good request to every page and call that a stock form cannot open."""

from __future__ import annotations

import io
import itertools
import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

from django.urls import reverse

_keys = itertools.count(1)
WARN = {"outcome": "warn", "reason_code": "bulk_messages"}


class Tour:
    """Goes through the doors of a walk, over accounts that nobody else works on."""

    def __init__(self, walk: Any, *, spare: int) -> None:
        """`spare`: the number of the first account that has no case yet."""
        from django.utils import timezone

        self.walk, self.world, self.now = walk, walk.world, timezone.now()
        self.spare = itertools.count(spare)
        self.place = {door.name: door for door in walk.doors}

    def go(self, name: str, role: str, /, *args: Any, n: int | None = None, **form: Any) -> Any:
        """Send a form (or nothing, then it is a GET) to a door, and search the answer."""
        door, key = self.place[name], {"Idempotency-Key": f"tour-{next(_keys)}"}
        client = self.world.clients.get(role)
        data: Any = form.pop("body", None) or form
        if door.is_api:
            from django.test import Client

            client, key = Client(raise_request_exception=False), key | self.walk.bearer(role)
        more = {"content_type": "application/json"} if door.is_api and form.get("method") != "get" else {}
        method = form.pop("method", "post")
        if method == "post" and door.is_api:
            data = data if isinstance(data, str) else json.dumps(data)
        answer = getattr(client, method)(
            reverse(name, args=args), data, headers=key, **(more if method == "post" else {})
        )
        self.walk.search(name, role, n, answer)
        if answer.status_code >= 400:
            words = re.sub(
                r"<[^>]*>|\s+", " ", answer.content.decode().partition("<main")[2] or answer.content.decode()
            )
            self.walk.told.lost.append(f"{name} for {role}: {answer.status_code} {' '.join(words.split())[:200]}")
        return answer

    def look(self, name: str, role: str, /, *args: Any, n: int | None = None, **query: Any) -> Any:
        """A GET."""
        return self.go(name, role, *args, n=n, method="get", **query)

    # --- Cases and decisions ---

    def case(self, *, claimed: bool = True) -> tuple[Any, int]:
        """A fresh case in the spam queue about a spare account; held by the reviewer if claimed."""
        from tests.make import make_case

        n = next(self.spare)
        by = self.world.people["second"]
        return make_case(at="claimed" if claimed else "waiting", by=by, account=self.world.accounts[n], now=self.now), n

    def decision(self, at: str, **word: Any) -> tuple[Any, int]:
        """A decision of the reviewer, in this state."""
        from tests.make import BAN, make_decision

        case, n = self.case()
        by = self.world.people["second"]
        words: dict[str, Any] = word or (BAN if at == "proposed" else WARN)
        return make_decision(at=at, by=by, case=case, now=self.now, **words), n

    def cases(self) -> None:
        """Claimed, held, left by each way out."""
        from moderation.cases.models import Case

        case, n = self.case(claimed=False)
        for name in ("case-claim", "case-extend", "case-release"):
            self.go(name, "second", case.pk, n=n)
        for name in ("api-case-claim", "api-case-release", "api-case-claim"):
            self.go(name, "second", case.pk, n=n)
        self.go("api-case-escalate", "second", case.pk, n=n, reason="too hard for me alone")
        case, n = self.case()
        self.go("case-draft", "second", case.pk, n=n, outcome="warn", note="not sent yet")
        self.go("case-escalate", "second", case.pk, n=n, reason="too hard for me alone")
        day = (self.now + timedelta(days=3)).date().isoformat()
        for name, form in (("case-wait", {"until": day, "waiting_for": "owner"}), ("case-hand-off", {}),
                           ("case-skip", {"reason": "conflict"}), ("case-danger", {})):  # fmt: skip
            case, n = self.case()
            self.go(name, "second", case.pk, n=n, **form)
        case, n = self.case()
        self.go("case-annotate", "second", case.pk, n=n, text="seen before")
        self.go("api-case-skip", "second", case.pk, n=n, reason="conflict")
        for name, of in (("queue-claim", ["spam"]), ("api-queue-claim", ["spam"]), ("desk-start", [])):
            self.case(claimed=False)
            for held in Case.objects.filter(claimed_by=self.world.people["second"], status="claimed"):
                self.go("case-reassign", "lead", held.pk)  # back to its queue
            self.go(name, "second", *of)

    def decisions(self) -> None:
        """Decided, undone, agreed, declined, reversed, on pages and by calls; a limit opened."""
        from moderation.decisions import caps
        from moderation.decisions.models import Decision

        for decide, undo in (("case-decide", "decision-undo"), ("api-case-decide", "api-decision-undo")):
            case, n = self.case()
            case.refresh_from_db()
            form = {**WARN, "version": case.version, "note": "well seen"}
            form |= {} if "api" in decide else {"request_key": "tour-key"}
            self.go(decide, "second", case.pk, n=n, **form)
            made = Decision.objects.filter(case=case).first()
            if made:
                self.go(undo, "second", made.pk, n=n)
        for name, form in (("decision-approve", {}), ("decision-decline", {"reason": "not enough for this"}),
                           ("api-decision-approval", {"verdict": "approve"})):  # fmt: skip
            proposed, n = self.decision("proposed")
            self.go(name, "lead", proposed.pk, n=n, **form)
        with patch.dict(caps.CAPS_AN_HOUR, ban=1):
            second = self.world.people["second"].pk
            self.go("cap-open", "lead", second, "ban", number="2", hours="1", reason="a wave of copied shops")
            self.look("approvals", "lead")
        for name in ("decision-reverse", "api-decision-reversal"):
            released, n = self.decision("released")
            self.go(name, "lead", released.pk, n=n, reason_code="not_violating", note="it was somebody else")

    # --- Many at once ---

    def groups(self) -> None:
        """Looked at, proposed, agreed to, stopped, let go on, undone, declined, read; on pages and by calls."""
        other = self._second_lead()
        for stem, word in (("bulk", "approve"), ("api-bulk", "approval")):
            group = self._group(by=other)
            self.go(f"{stem}-{word}", "lead", group, verdict="approve")
            for verb in ("stop", "go-on", "stop"):
                self.go(f"{stem}-{verb}", "lead", group)
            self.go(f"{stem}-undo", "lead", group, reason_code="not_violating")
            self.look(stem, "lead", group)
        self.look("bulk-report", "lead", group)
        self.look("api-bulk-items", "lead", group)
        self.go("bulk-decline", "lead", self._group(by=other), reason="not enough for this")
        names = self._fresh_names()
        self.go("bulk-new", "lead", risk_type="spam", by="list", platform="main", names="\n".join(names), act="look")
        whom = {"risk_type": "spam", "accounts": [f"main:{name}" for name in names]}
        self.go("api-bulk-preview", "lead", **whom)
        said = {**WARN, "note": "one text", "although": "no scores are made here", "count": len(names)}
        self.go("api-bulks", "lead", **whom, **said)

    def _second_lead(self) -> Any:
        from portal.people import actions
        from portal.people.models import User

        system = User.objects.service("system")
        other = actions.create_user("x-lead-2", by=system, now=self.now, password=None, languages=("en",))
        actions.grant(other, "lead", by=system, now=self.now)
        return User.objects.get(pk=other.pk)

    def _fresh_names(self) -> list[str]:
        from tests.make import make_row_account

        return [make_row_account(now=self.now).external_id for _ in range(10)]

    def _group(self, *, by: Any) -> Any:
        """A group decision of another lead, over ten accounts that stand nowhere else."""
        from moderation.bulk import actions
        from moderation.bulk.choosing import by_list

        said = {**WARN, "note": "one text", "although": "no scores are made here", "typed": 10}
        ids = by_list("\n".join(self._fresh_names()), platform="main").ids
        key = f"tour-group-{next(_keys)}"
        return actions.propose(ids, by=by, now=self.now, risk_type="spam", request_key=key, **said).pk

    # --- Actions on the platform ---

    def outbox(self) -> None:
        """What stands still is sent again, or given up; a backend is stopped for a while."""
        from django.db import transaction

        from moderation.enforcement.models import Enforcement
        from tests.make import tell

        for name in ("enforcement-retry", "api-enforcement-retry", "enforcement-skip"):
            decision, n = self.decision("released")
            action = Enforcement.objects.get(decision=decision)
            with transaction.atomic():
                tell(action)
                mine = Enforcement.objects.filter(pk=action.pk)
                mine.update(status="in_flight", lease_token=decision.pk, lease_until=self.now)
                mine.update(status="stopped", lease_token=None, lease_until=None)
            self.go(name, "lead", action.pk, n=n, reason="the platform does not know it")
        for name in ("backend-pause", "backend-resume"):
            self.go(name, "operator", "platform", why="they asked us to")

    # --- The log, its copies, its proofs ---

    def copies(self, prove: Any) -> None:
        """Exports on pages and by calls, each looked at, taken, linked, cancelled; bundles checked."""
        from moderation.insight import exports
        from moderation.insight.models import Export
        from portal.audit.models import Leaf

        prove(0)
        for role in ("lead", "auditor"):
            name, form = ("exports", {"format": "jsonl"}) if role == "lead" else ("api-exports", {"format": ["csv"]})
            self.go(name, role, purpose="a question of the tour", **form)
            made = Export.objects.filter(asked_by=self.world.people[role]).order_by("-asked_at").first()
            assert made is not None
            assert exports.make(made.pk, clock=lambda: self.now, pause=prove), made
            for page in ("export", "export-file", "api-export", "api-export-file"):
                self.look(page, role, made.pk)
            self._by_link(made, role)
            self.go(name, role, purpose="never mind", **form)
            stopped = Export.objects.filter(asked_by=self.world.people[role]).order_by("-asked_at").first()
            self.go("export-cancel" if role == "lead" else "api-export-cancel", role, stopped.pk)
        self._proofs(str(Leaf.objects.order_by("index").values_list("event_id", flat=True)[0]))

    def _by_link(self, export: Any, role: str) -> None:
        page = self.go("export-link", role, export.pk).content.decode()
        token = page.partition("?t=")[2].partition("<")[0]
        self.look("export-taking", role, t=token)

    def _proofs(self, event: str) -> None:
        from moderation.cases.models import Evidence

        self.look("api-audit-checkpoint", "auditor")
        self.look("api-audit-proof", "auditor", event=event)
        self.look("log-key", "auditor")
        self.look("log-verifier", "auditor")
        self.go("log-check", "auditor")
        dropped = io.BytesIO(b"PK\x05\x06" + bytes(18))
        dropped.name = "export.zip"
        self.go("bundle-check", "auditor", bundle=dropped)
        open_to_leads = Evidence.objects.exclude(case__lane="minors").exclude(case__status="handed_off")
        for pk in open_to_leads.order_by("pk").values_list("pk", flat=True)[:2]:
            self.look("evidence", "lead", pk)
            self.go("evidence-copy", "lead", pk)

    # --- Holds, erasure, reveals ---

    def keeping(self) -> None:
        """A hold through its whole life, one declined, a reveal looked at again, an account erased."""
        from portal.privacy.models import Hold, Reveal

        n = next(self.spare)
        about = {"about": f"main:p{n}", "of": "x-lead", "reference": "LR-1", "reason": "a court asks for it"}
        self.go("hold-ask", "privacy", n=n, **about)
        hold = Hold.objects.latest("asked_at").pk
        for name, role in (("agree", "lead"), ("review", "privacy"), ("end", "privacy"), ("keep", "lead"),
                           ("end", "privacy"), ("release", "lead")):  # fmt: skip
            self.go(f"hold-{name}", role, hold, n=n, of="x-lead")
        self.go("hold-ask", "privacy", n=n, **about | {"reference": "LR-2"})
        self.go("hold-decline", "lead", Hold.objects.latest("asked_at").pk, n=n)
        reveal = Reveal.objects.filter(verdict="").exclude(by=self.world.people["privacy"]).first()
        if reveal:
            self.go("reveal-review", "privacy", reveal.pk, verdict="in_order")
        self.look("erasure", "privacy", n=n, account=f"main:p{n}")
        self.go("erasure", "privacy", n=n, account=f"main:p{n}", legal_basis="objection", ticket="R-1", again="R-1")
        self.look("erasure-done", "privacy", self.world.accounts[n].pk, n=n)

    # --- People and programs ---

    def people(self) -> None:
        """A role given and taken, a key for a service made and ended, a delivery of signals by it."""
        from portal.people import actions
        from portal.people.models import ServiceKey, User

        system = User.objects.service("system")
        service = self.world.people["service"] = User.objects.service("intake")
        pk = self.world.people["nobody"].pk
        self.go("people-grant", "admin", pk, role="analyst")
        self.go("people-revoke", "admin", pk, role="analyst")
        self.go("key-issue", "admin", service.pk, title="tour")
        _, self.world.keys["service"] = actions.issue_key(
            service, by=system, now=self.now, title="tells", scopes=("signal.write",)
        )
        told = {"source": "tour", "external_id": "t1", "kind": "owner_report", "occurred_at": self.now.isoformat(),
                "account": {"platform": "main", "id": "p0"}, "data": {"reason": "hacked"}}  # fmt: skip
        self.go("api-signals", "service", body=json.dumps([told, {"kind": "no-such-kind"}]))
        self.go("key-retire", "admin", ServiceKey.objects.filter(user=service).latest("id").pk)
        self.go("people-disable", "admin", service.pk)


def go_round(walk: Any, *, spare: int, folder: Path) -> None:
    """The whole tour, over accounts from this number on; about twenty of them. Signs the log, in this folder."""
    from tests.provers import Provers

    tour, provers = Tour(walk, spare=spare), Provers(folder)
    tour.cases()
    tour.decisions()
    tour.groups()
    tour.outbox()
    tour.copies(provers.prove)
    tour.keeping()
    tour.people()
    provers.close()
