"""How do statuses move? Draws every state table (`COMES_FROM`) as a diagram, for docs/states.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.db.models import Model

HEAD = """# States

Drawn by `make states` from the state tables of the models (`COMES_FROM`); `make check` fails when this page is stale.
Only `move()` changes a status, and only along these arrows: the condition stands in the `UPDATE`, so two people cannot
both win. `[*]` on the left is where a row may begin, on the right where it ends.
"""


def stateful() -> list[type[Model]]:
    """The models that have a state table, by name."""
    return sorted(
        (model for model in apps.get_models() if hasattr(model, "COMES_FROM")), key=lambda model: model.__name__
    )


def beginnings(model: Any) -> list[str]:
    """Where a row may begin: as `BEGINS` says, else at the field's default, else at what nothing leads to."""
    if begins := getattr(model, "BEGINS", ()):
        return [str(status) for status in begins]
    field = model._meta.get_field("status")
    if field.has_default():
        return [str(field.default)]
    return [str(status) for status in model.Status if status not in model.COMES_FROM]


def arrows(model: Any) -> Iterator[tuple[str, str]]:
    """Every move `(from, to)` of a model, in the order of its statuses."""
    order = [str(status) for status in model.Status]
    for to in order:
        yield from ((start, to) for start in order if start in model.COMES_FROM.get(to, ()))


def endings(model: Any) -> list[str]:
    """The statuses that nothing leaves but a move to itself: where a row ends."""
    left = {start for start, to in arrows(model) if start != to}
    return [str(status) for status in model.Status if status not in left]


def drawing(model: Any) -> str:
    """The Mermaid state diagram of one model."""
    lines = ["stateDiagram-v2"]
    lines += [f"    [*] --> {status}" for status in beginnings(model)]
    lines += [f"    {start} --> {to}" for start, to in arrows(model)]
    lines += [f"    {status} --> [*]" for status in endings(model)]
    return "\n".join(lines)


def page() -> str:
    """The whole of docs/states.md."""
    parts = [HEAD]
    for model in stateful():
        first = (model.__doc__ or "").strip().splitlines()[0]
        parts.append(f"## {model.__name__}\n\n{first}\n\n```mermaid\n{drawing(model)}\n```\n")
    return "\n".join(parts)
