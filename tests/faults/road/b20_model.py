"""B20: random orders of everything that can happen to actions, beside a model; after each step both say the same.

Orders, drains with every kind of answer, workers that are lost before and after their effect, sweeps, late answers,
retries, skips, cancellations, pauses, expiries, manual lifts, other hands and gone accounts, against the real database
and the stand-in platform. Sequences are drawn by Hypothesis, of 50 steps each, and every step is compared; 20,000 steps
are 400 sequences and some more.
"""

from __future__ import annotations

import collections
import itertools
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import hypothesis
from hypothesis import HealthCheck, Phase
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from .breaking import NOBODY, Broken
from .invariants import check
from .model import KEYS, KINDS, SCOPES, Act, Model
from .scene import Run, Scene

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
FAULTS = ("", "", "", "", "error_500", "rate_429", "garbage", "reset", "unreached", "stranger")
STEPS = 50
ENDS = (
    "queued", "in_flight", "retrying", "applied", "stopped", "unsure", "skipped", "superseded", "cancelled", "moot",
)  # fmt: skip
which = st.integers(0, 1)
nth = st.integers(0, 9)


class Road(RuleBasedStateMachine):
    """Two accounts, one backend. `acts` counts what was done over all sequences."""

    platform: ClassVar[Any]
    run: ClassVar[Run]
    acts: ClassVar[collections.Counter[str]]
    numbers: ClassVar[Any] = itertools.count(1)

    def __init__(self) -> None:
        super().__init__()
        from moderation.enforcement.models import Backend
        from portal.people.models import User
        from tests.enforcement.world import account

        self.by, self.now = User.objects.service("system"), NOON
        self.accounts = [account(f"m{next(self.numbers)}") for _ in range(2)]
        self.models = [Model(about.external_id) for about in self.accounts]
        self.hung: list[Any] = [None, None]  # a worker in the middle of a call: (what it sent, its action)
        self.late: list[Any] = []  # workers whose lease was taken from them
        self.backend = Backend.objects.filter(pk="platform").first()
        self.paused = False
        self.orders: list[list[tuple[Any, dict[str, Any]]]] = [[], []]

    def _did(self, what: str) -> None:
        self.acts[what] += 1

    def _order(self, n: int, kind: str, decision: Any, **more: Any) -> Any:
        from django.db import transaction

        from moderation.enforcement import actions

        with transaction.atomic():
            return actions.order(
                decision_id=decision.pk, account=self.accounts[n], kind=kind, by=self.by, now=self.now,
                policy="SPM-1.2", reason_code="spam_run", **more,
            )  # fmt: skip

    @initialize(kinds=st.lists(st.sampled_from(KINDS), min_size=4, max_size=4))
    def some(self, kinds: list[str]) -> None:
        """Both accounts have something to do from the beginning."""
        for number, kind in enumerate(kinds):
            self.order(number % 2, kind, "live", 30 * (number < 2))

    @rule(n=which, kind=st.sampled_from(sorted(KEYS)), hours=st.sampled_from((1, 30)))
    def order_timed(self, n: int, kind: str, hours: int) -> None:
        """A measure with an end, and more often than chance would have it."""
        self.order(n, kind, "", hours)

    @rule(n=which, kind=st.sampled_from(KINDS), scope=st.sampled_from(SCOPES), hours=st.sampled_from((0, 0, 1, 30)))
    def order(self, n: int, kind: str, scope: str, hours: int) -> None:
        """Something is decided; a measure may have an end."""
        from tests.enforcement.world import released_decision

        scope = scope if kind in ("restrict", "unrestrict") else ""
        number = next(self.numbers)  # no two end at one moment
        until = self.now + timedelta(hours=hours, microseconds=number) if hours and kind in KEYS else None
        decision, more = released_decision(self.accounts[n]), {"scope": scope, "until": until}
        row = self._order(n, kind, decision, **more)
        self.models[n].order(str(row.pk), kind, scope, until=until, now=self.now)
        self.orders[n].append((decision, {"kind": kind, **more}))
        self._did("order")

    @rule(n=which, k=nth)
    def order_again(self, n: int, k: int) -> None:
        """The same decision orders the same: nothing new."""
        if self.orders[n]:
            decision, told = self.orders[n][k % len(self.orders[n])]
            self._order(n, told["kind"], decision, scope=told["scope"], until=told["until"])
            self._did("order again")

    @rule(n=which)
    def drain_well(self, n: int) -> None:
        """A worker comes, and nothing goes wrong."""
        self.drain(n, "")

    @rule(n=which, fault=st.sampled_from(FAULTS))
    def drain(self, n: int, fault: str) -> None:
        """A worker does what is due, and every call meets the same fault."""
        from moderation.enforcement import actions

        model, calls = self.models[n], 0
        with self._broken(fault):
            made = actions.drain(self.accounts[n].pk, now=self.now)
        while not self.paused and self._may_call() and (act := model.claim(now=self.now)):
            self._settled(model, act, model.answer(act, fault), fault)
            calls += 1
        assert made == calls, f"{made} calls were made, and not {calls}"
        self._did(f"drain {fault or 'well'}")

    @rule(n=which, called=st.booleans(), fault=st.sampled_from(FAULTS), dies=st.sampled_from((True, False)))
    def work(self, n: int, called: bool, fault: str, dies: bool) -> None:
        """A worker takes the head and is slow; or, where one has it, calls and ends, or dies on the way."""
        if not self.hung[n]:
            self._begin(n)
        elif dies:
            self._lose(n, called, fault)
        else:
            self._finish(n, fault)

    def _begin(self, n: int) -> None:
        from moderation.enforcement import actions

        sent = actions._claim(self.accounts[n].pk, now=self.now)
        act = self.models[n].claim(now=self.now) if not self.paused and self._may_call() else None
        assert (sent is None) == (act is None), f"taken: {sent}, and not {act}"
        if sent is not None:
            self.hung[n] = (sent, act)
        self._did("begin")

    def _finish(self, n: int, fault: str) -> None:
        """It calls, and writes down what came of it."""
        from moderation.enforcement import actions

        (sent, act), self.hung[n] = self.hung[n], None
        actions._settle(sent, self._call(sent, fault), now=self.now, at=self.now)
        self._settled(self.models[n], act, self.models[n].answer(act, fault), fault)
        self._did("finish")

    def _lose(self, n: int, called: bool, fault: str) -> None:
        """It dies before its call, or after it; its lease runs out, and the sweep finds that."""
        from moderation.enforcement import actions

        (sent, act), self.hung[n] = self.hung[n], None
        answer = self._call(sent, fault) if called else None
        if called:
            self.models[n].answer(act, fault)
        self._lapse(sent.row.pk)
        assert actions.sweep(self.now) == 1
        self.models[n].lose(act, now=self.now)
        self.late += [(sent, answer)] if answer else []
        self._did(f"lose {'after' if called else 'before'} the call")

    def _sweep(self) -> None:
        """Nobody is lost who is only slow; whoever was given up comes back too late to change anything."""
        from moderation.enforcement import actions

        assert actions.sweep(self.now) == 0
        for sent, answer in self.late:
            actions._settle(sent, answer, now=self.now, at=self.now)
            self._did("wake")
        self.late.clear()
        self._did("sweep")

    @rule(n=which, k=nth, verb=st.sampled_from(("retry", "retry", "skip", "cancel")))
    def by_hand(self, n: int, k: int, verb: str) -> None:
        """A lead sends again, gives up or takes back; where it does not fit, that is refused."""
        from moderation.enforcement import actions
        from moderation.enforcement.models import Enforcement
        from portal.refusal import Refused

        model = self.models[n]
        if not model.acts:
            return
        stands = [act for act in model.acts if act.status in ("stopped", "unsure")] if verb != "cancel" else []
        open_to = [act for act in stands if k % 2 and not model.overtaken(act)] or stands or model.acts
        act = open_to[k % len(open_to)]
        row = Enforcement.objects.get(pk=act.key)
        more = {"reason": "seen"} if verb == "skip" else {}
        try:
            getattr(actions, verb)(row, by=self.by, now=self.now, **more)
            done = True
        except Refused:
            done = False
        assert done == self._by_hand(model, act, verb), f"{verb} of {act.status}: {done}"
        self._did(f"{verb}{'' if done else ' refused'}")

    @rule(going=st.sampled_from((True, True, False)))
    def switch(self, going: bool) -> None:
        """Somebody pauses the backend or resumes it."""
        from moderation.enforcement import actions
        from moderation.enforcement.models import Backend
        from portal.refusal import Refused

        backend = Backend.objects.filter(pk="platform").first()
        if backend is None:
            return
        try:
            if going:
                actions.resume(backend, by=self.by, now=self.now)
            else:
                actions.pause(backend, by=self.by, now=self.now, why="looking")
            done = True
        except Refused:
            done = False
        assert done == (self.paused == going)
        self.paused = not going
        self._did("resume" if going else "pause")

    @rule(seconds=st.sampled_from((1, 7, 60, 400, 400, 3600, 7200, 90_000, 200_000)), ends=st.booleans())
    def wait(self, seconds: int, ends: bool) -> None:
        """Time goes on; what has had its time is lifted, once; and who is lost is looked for."""
        self.now += timedelta(seconds=seconds)
        self._did("wait")
        self._end_due() if ends else self._sweep()

    def _end_due(self) -> None:
        from moderation.enforcement import actions
        from moderation.enforcement.models import Enforcement

        ended = actions.end_due(self.now)
        lifted = 0
        for model in self.models:
            for act, lifts in model.over(self.now):
                if lifts:
                    lift = Enforcement.objects.get(parent=act.key)
                    assert (lift.kind, lift.seq) == ("un" + act.kind, len(model.acts) + 1)
                    model.order(str(lift.pk), lift.kind, act.scope, until=None, now=self.now)
                    lifted += 1
        assert ended == lifted, f"{ended} ended, and not {lifted}"
        self._did("end due")
        self.acts["lifted"] += lifted

    @rule(n=which, kind=st.sampled_from(("suspend", "unban", "label")), ahead=st.integers(0, 3))
    def elsewhere(self, n: int, kind: str, ahead: int) -> None:
        """Somebody else acts there under a number of their own; or the account is closed there, or opened again."""
        if self.models[n].there.gone or not ahead:
            self._go(n, None if self.models[n].there.gone else (404, 410)[kind == "label"])
        else:
            self._other_hand(n, kind, ahead)

    def _other_hand(self, n: int, kind: str, ahead: int) -> None:
        model = self.models[n]
        key, seq = f"hand-{next(self.numbers)}", max(model.there.last, len(model.acts)) + ahead
        self.platform.ledger.apply(key, seq, {"account": {"platform": "main", "id": model.name}, "kind": kind})
        assert model.there.does(key, seq, kind, "") == "applied"
        self._did("other hand")

    def _go(self, n: int, status: int | None) -> None:
        self.platform.ledger.mark_gone("main", self.models[n].name, status)
        self.models[n].there.gone = status is not None
        self._did("go" if status else "come back")

    @invariant()
    def same(self) -> None:
        """The tables and the platform say what the model says."""
        from moderation.enforcement.models import Backend, Enforcement, Finding

        found = Enforcement.objects.filter(account__in=self.accounts).order_by("seq").prefetch_related("tries")
        everything = list(found)
        for about, model in zip(self.accounts, self.models, strict=True):
            rows = [row for row in everything if row.account_id == about.pk]
            told = [
                (str(r.pk), r.seq, r.kind, r.scope, r.status, r.lost_leases, r.expires_at,
                 tuple(one.outcome for one in r.tries.all()))
                for r in rows
            ]  # fmt: skip
            assert told == model.told(), f"{told}\nand not\n{model.told()}"
            for row, act in zip(rows, model.acts, strict=True):
                if act.status in ("queued", "retrying"):
                    assert row.next_attempt_at <= act.next[1], f"{row.next_attempt_at} is after {act.next}"
                    assert act.status == "queued" or row.next_attempt_at >= act.next[0]
                    act.next = (row.next_attempt_at, row.next_attempt_at)
            self._there(model)
        findings = Finding.objects.filter(account__in=self.accounts).count()
        assert findings == sum(model.findings for model in self.models)
        paused = Backend.objects.filter(pk="platform", paused_at__isnull=False).exists()
        assert paused == self.paused

    def teardown(self) -> None:
        """Leave nothing that the next sequence would meet."""
        from moderation.enforcement import actions
        from moderation.enforcement.models import Backend, Enforcement
        from tests.make import change

        self.run.history.add("sequence", now=self.now, actions=[len(model.acts) for model in self.models])
        for hung in filter(None, self.hung):
            self._lapse(hung[0].row.pk)
        actions.sweep(self.now)
        mine = Enforcement.objects.filter(account__in=self.accounts, expires_at__isnull=False)
        if mine.exists():
            change(mine, expires_at=None)
        if self.paused:
            actions.resume(Backend.objects.get(pk="platform"), by=self.by, now=self.now)
        Backend.objects.filter(pk="platform").update(open_until=None, window_at=None)

    def _there(self, model: Model) -> None:
        holder = self.platform.ledger.holder("main", model.name)
        effects = [row["key"] for row in holder.rows]
        assert effects == model.there.effects, f"{effects} on the platform, and not {model.there.effects}"
        on = {(measure, "") for measure, key in KEYS.items() if holder.state[key]}
        on |= {("restrict", scope) for scope in holder.state["restricted"]}
        assert (on, holder.state["warned"]) == (model.there.on, model.there.warned)

    def _may_call(self) -> bool:
        """Whether the breaker lets a call through: read from its row, for another round tries the breaker."""
        from moderation.enforcement.models import Backend

        until = Backend.objects.filter(pk="platform").values_list("open_until", flat=True).first()
        return until is None or until <= self.now

    def _settled(self, model: Model, act: Act, meaning: str, fault: str) -> None:
        model.settle(act, meaning, fault, now=self.now)
        self.paused = self.paused or meaning == "pause"
        self.acts[f"answered {meaning}"] += 1

    def _by_hand(self, model: Model, act: Act, verb: str) -> bool:
        if verb == "retry":
            return model.retry(act, now=self.now)
        allowed = act.status == "queued" and not act.tries if verb == "cancel" else act.status in ("stopped", "unsure")
        if allowed:
            act.status = "cancelled" if verb == "cancel" else "skipped"
        return allowed

    def _lapse(self, pk: Any) -> None:
        from moderation.enforcement.models import Enforcement
        from tests.make import change

        change(Enforcement.objects.filter(pk=pk), lease_until=NOON - timedelta(days=400))

    def _call(self, sent: Any, fault: str) -> Any:
        from moderation.enforcement import connector

        with self._broken(fault):
            return connector.carry_out(sent.description, sent.call, clock=sent.clock)

    def _broken(self, fault: str) -> Broken:
        return Broken(self.platform, fault)


