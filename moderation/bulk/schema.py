"""What do group decisions look like on the wire?"""

from __future__ import annotations

from rest_framework import serializers

from moderation.decisions.models import Approval, Outcome
from portal.exact import Exact

from .choosing import BANDS, LABELS
from .models import MOST, Bulk, BulkItem


class FilterIn(Exact):
    """Scores of the risk type that fit all of it, the highest first."""

    platform = serializers.CharField(max_length=64, required=False, allow_blank=True)
    lowest = serializers.IntegerField(min_value=0, max_value=100, required=False)
    highest = serializers.IntegerField(min_value=0, max_value=100, required=False)
    band = serializers.ChoiceField(choices=BANDS, required=False)
    queue = serializers.CharField(max_length=50, required=False, help_text="with a case waiting in it")
    label = serializers.ChoiceField(choices=tuple(LABELS), required=False)  # type: ignore[assignment]
    rule = serializers.CharField(max_length=64, required=False, help_text="this rule gave points")


class WhomIn(Exact):
    """Whom it is about: a filter, or names."""

    risk_type = serializers.CharField(max_length=32)
    filter = FilterIn(required=False)
    accounts = serializers.ListField(
        child=serializers.RegexField(r"^[^:]{1,64}:[\s\S]{1,128}$"), min_length=1, max_length=MOST, required=False,
        help_text="Each as PLATFORM:ID.",
    )  # fmt: skip


class ProposalIn(WhomIn):
    """A measure on all of them, with the number that the preview said."""

    outcome = serializers.ChoiceField(choices=Outcome.choices)
    reason_code = serializers.CharField(max_length=32)
    note = serializers.CharField(max_length=10_000)
    count = serializers.IntegerField(min_value=0, max_value=MOST, help_text="How many accounts it decides on.")
    policy = serializers.CharField(max_length=32, required=False, allow_blank=True)
    until = serializers.DateTimeField(required=False, allow_null=True)
    scope = serializers.CharField(max_length=16, required=False, allow_blank=True)
    although = serializers.CharField(
        max_length=2000, required=False, allow_blank=True, help_text="Why, where most are below review."
    )
    digest = serializers.RegexField(
        r"^[0-9a-f]{64}$", required=False, help_text="Of the preview; refused where others would be decided on by now."
    )


class AnswerIn(Exact):
    """The second lead's word; a reason where it is no. Who proposed it declines to take it back."""

    verdict = serializers.ChoiceField(choices=Approval.Verdict.choices)
    reason = serializers.CharField(max_length=2000, required=False, allow_blank=True)


class UndoIn(Exact):
    """Why it is taken back."""

    reason_code = serializers.CharField(max_length=32)


class Sampled(serializers.Serializer[None]):
    """An account of the sample."""

    account = serializers.CharField()
    score = serializers.IntegerField(allow_null=True)


class PreviewOut(serializers.Serializer[None]):
    """Whom it would decide on."""

    accounts = serializers.IntegerField()
    left_out = serializers.DictField(child=serializers.IntegerField(), help_text="how many by reason")
    below_review = serializers.IntegerField()
    cut = serializers.BooleanField(help_text="more fit than a group may hold, or than were looked at")
    sample = Sampled(many=True)
    digest = serializers.CharField()


class BulkOut(serializers.Serializer[None]):
    """Where it stands."""

    id = serializers.CharField()
    state = serializers.ChoiceField(choices=Bulk.Status.choices)
    why = serializers.CharField()
    risk_type = serializers.CharField()
    outcome = serializers.CharField()
    reason_code = serializers.CharField()
    policy = serializers.CharField(allow_null=True)
    until = serializers.DateTimeField(allow_null=True)
    scope = serializers.CharField()
    accounts = serializers.IntegerField()
    digest = serializers.CharField()
    chosen = serializers.DictField()
    made_by = serializers.CharField()
    made_at = serializers.DateTimeField()
    approved_by = serializers.CharField(allow_null=True)
    undone_by = serializers.CharField(allow_null=True)
    counts = serializers.DictField(child=serializers.IntegerField(), help_text="accounts by state")
    measures = serializers.DictField(child=serializers.IntegerField(), help_text="actions by state; `lift:` takes back")


class Bulks(serializers.Serializer[None]):
    """A page of them, the newest first."""

    results = BulkOut(many=True)
    next = serializers.CharField(allow_null=True)


class ItemOut(serializers.Serializer[None]):
    """One account of it."""

    position = serializers.IntegerField()
    platform = serializers.CharField()
    account = serializers.CharField()
    state = serializers.ChoiceField(choices=BulkItem.Status.choices)
    why = serializers.CharField()
    decision = serializers.CharField(allow_null=True)
    measure = serializers.CharField()
    lift = serializers.CharField()
    settled_at = serializers.DateTimeField(allow_null=True)


class Items(serializers.Serializer[None]):
    """A page of accounts, in order."""

    results = ItemOut(many=True)
    next = serializers.CharField(allow_null=True)
