"""Who orders actions in a round? Threads that order in the transaction that releases a decision, and say what was kept.

Only what was committed is in the history as `ordered`; an order whose commit was not answered is `unanswered`, and may
be there or not.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from .scene import Run

KINDS = ("suspend", "unsuspend", "limit_reach", "label")


class Orders:
    """Orders actions for `accounts` accounts in turn; `plan(n)` says the n-th: `(account number, kind, more)`.

    They are of the `platforms` in turn. With `one_decision` each account has one that orders all its kinds, made
    before the round: ordering is then all that an order costs. Otherwise each order makes a decision of its own.
    """

    def __init__(
        self,
        run: Run,
        *,
        accounts: int,
        plan: Callable[[int], tuple[int, str, dict[str, Any]]] | None = None,
        one_decision: bool = False,
        platforms: tuple[str, ...] = ("main",),
    ) -> None:
        from tests.enforcement.world import account

        self.run, self.dice, self.lock, self.number = run, run.dice(1), threading.Lock(), 0
        self.accounts = [account(f"f{n}", platforms[n % len(platforms)]) for n in range(accounts)]
        self.decisions = made_before(self.accounts) if one_decision else []
        self.released: dict[int, list[Any]] = {}  # account → decisions whose action is to be ordered
        self.plan = plan or (lambda n: (n % accounts, self.dice.choice(KINDS), {}))

    def some(self, count: int, *, close: bool = True) -> None:
        """This many more, one after the other, on this thread's own connection, kept open unless it is to `close`."""
        from django.db import InterfaceError, OperationalError, connection

        for which, kind, more in self._next(count):
            try:
                action = self._order(which, kind, more)
                self.run.history.add("ordered", action=action.pk, account=which, kind=kind, seq=action.seq)
            except (InterfaceError, OperationalError) as broken:  # the database is away: this may have been kept or not
                self.run.history.add("unanswered", account=which, kind=kind, why=type(broken).__name__)
                connection.close()
        if close:
            connection.close()

    def begin(self, count: int, *, threads: int = 1) -> list[threading.Thread]:
        """The same beside what goes on here."""
        begun = [threading.Thread(target=self.some, args=(count // threads,), daemon=True) for _ in range(threads)]
        for thread in begun:
            thread.start()
        return begun

    def prepare(self, count: int) -> None:
        """Release this many decisions beforehand, so that ordering costs no more than what is measured."""
        turns = [n % len(self.accounts) for n in range(count)]
        for which, decision in zip(turns, made_before([self.accounts[n] for n in turns]), strict=True):
            self.released.setdefault(which, []).append(decision)

    def steadily(self, rate: float, seconds: float) -> threading.Thread:
        """Beside what goes on here: so many a second, each at its time however long the others took; then no more."""

        def order() -> None:
            begun = time.monotonic()
            for n in range(int(rate * seconds)):
                time.sleep(max(0.0, begun + n / rate - time.monotonic()))
                if time.monotonic() > begun + seconds:  # a machine that is too slow for it
                    return
                self.some(1, close=False)

        thread = threading.Thread(target=order, daemon=True)
        thread.start()
        return thread

    def _next(self, count: int) -> Iterator[tuple[int, str, dict[str, Any]]]:
        for _ in range(count):
            with self.lock:
                number, self.number = self.number, self.number + 1
                yield self.plan(number)

    def _order(self, which: int, kind: str, more: dict[str, Any]) -> Any:
        from django.db import transaction
        from django.utils import timezone

        from moderation.enforcement import actions

        with transaction.atomic():
            decision = self._decision(which)
            return actions.order(
                decision_id=decision.pk, account=decision.account, kind=kind, by=decision.made_by, now=timezone.now(),
                policy="SPM-1.2", reason_code="spam_run", **more,
            )  # fmt: skip

    def _decision(self, which: int) -> Any:
        """The account's one decision, or the next that was made beforehand, or a new one."""
        from tests.enforcement.world import released_decision

        if self.decisions:
            return self.decisions[which]
        ready = self.released.get(which)
        return ready.pop() if ready else released_decision(self.accounts[which])


def made_before(accounts: list[Any]) -> list[Any]:
    """A released decision for each account, many at a time: copies of the first."""
    from django.db import transaction

    from tests.enforcement.world import released_decision
    from tests.make import tell

    if not accounts:
        return []
    first = released_decision(accounts[0])
    decisions = [first]
    for start in range(1, len(accounts), 100):
        some = accounts[start : start + 100]
        with transaction.atomic():
            cases = type(first.case).objects.bulk_create([another(first.case, account=about) for about in some])
            decisions += type(first).objects.bulk_create(
                [another(first, account=case.account, case=case, request_key=f"before-{case.pk}") for case in cases]
            )
            tell(*cases, *decisions[-len(cases) :])
    return decisions


def another(row: Any, **changed: Any) -> Any:
    """A row like this one but for its id and what is changed; not yet kept."""
    kept = {field.name: getattr(row, field.name) for field in row._meta.concrete_fields if not field.primary_key}
    return type(row)(**kept | changed)
