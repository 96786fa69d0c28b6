"""Whatever happens in whatever order: is each effect made at most once, in order, and told of step by step?"""

from __future__ import annotations

import collections
import random
from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone

from moderation.enforcement import actions, connector
from moderation.enforcement.models import Attempt, Enforcement
from portal.audit.models import AuditEvent
from portal.local.ledger import changed
from tests.conftest import NOON

from .world import account, released_decision

KINDS = ("suspend", "unsuspend", "restrict", "unrestrict", "label", "unlabel", "warn", "ban")
FAULTS = {"error_500": 0.2, "rate_429": 0.1, "reset": 0.15, "garbage": 0.15}
STEPS = 150


class Story:
    """A random day, the same for the same seed: orders, drains, workers lost before and after the effect, leads."""

    def __init__(self, seed, platform, lead):
        self.dice, self.platform, self.lead, self.now = random.Random(seed), platform, lead, NOON
        self.accounts = [account() for _ in range(4)]
        platform.faults.set(FAULTS | {"seed": seed})

    def play(self):
        for _ in range(STEPS):
            self.now += timedelta(seconds=self.dice.random() * 30)
            self.dice.choices((self.order, self.drain, self.lose, self.lead_acts), (4, 6, 2, 1))[0]()
        self.platform.faults.set({})
        for _ in range(400):
            self.now += timedelta(minutes=6)
            for one in self.accounts:
                actions.drain(one.pk, now=self.now)
            self.lead_acts()
            if not Enforcement.objects.open().exists():
                break

    def order(self):
        kind, decision = self.dice.choice(KINDS), released_decision(self.dice.choice(self.accounts))
        scope = self.dice.choice(("live", "posts", "wings")) if "restrict" in kind else ""
        with transaction.atomic():
            actions.order(
                decision_id=decision.pk, account=decision.account, kind=kind, scope=scope, by=decision.made_by,
                now=self.now,
            )  # fmt: skip

    def drain(self):
        actions.drain(self.dice.choice(self.accounts).pk, now=self.now)

    def lose(self):
        """A worker takes one and dies, before the effect or after it; the sweep comes along."""
        sent = actions._claim(self.dice.choice(self.accounts).pk, now=self.now)
        if sent is None:
            return
        if self.dice.random() < 0.5:
            connector.carry_out(sent.description, sent.call, clock=sent.clock)
        Enforcement.objects.filter(pk=sent.row.pk).update(lease_until=timezone.now() - timedelta(seconds=1))
        actions.sweep(self.now)

    def lead_acts(self):
        """A lead gives up what nobody can do, and sends again what was stopped for another reason."""
        for row in Enforcement.objects.filter(status__in=("stopped", "unsure")):
            if row.scope == "wings":
                actions.skip(row, by=self.lead, now=self.now, reason="no such thing")
            else:
                actions.retry(row, by=self.lead, now=self.now)


@pytest.mark.parametrize("seed", range(2))
def test_nothing_is_lost_doubled_or_out_of_order(seed, platform, ben):
    story = Story(seed, platform, ben)

    story.play()

    rows = list(Enforcement.objects.select_related("account"))
    by_status = collections.Counter(row.status for row in rows)
    assert set(by_status) <= {"applied", "superseded", "skipped"}
    assert by_status["applied"] > 15
    effects = platform.ledger.rows
    assert sorted(effect["key"] for effect in effects) == sorted(str(row.pk) for row in rows if row.status == "applied")
    for one in story.accounts:
        mine = [effect for effect in effects if effect["account"] == one.external_id]
        assert [effect["seq"] for effect in mine] == sorted(effect["seq"] for effect in mine)
        state = platform.ledger.holder("main", "nobody").state
        for row in sorted((r for r in rows if r.account_id == one.pk and r.status == "applied"), key=lambda r: r.seq):
            state = changed(state, row.kind, scope=row.scope or None, until=None)
        assert platform.ledger.holder("main", one.external_id).state == state
    assert told_of(rows) == []


def told_of(rows):
    """The actions whose events are not exactly what became of them and of their attempts."""
    events, tries = collections.defaultdict(collections.Counter), collections.defaultdict(collections.Counter)
    for kind, subjects in AuditEvent.objects.values_list("type", "subjects"):
        if subjects[0].startswith("enforcement:"):
            events[subjects[0]][kind.removeprefix("enforcement.")] += 1
    for pk, outcome in Attempt.objects.values_list("enforcement_id", "outcome"):
        tries[pk][outcome] += 1
    wrong = []
    for row in rows:
        told, tried = events[row.audit_name], tries[row.pk]
        sound = (
            told["ordered"] == 1
            and told["attempted"] == row.attempts == sum(tried.values())
            and told["retrying"] + told["stopped"] + told["unsure"] + told["applied"] == row.attempts
            and told["applied"] == tried["applied"] == (row.status == "applied")
            and told["superseded"] == (row.status == "superseded")
            and told["skipped"] == (row.status == "skipped")
            and tried["sent"] == 0
        )
        if not sound:
            wrong.append((row, told, tried))
    return wrong
