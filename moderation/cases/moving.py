"""How does a case move? `move()` with its sentence for the loser of a race, kept in step with the row in hand."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from portal.privacy.actions import keep
from portal.refusal import Refused

from .models import Case

UNCLAIMED: dict[str, Any] = {"claimed_by": None, "claimed_at": None, "claimed_until": None}
NOT_PENDING: dict[str, Any] = {"pending_for": "", "pending_until": None, "pending_default": ""}


def insist(reason: str | None, case: Case) -> None:
    """Raise the sentence, if there is one, with the state the case is in."""
    if reason:
        raise Refused(reason, state=case.status)


def move(case: Case, to: str, **fields: Any) -> None:
    """Move the case, or raise `Refused` with its current state: somebody else was first, nothing was changed."""
    if not Case.objects.move(case, to, **fields):
        current = Case.objects.filter(pk=case.pk).values_list("status", flat=True).get()
        raise Refused(
            f"Somebody else was first: this case is {Case.Status(current).label.lower()} now. "
            "Nothing of yours was sent; what you typed is kept as a draft.",
            state=current,
        )
    case.status = to
    case.version += 1
    for name, value in fields.items():
        setattr(case, name, value)


def keep_text(case: Case, name: str, text: str) -> tuple[UUID, str]:
    """Put a typed text about the case's account into the vault; its id, and its commitment for the log."""
    kept = keep(case.account_id, name, text, data_class="staff")
    return kept.pk, bytes(kept.commitment).hex()


def names(case: Case) -> list[str]:
    """What else an event about this case is about: its account."""
    return [f"account:{case.account_id}"]
