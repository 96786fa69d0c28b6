"""Why not? Reasons why an action, or a backend, cannot be handled as somebody wishes; None when it can."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .models import Backend, Enforcement

OVERTAKEN = (
    "Something was decided about this account since, which did not wait for the notice; the platform refuses what is "
    "older. Give it up, and tell the account holder in another way."
)


def retry(enforcement: Enforcement, *, overtaken: bool) -> str | None:
    """Only what stands still is sent again by hand, and no notice behind which something was ordered since."""
    if enforcement.status not in enforcement.STANDS:
        return _stands(enforcement)
    return OVERTAKEN if overtaken else None


def skip(enforcement: Enforcement, *, reason: str) -> str | None:
    """Only what stands still is given up, and somebody says why."""
    if enforcement.status not in enforcement.STANDS:
        return _stands(enforcement)
    return None if reason.strip() else "Say why this action is given up; the reason stays with it."


def cancel(enforcement: Enforcement) -> str | None:
    """What was sent may have happened; only what never was can be taken back."""
    if enforcement.attempts:
        return "This action was sent already; reverse the decision to undo it."
    return None if enforcement.status == "queued" else _stands(enforcement)


def pause(backend: Backend, *, why: str) -> str | None:
    """Once is enough, and somebody says why."""
    if backend.paused_at is not None:
        return f"{backend.name} is paused already."
    return None if why.strip() else "Say why; everybody who waits for this backend reads it."


def resume(backend: Backend) -> str | None:
    """Only what is paused goes on."""
    return None if backend.paused_at is not None else f"{backend.name} is not paused."


def _stands(enforcement: Enforcement) -> str:
    return f"This action is {enforcement.get_status_display().lower()}."
