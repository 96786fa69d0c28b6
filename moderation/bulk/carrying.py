"""How is a group decision carried out, and taken back? One account at a time, each in a transaction of its own.

Each turn holds the row of the whole, so that `stop()` is exact and no two workers count one stage twice. A worker that
dies leaves whole accounts behind; whoever comes next goes on with the first that waits.
"""

from __future__ import annotations

import logging
from datetime import datetime
from functools import partial
from typing import Any

from django.db import OperationalError, transaction

from moderation.cases import actions as cases
from moderation.cases.retrying import again_after_deadlock
from moderation.decisions import actions as decisions
from moderation.decisions.caps import IN_A_GROUP
from moderation.decisions.models import Decision
from moderation.enforcement.models import Enforcement
from portal.audit.actions import Subject, record
from portal.audit.events import Event
from portal.people.models import User
from portal.privacy.actions import open_value
from portal.refusal import Refused
from risk.scoring.models import Score

from . import reading, stopping
from .models import Bulk, BulkItem

log = logging.getLogger(__name__)
PARTS = ("made_by", "approved_by", "undone_by", "undone_why", "reason_code", "policy")
STANDING = (Decision.Status.PROPOSED, Decision.Status.HELD, Decision.Status.RELEASED)


def run_under_way(*, now: datetime, limit: int = 100) -> int:
    """Go on with everything that runs or is being undone, oldest first; returns how many accounts had their turn."""
    turns = 0
    for bulk in Bulk.objects.under_way().order_by("made_at"):
        try:
            turns += run_some(bulk, now=now, limit=limit)
        except Exception:  # one that cannot go on must not keep the others back; it is tried again
            log.exception("%s could not go on", bulk.audit_name)
    return turns


def run_some(bulk: Bulk, *, now: datetime, limit: int = 50) -> int:
    """Give up to `limit` accounts their turn, until it pauses, stops or ends; returns how many had theirs."""
    turns = 0
    while turns < limit and _turn(bulk, now=now):
        turns += 1
    _look(bulk, now=now)
    bulk.refresh_from_db()
    return turns


@again_after_deadlock
@transaction.atomic
def _turn(bulk: Bulk, *, now: datetime) -> bool:
    """One account, forward or back; whether there is more to do. Who comes while another is at it waits its turn."""
    mine, system = _hold(bulk), User.objects.service("system")
    if mine.status == Bulk.Status.UNDOING:
        return _turn_back(mine, by=system, now=now)
    if mine.status != Bulk.Status.RUNNING or _halts(mine, by=system, now=now):
        return False
    item = mine.items.waiting().select_related("account").order_by("position").first()
    if item is None:
        return False
    _decide_on(item, mine, by=system, now=now)
    return True


@again_after_deadlock
@transaction.atomic
def _look(bulk: Bulk, *, now: datetime) -> None:
    """What the last turn of a round came to is seen at once, not at the next bell."""
    mine = _hold(bulk)
    if mine.status == Bulk.Status.RUNNING:
        _halts(mine, by=User.objects.service("system"), now=now)


def _hold(bulk: Bulk) -> Bulk:
    return Bulk.objects.select_related(*PARTS).select_for_update(of=("self",), no_key=True).get(pk=bulk.pk)


def _halts(bulk: Bulk, *, by: User, now: datetime) -> bool:
    """Whether nobody has a turn now: it ends, stops by itself or pauses, and says why."""
    left = bulk.items.waiting().count()
    stage = bulk.items.all().tried_after(bulk.looked_to)
    tried = stage.count()
    failed = stage.filter(status=BulkItem.Status.FAILED).count() + reading.unable(stage)
    decided, upset = bulk.items.decided().count(), reading.complaints(bulk)
    if why := stopping.why_stop(tried=tried, failed=failed, decided=decided, complaints=upset):
        return _halt(bulk, Bulk.Status.STOPPED, Event.BULK_STOPPED, by=by, now=now, why=why, left=left)
    if left == 0:
        return _halt(bulk, Bulk.Status.DONE, Event.BULK_DONE, by=by, now=now, ended_at=now)
    if why := stopping.why_pause(tried=tried, left=left, looked=bulk.looked_at is not None):
        return _halt(bulk, Bulk.Status.PAUSED, Event.BULK_PAUSED, by=by, now=now, why=why, left=left)
    return False


def _halt(
    bulk: Bulk, to: str, event: Event, *, by: User, now: datetime, why: str = "", left: int = 0, **fields: Any
) -> bool:
    if Bulk.objects.move(bulk, to, why=why, **fields):
        record(event, by=by, of=bulk, now=now, why=why, left=left, accounts=bulk.accounts)
    return True


