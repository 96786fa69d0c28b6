"""What do cases look like on the wire?"""

from __future__ import annotations

from drf_spectacular.utils import OpenApiResponse
from rest_framework import serializers

from portal.exact import Exact

from .models import Case


class Problem(serializers.Serializer[None]):
    """A problem document (RFC 9457) with a sentence fit for a person."""

    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField()
    state = serializers.CharField(required=False)


REFUSED = {
    400: OpenApiResponse(Problem, "Malformed."),
    404: OpenApiResponse(Problem, "Nothing this key may see."),
    409: OpenApiResponse(Problem, "Refused by state or race; `state` is the current one."),
}


class ReasonIn(Exact):
    """Why."""

    reason = serializers.CharField(max_length=2000)


class Queue(serializers.Serializer[None]):
    """A queue; `waiting` is counted up to 1,001."""

    slug = serializers.CharField()
    title = serializers.CharField()
    lane = serializers.CharField()
    role = serializers.CharField()
    sla_minutes = serializers.IntegerField()
    lease_minutes = serializers.IntegerField()
    max_hold_minutes = serializers.IntegerField()
    exposure = serializers.CharField()
    waiting = serializers.IntegerField()
    claimable = serializers.BooleanField()


class Queues(serializers.Serializer[None]):
    """All of them; there is no next page."""

    results = Queue(many=True)
    next = serializers.CharField(allow_null=True)


class AccountName(serializers.Serializer[None]):
    """Which account, with its handle masked."""

    platform = serializers.CharField()
    id = serializers.CharField()
    handle = serializers.CharField()


class Row(serializers.Serializer[None]):
    """A case as a list shows it."""

    id = serializers.CharField()
    account = AccountName()
    lane = serializers.CharField()
    queue = serializers.CharField()
    state = serializers.ChoiceField(choices=Case.Status.choices)
    version = serializers.IntegerField()
    risk_type = serializers.CharField()
    score = serializers.IntegerField()
    band = serializers.CharField()
    why = serializers.CharField()
    priority = serializers.IntegerField(help_text="Severity × score, in tenths.")
    must_review = serializers.BooleanField()
    language = serializers.CharField()
    opened_at = serializers.DateTimeField()
    due_at = serializers.DateTimeField()
    claimed_by = serializers.CharField(allow_null=True)
    claimed_until = serializers.DateTimeField(allow_null=True)
    pending_for = serializers.CharField()
    pending_until = serializers.DateTimeField(allow_null=True)


class Cases(serializers.Serializer[None]):
    """A page; `next` is the cursor of the next one."""

    results = Row(many=True)
    next = serializers.CharField(allow_null=True)


class Contribution(serializers.Serializer[None]):
    """One reason of a score."""

    rule = serializers.CharField()
    title = serializers.CharField()
    group = serializers.CharField()
    points = serializers.IntegerField()


class Told(serializers.Serializer[None]):
    """One signal, with personal values masked."""

    source = serializers.CharField()  # type: ignore[assignment]
    external_id = serializers.CharField()
    kind = serializers.CharField()
    occurred_at = serializers.DateTimeField()
    received_at = serializers.DateTimeField()
    data = serializers.JSONField()  # type: ignore[assignment]
    scores = serializers.JSONField()


class Frozen(serializers.Serializer[None]):
    """What lay on the table when somebody decided: its digest."""

    id = serializers.CharField()
    at = serializers.DateTimeField()
    sha256 = serializers.CharField()


class Happened(serializers.Serializer[None]):
    """One event of the log."""

    id = serializers.CharField()
    event = serializers.CharField()
    by = serializers.CharField()
    at = serializers.DateTimeField()
    facts = serializers.JSONField()


class Detail(Row):
    """A case with all that is known of it."""

    claimed_at = serializers.DateTimeField(allow_null=True)
    pending_default = serializers.CharField()
    opened_by = serializers.CharField()
    reasons = Contribution(many=True)
    evidence = Told(many=True)
    frozen = Frozen(many=True)
    history = Happened(many=True)