def play(run: Run) -> None:
    """So many sequences; the first that differs is made as short as it can be and told."""
    stage = run.stage(lease=3600)
    from django.conf import settings

    from portal.local.platform import Platform

    hypothesis.configuration.set_hypothesis_home_dir(run.folder / "hypothesis")
    Road.run, Road.acts, told = run, collections.Counter(), ""
    with Platform(data=run.folder / "model.jsonl", secret="s") as Road.platform:
        settings.ENFORCEMENT_HOSTS = [Road.platform.url.removeprefix("http://"), NOBODY]
        limits = hypothesis.settings(
            max_examples=run.size["sequences"], stateful_step_count=STEPS, deadline=None, database=None,
            suppress_health_check=list(HealthCheck), phases=(Phase.generate, Phase.shrink),
        )  # fmt: skip
        try:
            run_state_machine_as_test(hypothesis.seed(run.seed)(Road), settings=limits)
        except Exception as different:
            told = "; ".join([str(different), *getattr(different, "__notes__", [])])[:3000]
    ways = ("lifted", "skip", "cancel", "retry", "wake", "answered unsure", "answered gone", "answered never")
    done = sum(n for what, n in Road.acts.items() if what != "lifted" and not what.startswith("answered"))
    run.hold("the model says the same after each step", not told, told or f"{done} steps")
    figures = ", ".join(f"{n} {what}" for what, n in sorted(Road.acts.items()))
    run.hold("everything was tried", run.size["sequences"] < 100 or all(Road.acts[way] for way in ways), figures)
    wanted = run.size["sequences"] * STEPS * 0.8
    run.hold("as many steps as asked for", bool(told) or done >= wanted, f"{done} of {run.size['sequences']} × {STEPS}")
    check(run, stage, ends=ENDS, but=("I1", "I2", "I3", "I4", "I6", "I7"))  # sequences share their hours


SCENE = Scene("B20", "a model of the road", play, small={"sequences": 10}, full={"sequences": 420})
