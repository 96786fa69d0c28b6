"""What do actions look like on the wire?"""

from __future__ import annotations

from rest_framework import serializers

from .models import Enforcement


class ActionProblem(serializers.Serializer[None]):
    """A problem document (RFC 9457) with a sentence fit for a person."""

    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField()
    state = serializers.CharField(required=False)


class ActionAccount(serializers.Serializer[None]):
    """Whom it is done to."""

    platform = serializers.CharField()
    id = serializers.CharField()


class ActionAttempt(serializers.Serializer[None]):
    """One try: `outcome` is sent, applied, later, never, unsure, lost or gone."""

    number = serializers.IntegerField()
    at = serializers.DateTimeField()
    ended_at = serializers.DateTimeField(allow_null=True)
    outcome = serializers.CharField()
    detail = serializers.CharField()


class Action(serializers.Serializer[None]):
    """An action with its attempts; its id is the key the backend knows it by."""

    id = serializers.CharField()
    decision = serializers.CharField()
    case = serializers.CharField()
    account = ActionAccount()
    kind = serializers.CharField()
    state = serializers.ChoiceField(Enforcement.Status.choices)
    seq = serializers.IntegerField()
    parent = serializers.CharField(allow_null=True)  # type: ignore[assignment]
    backend = serializers.CharField()
    until = serializers.DateTimeField(allow_null=True)
    scope = serializers.CharField()
    policy = serializers.CharField()
    reason_code = serializers.CharField()
    ordered_at = serializers.DateTimeField()
    next_attempt_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField(allow_null=True)
    settled_at = serializers.DateTimeField(allow_null=True)
    effect_id = serializers.CharField()
    detail = serializers.CharField()
    attempts = ActionAttempt(many=True)


class Actions(serializers.Serializer[None]):
    """A page of them."""

    results = Action(many=True)
    next = serializers.CharField(allow_null=True)
