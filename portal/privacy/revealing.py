"""How is a personal value shown to somebody? Asked for a purpose, written down and committed, then handed over once."""

from __future__ import annotations

from datetime import datetime

from django.conf import settings
from django.db import transaction

from portal.audit import actions as audit
from portal.audit.events import Event
from portal.people.models import User
from portal.refusal import Refused

from . import purposes
from .actions import keep, open_value, subject_of_user
from .models import Reveal, VaultValue


def reveal(
    value: VaultValue,
    *,
    by: User,
    now: datetime,
    purpose: str,
    note: str = "",
    case: int | None = None,
    why_not: str | None = None,
) -> Reveal:
    """Write down that this person is about to see a value, and commit it; `hand_over()` then gives the value.

    `why_not` is the sentence of a room above that knows about cases. A refusal is an event too and is committed before
    `Refused` is raised: 400 what is missing, 409 not for them or erased, 429 over the limit of an hour.
    """
    if missing := purposes.form(purpose, note):
        raise Refused(missing, status=400)
    no = purposes.No("not_theirs", why_not) if why_not else None
    with transaction.atomic(durable=True):  # nothing around it may undo what was written
        no = no or _no(value, by=by, now=now)
        row = None if no else _write(value, by=by, now=now, purpose=purpose, note=note, case=case)
        facts = {"value": str(value.pk), "field": value.name, "data_class": value.data_class, "purpose": purpose}
        also = [f"case:{case}"] if case else []
        account = f"account:{value.subject_id}"
        if no or row is None:
            why = no.code if no else ""
            audit.record(Event.PII_REVEAL_REFUSED, by=by, of=account, also=also, now=now, why=why, **facts)
        else:
            audit.record(Event.PII_REVEALED, by=by, of=account, also=[row, *also], now=now, **facts)
    if no or row is None:
        raise Refused(no.sentence if no else "", status=no.status if no else 409)
    return row


def hand_over(reveal: Reveal, *, by: User, now: datetime) -> str:
    """The value of a reveal, to who asked for it, once and at once.

    The mark that it was handed over stands before it is read: what breaks in between costs another reveal, never one
    without its row. Raises `Refused` where it was handed over before, or was erased meanwhile.
    """
    mine = Reveal.objects.filter(pk=reveal.pk, by=by, handed_at__isnull=True, at__gt=now - purposes.HANDED_WITHIN)
    if mine.update(handed_at=now) != 1:
        raise Refused("This value was shown once and is covered again. Ask anew if you still need it.")
    value = open_value(reveal.value)
    if value is None:
        raise Refused(purposes.ERASED.sentence)
    return value


@transaction.atomic
def review(reveal: Reveal, *, by: User, now: datetime, verdict: str, note: str = "") -> None:
    """Say whether a reveal was in order; never of one's own, once, and with words where it was not."""
    if why := why_not_review(reveal, by=by):
        raise Refused(why)
    if verdict not in Reveal.Verdict.values:
        raise Refused("Say whether it was in order.", status=400)
    if verdict == Reveal.Verdict.NOT_IN_ORDER and len(note.strip()) < 5:
        raise Refused("Say in a few words what was not in order; the team lead reads it.", status=400)
    kept = None
    if note.strip():  # about a colleague, not about the account: it stays when the account is erased
        kept = keep(subject_of_user(by), "reveal.review", note.strip(), data_class="staff").pk
    unseen = Reveal.objects.filter(pk=reveal.pk, verdict="")
    if unseen.update(verdict=verdict, reviewed_by=by, reviewed_at=now, review_note=kept) != 1:
        raise Refused("Somebody reviewed this one just before you; theirs stands.")
    about = [f"account:{reveal.subject}", f"user:{reveal.by_id}", *([f"case:{reveal.case}"] if reveal.case else [])]
    audit.record(Event.REVEAL_REVIEWED, by=by, of=reveal, also=about, now=now, verdict=verdict)


def why_not_review(reveal: Reveal, *, by: User) -> str | None:
    """Why this person may not review a reveal."""
    if reveal.by_id == by.pk:
        return "You cannot review what you were shown yourself; another privacy officer does."
    return "This reveal was reviewed already." if reveal.verdict else None


def _no(value: VaultValue, *, by: User, now: datetime) -> purposes.No | None:
    """Erased, or over the limit; reveals of one person are counted one after another."""
    User.objects.select_for_update(no_key=True).get(pk=by.pk)
    if value.subject.wrapped is None:
        return purposes.ERASED
    most = settings.REVEALS_AN_HOUR
    recent = list(Reveal.objects.filter(by=by).order_by("-at").values_list("at", flat=True)[:most])
    return purposes.over_the_limit(recent, now=now, most=most)


def _write(value: VaultValue, *, by: User, now: datetime, purpose: str, note: str, case: int | None) -> Reveal:
    kept = keep(value.subject_id, "reveal.note", note.strip(), data_class="staff").pk if note.strip() else None
    return Reveal.objects.create(
        value=value.pk, subject=value.subject_id, name=value.name, data_class=value.data_class, purpose=purpose,
        note=kept, case=case, by=by, at=now,
    )  # fmt: skip