def _decide_on(item: BulkItem, bulk: Bulk, *, by: User, now: datetime) -> None:
    """Decide on one account as who proposed the whole, agreed to by who approved it; or say why not."""
    out = reading.left_out([item.account_id], risk_type=bulk.risk_type, now=now)
    settle = partial(_settle, item, bulk, by=by, now=now)
    if why := out.get(item.account_id):
        settle(BulkItem.Status.LEFT_OUT, Event.BULK_ITEM_LEFT_OUT, why=why)
        return
    try:
        with transaction.atomic():
            decision = _decision(item, bulk, by=by, now=now)
    except Refused as refused:
        settle(BulkItem.Status.FAILED, Event.BULK_ITEM_FAILED, why=refused.sentence)
    except OperationalError:  # the database ended it: done again, or by whoever comes next
        raise
    except Exception:  # one account that cannot be decided must not keep the others back
        log.exception("%s could not be decided", item.audit_name)
        settle(BulkItem.Status.FAILED, Event.BULK_ITEM_FAILED, why="Something went wrong; the server's log says what.")
    else:
        settle(BulkItem.Status.DECIDED, Event.BULK_ITEM_DECIDED, decision=decision)


def _decision(item: BulkItem, bulk: Bulk, *, by: User, now: datetime) -> Decision:
    assert bulk.approved_by is not None
    queue = reading.general_queue(bulk.risk_type)
    if queue is None:
        raise Refused("No queue of the general lane takes cases of this kind.")
    score = Score.objects.filter(account=item.account_id, risk_type=bulk.risk_type, latest=True, model="").first()
    case = cases.open_case(
        item.account, queue=queue, lane="general", risk_type=bulk.risk_type, score=score, why="Part of a group",
        opened_by="bulk", by=by, now=now,
    )  # fmt: skip
    cases.claim(case, by=bulk.made_by, now=now, limits=False)
    decision = decisions.decide(
        case, by=bulk.made_by, now=now, version=case.version, request_key=f"bulk:{item.pk}", undo_seconds=0,
        outcome=bulk.outcome, reason_code=bulk.reason_code.code, policy=bulk.policy.code if bulk.policy else "",
        note=open_value(bulk.note) or "", until=bulk.until, scope=bulk.scope, limits=False, second_person=IN_A_GROUP,
    )  # fmt: skip
    return decisions.approve(decision, by=bulk.approved_by, now=now)


def _turn_back(bulk: Bulk, *, by: User, now: datetime) -> bool:
    """Take one account's decision back, if it is still the last word on it; then drop whose turn never came."""
    if item := bulk.items.decided().select_related("account", "decision").order_by("position").first():
        _take_back(item, bulk, by=by, now=now)
        return True
    if item := bulk.items.waiting().select_related("account").order_by("position").first():
        _settle(item, bulk, BulkItem.Status.DROPPED, Event.BULK_ITEM_DROPPED, by=by, now=now)
        return True
    _halt(bulk, Bulk.Status.UNDONE, Event.BULK_UNDONE, by=by, now=now, ended_at=now)
    return False


def _take_back(item: BulkItem, bulk: Bulk, *, by: User, now: datetime) -> None:
    assert bulk.undone_by is not None
    assert bulk.undone_why is not None
    assert item.decision is not None
    keep_it = partial(_settle, item, bulk, BulkItem.Status.KEPT, Event.BULK_ITEM_KEPT, by=by, now=now)
    if why := _why_kept(item):
        keep_it(why=why)
        return
    decision = Decision.objects.select_related("case__queue", "account", "policy", "reason_code").get(
        pk=item.decision.pk
    )
    try:
        with transaction.atomic():
            reversal = decisions.reverse(decision, by=bulk.undone_by, now=now, reason_code=bulk.undone_why.code)
    except Refused as refused:
        keep_it(why=refused.sentence)
    except OperationalError:
        raise
    except Exception:
        log.exception("%s could not be taken back", item.audit_name)
        keep_it(why="Something went wrong; the server's log says what.")
    else:
        event = Event.BULK_ITEM_UNDONE
        _settle(item, bulk, BulkItem.Status.UNDONE, event, by=by, now=now, reversal=reversal)


def _why_kept(item: BulkItem) -> str:
    """Why this account stays as it is: it is gone, or somebody decided on it again since."""
    assert item.decision is not None
    if item.decision.status == Decision.Status.REVERSED:
        return "It was taken back by itself already."
    again = Decision.objects.filter(account=item.account_id, status__in=STANDING, reverses__isnull=True)
    if again.filter(made_at__gte=item.decision.made_at).exclude(pk=item.decision.pk).exists():
        return "It was decided again since."
    if item.account.erased_at is not None:
        return "It was erased."
    if Enforcement.objects.filter(account=item.account_id, status=Enforcement.Status.MOOT).exists():
        return "The account is gone from its platform."
    return ""


def _settle(
    item: BulkItem, bulk: Bulk, to: str, event: Event, *, by: User, now: datetime, why: str = "", **fields: Any
) -> None:
    """Write down what became of an account, with what came of it."""
    if not BulkItem.objects.move(item, to, why=why[:200], settled_at=now, **fields):
        raise RuntimeError(f"{item.audit_name} had its turn already")  # cannot be: the row of the whole is held
    also: list[Subject | str] = [bulk, f"account:{item.account_id}"]
    also += [row for row in fields.values() if isinstance(row, Decision)]
    record(event, by=by, of=item, also=also, now=now, why=why[:200], position=item.position)
