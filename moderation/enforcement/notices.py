"""What is the account holder told, and when? Written with the decision, sent after its effect, dropped when it is moot.

A notice is ordered in the transaction that records its effect as applied, so no crash can come between the two, and an
effect that never came into force has none. Its own way to the backend is that of any action.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import Exists, OuterRef

from portal.audit.actions import Subject, record
from portal.audit.events import Event
from portal.people.models import User
from portal.privacy.actions import keep, open_value
from portal.privacy.models import VaultValue
from risk.intake.models import Account

from .kinds import OPPOSITE
from .models import AccountSequence, Enforcement, Notice

SKEW = timedelta(minutes=5)  # how far a backend's clock may stand from ours
OVERTAKEN = "overtaken: what it tells of was lifted before it could be told"
OVER = "its time was over before it could be told"
NEVER_TOLD = "the account holder was never told of what it corrects"

# The account's numbers are locked before the notice: whoever orders a reversal takes them first as well.
_WAITS = """
SELECT n.id FROM moderation_notice n JOIN moderation_accountsequence s ON s.account_id = %s
WHERE n.effect_id = %s AND n.order_id IS NULL AND n.dropped_at IS NULL FOR NO KEY UPDATE OF s
"""


def write(
    *,
    decision_id: UUID,
    account: Account,
    effect: Enforcement | None,
    words: dict[str, Any],
    by: User,
    now: datetime,
    corrects: Notice | None = None,
    also: Iterable[Subject | str] = (),
) -> Notice:
    """Keep the words that follow an effect, in the transaction that orders it. Nothing is sent by this.

    `words` are template, version, language, text and appeal_url. The text is sealed; the log has its commitment.
    """
    kept = keep(account.pk, "notice.text", words["text"], data_class=VaultValue.DataClass.STAFF)
    notice = Notice.objects.create(
        decision_id=decision_id, effect=effect, corrects=corrects, text=kept.pk, written_at=now,
        **{name: words[name] for name in ("template", "version", "language", "appeal_url")},
    )  # fmt: skip
    facts = {name: words[name] for name in ("template", "version", "language")}
    facts["commitment"] = bytes(kept.commitment).hex()
    record(Event.NOTICE_WRITTEN, by=by, of=f"decision:{decision_id}", also=(account, *also), now=now, **facts)
    return notice


def waits(effect: Enforcement) -> bool:
    """Whether a notice waits for this effect; if so, the account's numbers are locked from here on."""
    with connection.cursor() as cursor:
        cursor.execute(_WAITS, [effect.account_id, effect.pk])
        return cursor.fetchone() is not None


def due(effect: Enforcement, *, by: Subject | str, now: datetime | None, at: datetime) -> Notice | None:
    """The notice to order now that its effect is applied; None, and dropped with the reason, if it would be untrue."""
    waiting = Notice.objects.select_for_update(of=("self",), no_key=True).select_related("corrects", "decision")
    notice = waiting.filter(effect=effect, order__isnull=True, dropped_at__isnull=True).first()
    if notice is None:
        return None
    if notice.corrects is not None and notice.corrects.order_id is None:
        why = NEVER_TOLD
    elif _lifted_since(effect):
        why = OVERTAKEN
    elif effect.until is not None and effect.until <= at:
        why = OVER
    else:
        return notice
    drop(notice, why=why, by=by, now=now, at=at)
    return None


def _lifted_since(effect: Enforcement) -> bool:
    later = Enforcement.objects.filter(account=effect.account_id, seq__gt=effect.seq, scope=effect.scope)
    gone = (Enforcement.Status.SUPERSEDED, Enforcement.Status.CANCELLED)
    return later.filter(kind=OPPOSITE.get(effect.kind)).exclude(status__in=gone).exists()


def drop(notice: Notice, *, why: str, by: Subject | str, now: datetime | None, at: datetime) -> bool:
    """Give up a notice that was not ordered yet; False when it was, by somebody else, first."""
    mine = Notice.objects.filter(pk=notice.pk, order__isnull=True, dropped_at__isnull=True)
    if not mine.update(dropped_at=at, dropped_why=why):
        return False
    also = (f"account:{notice.decision.account_id}", f"case:{notice.decision.case_id}")
    facts = {"template": notice.template, "why": why}
    record(Event.NOTICE_DROPPED, by=by, of=f"decision:{notice.decision_id}", also=also, now=now, **facts)
    return True


def makes_way(order: Enforcement, *, at: datetime) -> bool:
    """Whether a notice keeps something waiting that could be sent by now; being told is worth less than that."""
    behind = Enforcement.objects.filter(account=order.account_id, seq__gt=order.seq, due_at__lte=at)
    return behind.filter(status=Enforcement.Status.QUEUED).exists()


def overtaken(order: Enforcement) -> bool:
    """Whether anything was ordered behind a notice, inside a transaction in which nothing more will be.

    Its number is too old then: backends refuse what is older than what they did last, and its words may be, too.
    """
    AccountSequence.objects.select_for_update(no_key=True).get(pk=order.account_id)
    return overtaken_of([order.pk]) != set()


def overtaken_of(orders: Iterable[UUID]) -> set[UUID]:
    """Which of these notices something was ordered behind, other than what was taken back."""
    gone = (Enforcement.Status.SUPERSEDED, Enforcement.Status.CANCELLED)
    behind = Enforcement.objects.filter(account=OuterRef("account"), seq__gt=OuterRef("seq")).exclude(status__in=gone)
    mine = Enforcement.objects.filter(Exists(behind), pk__in=list(orders), kind="notify")
    return set(mine.values_list("pk", flat=True))


def said(order: UUID) -> dict[str, Any] | None:
    """What the backend is given of a notice: empty when its text was erased, None when the action has no notice."""
    notice = Notice.objects.filter(order=order).first()
    if notice is None:
        return None
    text = open_value(notice.text)
    if text is None:
        return {}
    return {
        "template": notice.template,
        "version": notice.version,
        "language": notice.language,
        "text": text,
        "appeal_url": notice.appeal_url,
    }


def delivered(order: Enforcement, *, told: datetime | None, at: datetime) -> datetime:
    """Write down when it was delivered: as the backend says, if that can be, else now. Who was told may appeal from
    then on, so a clock there that is wrong must not shorten that.
    """
    when = told if told is not None and order.ordered_at - SKEW <= told <= at + SKEW else at
    Notice.objects.filter(order=order).update(delivered_at=when)
    return when
