"""What do decisions look like on the wire?"""

from __future__ import annotations

from rest_framework import serializers

from portal.exact import Exact

from .models import Approval, Decision, Outcome


class DecisionIn(Exact):
    """What somebody concludes about a case they hold."""

    outcome = serializers.ChoiceField(choices=Outcome.choices)
    reason_code = serializers.CharField(max_length=32)
    version = serializers.IntegerField(min_value=0, help_text="The case's version as last seen.")
    policy = serializers.CharField(max_length=32, required=False, allow_blank=True, allow_null=True)
    note = serializers.CharField(max_length=10_000, required=False, allow_blank=True, allow_null=True)
    answers = serializers.DictField(
        child=serializers.CharField(max_length=200, allow_blank=True), required=False, allow_null=True
    )
    evidence = serializers.ListField(
        child=serializers.CharField(max_length=200), max_length=50, required=False, allow_null=True
    )
    until = serializers.DateTimeField(required=False, allow_null=True)
    scope = serializers.CharField(max_length=16, required=False, allow_blank=True, allow_null=True)
    undo_seconds = serializers.IntegerField(min_value=0, max_value=60, required=False, allow_null=True)
    notify = serializers.BooleanField(
        required=False, default=True, help_text="False: the account holder is not told; needs a note."
    )


class ApprovalIn(Exact):
    """The second person's word; a reason where it is no."""

    verdict = serializers.ChoiceField(choices=Approval.Verdict.choices)
    reason = serializers.CharField(max_length=2000, required=False, allow_blank=True, allow_null=True)


class ReversalIn(Exact):
    """Why a decision is taken back."""

    reason_code = serializers.CharField(max_length=32)
    note = serializers.CharField(max_length=10_000, required=False, allow_blank=True, allow_null=True)


class Ordered(serializers.Serializer[None]):
    """One action that a decision ordered."""

    id = serializers.CharField()
    kind = serializers.CharField()
    state = serializers.CharField()


class DecisionOut(serializers.Serializer[None]):
    """Where a decision stands and what it ordered."""

    id = serializers.CharField()
    state = serializers.ChoiceField(choices=Decision.Status.choices)
    case = serializers.CharField()
    outcome = serializers.CharField()
    case_state = serializers.CharField()
    case_version = serializers.IntegerField()
    release_at = serializers.DateTimeField(allow_null=True)
    approval_why = serializers.CharField()
    reverses = serializers.CharField(allow_null=True)
    enforcements = Ordered(many=True)


class PolicyOut(serializers.Serializer[None]):
    """A policy in force and the reason codes that imply it."""

    code = serializers.CharField()
    version = serializers.IntegerField()
    title = serializers.CharField()
    text = serializers.CharField()
    public = serializers.CharField()
    strikes = serializers.IntegerField()
    reason_codes = serializers.ListField(child=serializers.CharField())


class ReasonCodeOut(serializers.Serializer[None]):
    """A reason code of a workflow."""

    code = serializers.CharField()
    workflow = serializers.CharField()
    key = serializers.CharField()
    text = serializers.CharField()
    policy = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]
    note = serializers.BooleanField()


class WorkflowOut(serializers.Serializer[None]):
    """How cases of a risk type are worked."""

    risk_type = serializers.CharField()
    outcomes = serializers.ListField(child=serializers.CharField())
    approval = serializers.JSONField()
    ask = serializers.ListField(child=serializers.CharField())


class Policies(serializers.Serializer[None]):
    """All in force, with the reason codes and workflows they are used with."""

    results = PolicyOut(many=True)
    reason_codes = ReasonCodeOut(many=True)
    workflows = WorkflowOut(many=True)
    next = serializers.CharField(allow_null=True)
