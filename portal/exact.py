"""What if a call holds a field that we do not know? It is refused: a misspelt `until` would be no end at all."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers


class Exact(serializers.Serializer[None]):
    """A body, or a part of one, in which nothing is passed over."""

    def to_internal_value(self, data: Any) -> Any:
        """As it is, if every name in it is known. Raises `ValidationError` with each that is not."""
        unknown = sorted(set(data) - set(self.fields)) if isinstance(data, dict) else []
        if unknown:
            known = ", ".join(self.fields)
            raise serializers.ValidationError(
                {name: [f"There is no such field; there are {known}."] for name in unknown}
            )
        return super().to_internal_value(data)


def valid(told: serializers.Serializer[None]) -> dict[str, Any]:
    """What a body says. Raises `ValidationError` (400) with what is wrong, by field."""
    told.is_valid(raise_exception=True)
    said: dict[str, Any] = told.validated_data
    return said
