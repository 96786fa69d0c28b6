"""How is the day told? Act by act in order of time, by the actions people use, each told its time."""

from __future__ import annotations

import functools
import heapq
import itertools
import json
import socket
import urllib.request
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from django.conf import settings
from django.db import connection

from moderation.bulk import actions as bulk
from moderation.bulk import choosing
from moderation.cases import actions as cases
from moderation.cases.models import Case, Queue
from moderation.decisions import actions as decisions
from moderation.decisions.models import Decision
from moderation.desk import actions as desk
from moderation.enforcement import actions as enforcement
from moderation.enforcement.models import Enforcement
from portal.people import actions as people
from portal.people.models import User
from portal.privacy import revealing
from portal.privacy.models import VaultValue
from portal.refusal import Refused
from risk.intake import actions as intake
from risk.intake.models import Account
from risk.scoring import actions as scoring

from .day_data import Flagged
from .day_plan import CLAIMS, Act, Plan
from .day_signals import signals_of

SECOND = timedelta(seconds=1)
STRIKE_POLICY = {"strikes_active": "SPM-1.1", "strikes_active_bullying": "BUL-1.1", "live_strikes_180d": "LIV-1.1"}
STRIKE_TYPE = {"strikes_active": "spam", "strikes_active_bullying": "bullying", "live_strikes_180d": "live_room"}


