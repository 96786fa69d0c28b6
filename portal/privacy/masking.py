"""What may be shown of a personal value to somebody who may not see it? Pure: the masked form of each kind."""

from __future__ import annotations

from collections.abc import Callable

DOTS = "•••"


def masked(kind: str, value: str | None) -> str:
    """A masked handle, name, email, phone, ip or birth date.

    Unknown kinds show nothing but dots, nothing stays empty.
    """
    if not value:
        return ""
    mask = _MASKS.get(kind)
    return mask(value) if mask else DOTS


def _handle(value: str) -> str:
    """Two first characters and, of a long one, the last five: `lu•••_deals`. Short ones show one character."""
    shown = "".join(char for char in value if char.isprintable())
    if len(shown) <= 4:
        return shown[:1] + DOTS
    if len(shown) <= 9:
        return shown[:2] + DOTS
    return shown[:2] + DOTS + shown[-min(5, len(shown) - 7) :]


def _email(value: str) -> str:
    local, _, domain = value.rpartition("@")
    return f"{local[:1]}{DOTS}@{domain[:1]}{DOTS}" if local and domain else DOTS


def _phone(value: str) -> str:
    digits = [char for char in value if char.isdigit()]
    return DOTS + "".join(digits[-2:]) if len(digits) > 6 else DOTS


def _ip(value: str) -> str:
    return f"{value.split('.')[0]}.{DOTS}" if value.count(".") == 3 else DOTS


_MASKS: dict[str, Callable[[str], str]] = {
    "handle": _handle,
    "display_name": lambda value: value.strip()[:1] + DOTS,
    "name": lambda value: value.strip()[:1] + DOTS,
    "email": _email,
    "phone": _phone,
    "ip": _ip,
    "birth_date": lambda value: DOTS,
    "bio": lambda value: DOTS,
}