class Walk:
    """The day while it is told: what is still to come, in order."""

    def __init__(self, plan: Plan, *, background: list[dict[str, Any]]) -> None:
        self.plan = plan
        self.background = background
        self.upstream = User.objects.service("upstream")
        self.system = User.objects.service("system")
        self.users = {user.username: user for user in User.objects.all()}
        self.to_come: list[tuple[datetime, int, Callable[[datetime], object]]] = []
        self.order = itertools.count()
        self.keys = itertools.count(1)
        self.back_at = plan.clock.at("00:00")

    def tell(self) -> None:
        """Everything, from the first signal to the moment of READY.

        Told by one session that does not wait for the disk at each step: a day that is cut off is told anew anyway.
        """
        with connection.cursor() as cursor:
            cursor.execute("SET synchronous_commit TO off")
        for at, cast in _by_time(self.plan.cast):
            self.later(at, functools.partial(self.arrive, cast))
        for act in self.plan.acts:
            self.schedule(act)
        for hour in range(1, 11):
            self.later(self.plan.clock.at(f"{5 + hour:02}:00"), self.chatter)
        self.later(self.plan.clock.ready_at - 10 * SECOND, self.finish)
        while self.to_come and self.to_come[0][0] <= self.plan.clock.ready_at:
            at, _, do = heapq.heappop(self.to_come)
            do(at)
        _tell_platform("/v1/faults", {})

    def later(self, at: datetime, do: Callable[[datetime], object]) -> None:
        heapq.heappush(self.to_come, (at, next(self.order), do))

    def schedule(self, act: Act) -> None:
        """Deciding begins with a claim; everything else is one act."""
        if act.do in CLAIMS and act.told["handling"]:
            self.later(act.at - act.told["handling"] * SECOND, lambda now: self.claim(act, now))
        verb = getattr(self, f"do_{act.do}")
        self.later(act.at, lambda now: verb(act, now))

    # -- what arrives

    def arrive(self, cast: list[Flagged], now: datetime) -> None:
        """What was told about these accounts so far; then they are scored, and what needs a person becomes a case."""
        raw = [signal for one in cast for signal in signals_of(one, now)]
        receipt = intake.ingest(raw, by=self.upstream, now=now, door="seed")
        for wrong in receipt.rejected[:1]:
            raise RuntimeError(f"the day tells a signal that is not taken: {raw[wrong.index]['kind']} {wrong}")
        found = self.accounts(one.id for one in cast)
        for one in cast:
            self.remember(one, found[one.id], now)
        quiet = {one.id for one in cast if one.opens_by == "nobody"}
        scoring.score([found[one.id].pk for one in cast if one.id not in quiet], by=self.system, now=now)
        for one in cast:
            if one.opens_by not in ("score", "nobody"):
                self.add_case(one, now)
        while cases.take_new(now=now):
            pass

    def remember(self, one: Flagged, account: Account, now: datetime) -> None:
        """What earlier decisions left standing: strikes, or a removal some days ago."""
        entries = []
        for feature, policy in STRIKE_POLICY.items():
            for number in range(one.features.get(feature) or 0):
                entries.append((STRIKE_TYPE[feature], policy, "warn", 1, 60 + 9 * number))
        if past := one.told.get("past"):
            entries.append((past["type"], past["policy"], past["outcome"], 1, past["days"]))
        for number, (risk_type, policy, outcome, strikes, days) in enumerate(entries):
            intake.record_standing(
                account, decision_id=_identity(one.id, number), risk_type=risk_type, policy=policy, outcome=outcome,
                strikes=strikes, at=now - timedelta(days=days), until=None, by=self.system, imported=True,
            )  # fmt: skip

    def add_case(self, one: Flagged, now: datetime) -> None:
        """A person adds a case that no score opens."""
        told = {"queue": QUEUES[one.type], "risk_type": one.type, "note": one.why}
        self.do_open(Act(now, "open", one.opens_by, one.id, told), now)

    def do_open(self, act: Act, now: datetime) -> None:
        queue, by = Queue.objects.get(slug=act.told["queue"]), self.users[act.who]
        cases.open_case(
            self.accounts([act.account])[act.account], queue=queue, lane=queue.lane, risk_type=act.told["risk_type"],
            score=None, why=act.told["note"], opened_by=by.username, by=by, now=now,
        )  # fmt: skip

    def chatter(self, now: datetime) -> None:
        """What everybody else said up to now."""
        at = now.isoformat()
        due = list(itertools.takewhile(lambda signal: signal["occurred_at"] <= at, self.background))
        self.background = self.background[len(due) :]
        intake.ingest(due, by=self.upstream, now=now, door="seed")

    def finish(self, now: datetime) -> None:
        self.chatter(now)
        while scoring.score_stale(now=now):
            pass
        while cases.take_new(now=now):
            pass

    # -- what people do

    def claim(self, act: Act, now: datetime) -> None:
        case, by = self.case_of(act), self.users[act.who]
        if case.claimed_by_id != by.pk:
            cases.claim(case, by=by, now=now)

    def do_claim(self, act: Act, now: datetime) -> None:
        self.claim(act, now)

    def do_decide(self, act: Act, now: datetime) -> None:
        case, by = self.case_of(act), self.users[act.who]
        if case.status != "claimed":
            case = cases.claim(case, by=by, now=now)
        told = act.told
        until = now + timedelta(days=told["days"]) if told.get("days") else None
        said = {
            "outcome": told["outcome"],
            "reason_code": told["reason"],
            "scope": told.get("scope", ""),
            "until": until,
        }
        undo = told.get("undo")
        decision = decisions.decide(
            case, by=by, now=now, version=case.version, request_key=f"day-{next(self.keys)}", note=told.get("note", ""),
            undo_seconds=undo, limits=False, **said,
        )  # fmt: skip
        if decision.status == Decision.Status.HELD and decision.release_at and not told.get("undone"):
            self.later(decision.release_at + SECOND, lambda at: self.release(decision.account_id, at))
        elif decision.status == Decision.Status.RELEASED:
            self.drain(decision.account_id, now)

    def release(self, account: UUID, now: datetime) -> None:
        decisions.release_due(now=now)
        self.drain(account, now)

    def drain(self, account: UUID, now: datetime) -> None:
        """Carry out what is due; what must be tried again comes up at its time."""
        enforcement.drain(account, now=now)
        head = Enforcement.objects.filter(account=account, status=Enforcement.Status.RETRYING).order_by("seq").first()
        if head is not None:  # while the platform is away the open breaker keeps it
            back = self.back_at + next(self.order) % 37 * SECOND
            self.later(max(head.next_attempt_at, now + SECOND, back), lambda at: self.drain(account, at))

    def do_undo(self, act: Act, now: datetime) -> None:
        decisions.undo(self.standing_of(act, Decision.Status.HELD), by=self.users[act.who], now=now)

    def do_approve(self, act: Act, now: datetime) -> None:
        decision = self.standing_of(act, Decision.Status.PROPOSED, missing_ok=True)
        if decision is not None:
            decisions.approve(decision, by=self.users[act.who], now=now, reason=act.told["note"])
            self.drain(decision.account_id, now)

    def do_decline(self, act: Act, now: datetime) -> None:
        decision = self.standing_of(act, Decision.Status.PROPOSED)
        decisions.decline(decision, by=self.users[act.who], now=now, reason=act.told["note"])

    def do_reverse(self, act: Act, now: datetime) -> None:
        decision = self.standing_of(act, Decision.Status.RELEASED)
        decisions.reverse(
            decision, by=self.users[act.who], now=now, reason_code=act.told["reason"], note=act.told["note"]
        )
        self.drain(decision.account_id, now)

    def do_escalate(self, act: Act, now: datetime) -> None:
        cases.escalate(self.case_of(act), by=self.users[act.who], now=now, reason=act.told["note"])

    def do_skip(self, act: Act, now: datetime) -> None:
        cases.skip(self.case_of(act), by=self.users[act.who], now=now, reason=act.told["note"])

    def do_wait(self, act: Act, now: datetime) -> None:
        until = now + timedelta(days=act.told["days"])
        cases.wait(self.case_of(act), by=self.users[act.who], now=now, waiting_for=act.told["note"], until=until)

    def do_hand_off(self, act: Act, now: datetime) -> None:
        cases.hand_off(self.case_of(act), by=self.users[act.who], now=now)

    def do_danger(self, act: Act, now: datetime) -> None:
        cases.danger(self.case_of(act), by=self.users[act.who], now=now)

    def do_note(self, act: Act, now: datetime) -> None:
        cases.annotate(self.case_of(act), by=self.users[act.who], now=now, text=act.told["note"])

    def do_reveal(self, act: Act, now: datetime) -> None:
        """Somebody asks to be shown a value. Who holds no case about it is refused, and that is told too."""
        by, account = self.users[act.who], self.accounts([act.account])[act.account]
        value = VaultValue.objects.filter(subject=account.pk, name=f"account.{act.told['field']}").latest("created_at")
        case = Case.objects.filter(account=account, lane__in=by.lanes).order_by("-opened_at").first()
        try:
            asked = desk.reveal(
                value, account=account, case=case, by=by, now=now, purpose=act.told["purpose"], note=act.told["note"]
            )
        except Refused:
            return
        revealing.hand_over(asked, by=by, now=now)

    def do_draft(self, act: Act, now: datetime) -> None:
        by = self.users[act.who]
        case = cases.claim(self.case_of(act), by=by, now=now)
        cases.save_draft(case, by=by, now=now, body={"outcome": "suspend"}, note=act.told["note"])

    def do_disable(self, act: Act, now: datetime) -> None:
        gone = self.users[act.told["person"]]
        people.disable(gone, by=self.users[act.who], now=now)
        cases.return_expired(now=now)
        decisions.expire_proposals(now=now)

    def do_signal(self, act: Act, now: datetime) -> None:
        signal = {
            "source": "seed", "external_id": f"day-{next(self.keys)}", "kind": act.told["kind"],
            "occurred_at": now.isoformat(), "data": act.told["data"],
            "account": {"platform": "main", "id": act.account},
        }  # fmt: skip
        intake.ingest([signal], by=self.upstream, now=now, door="seed")
        scoring.score([self.accounts([act.account])[act.account].pk], by=self.system, now=now)
        cases.take_new(now=now)

    def do_group(self, act: Act, now: datetime) -> None:
        """One decision on many, chosen by score: looked at, and proposed to another lead."""
        by, told = self.users[act.who], act.told
        chosen = choosing.by_filter(choosing.filter_in({"lowest": told["lowest"]}), risk_type=told["risk_type"])
        seen = bulk.look(chosen.ids, by=by, now=now, risk_type=told["risk_type"], chosen=chosen.how)
        bulk.propose(
            chosen.ids, by=by, now=now, risk_type=told["risk_type"], outcome=told["outcome"],
            reason_code=told["reason"], typed=len(seen.accounts), request_key=f"day-{next(self.keys)}",
            note=told["note"], although=told["although"], until=now + timedelta(days=told["days"]), chosen=chosen.how,
            digest=seen.digest.hex(),
        )  # fmt: skip

    # -- what happens at the other end

    def do_gone(self, act: Act, now: datetime) -> None:
        _tell_platform(f"/v1/accounts/main/{act.account}/gone", {"status": 410})

    def do_fault(self, act: Act, now: datetime) -> None:
        _tell_platform("/v1/faults", act.told["faults"])

    def do_away(self, act: Act, now: datetime) -> None:
        """The other end refuses connections: our calls go to a port where nobody listens."""
        self.nowhere = socket.socket()
        self.nowhere.bind(("127.0.0.1", 0))
        self.home = settings.PLATFORM_URL, settings.ENFORCEMENT_HOSTS
        host = f"127.0.0.1:{self.nowhere.getsockname()[1]}"
        settings.PLATFORM_URL, settings.ENFORCEMENT_HOSTS = f"http://{host}", [host]
        self.back_at = max(other.at for other in self.plan.acts if other.do == "back") + SECOND

    def do_back(self, act: Act, now: datetime) -> None:
        settings.PLATFORM_URL, settings.ENFORCEMENT_HOSTS = self.home
        self.nowhere.close()

    # -- whose

    def accounts(self, ids: Iterable[str]) -> dict[str, Account]:
        return {one.external_id: one for one in Account.objects.filter(platform="main", external_id__in=list(ids))}

    def case_of(self, act: Act) -> Case:
        """The open case an act is about; where two lanes have one, the one the act names."""
        found = Case.objects.open().select_related("account", "queue", "score").filter(account__external_id=act.account)
        if "lane" in act.told:
            found = found.filter(lane=act.told["lane"])
        case = found.order_by("-opened_at").first()
        if case is None:
            raise Refused(f"{act.account} has no open case for {act.who} to {act.do} at {act.at:%H:%M}")
        return case

    def standing_of(self, act: Act, status: str, *, missing_ok: bool = False) -> Any:
        parts = ("account", "case__queue", "case__account", "policy", "reason_code", "reverses", "made_by", "queue")
        found = Decision.objects.select_related(*parts).filter(account__external_id=act.account, status=status)
        decision = found.filter(reverses=None).order_by("-made_at").first()
        if decision is None and not missing_ok:
            raise Refused(f"{act.account} has no {status} decision for {act.who} to {act.do} at {act.at:%H:%M}")
        return decision


QUEUES = {
    "fake_account": "fake-accounts", "spam": "spam", "bullying": "bullying", "incentive_fraud": "incentives",
}  # fmt: skip


def _by_time(cast: list[Flagged]) -> Iterable[tuple[datetime, list[Flagged]]]:
    timed = sorted((one for one in cast if one.opened), key=lambda one: (one.opened, one.id))
    for at, group in itertools.groupby(timed, key=lambda one: one.opened):
        assert at is not None
        yield at, list(group)


def _identity(account: str, number: int) -> UUID:
    return uuid5(NAMESPACE_URL, f"reeve:day:{account}:{number}")


def _tell_platform(path: str, told: dict[str, Any]) -> None:
    request = urllib.request.Request(
        f"{settings.PLATFORM_URL}{path}", json.dumps(told).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=5):
        pass
