"""Which changed policy has somebody not read? Asked before each claim in the queues it belongs to."""

from __future__ import annotations

from django.db.models import Exists, OuterRef, QuerySet

from portal.people.models import User

from .models import Acknowledgement, Policy, ReasonCode


def changed_policies(user: User) -> QuerySet[Policy]:
    """Policies in force that replaced an earlier version and that this person has not confirmed to have read."""
    earlier = Policy.objects.filter(code=OuterRef("code"), version__lt=OuterRef("version"))
    read = Acknowledgement.objects.filter(policy=OuterRef("pk"), user=user)
    return Policy.objects.filter(Exists(earlier), ~Exists(read), in_force=True)


def unread_policy(user: User, risk_type: str) -> str:
    """The name of a changed policy of this risk type's workflow that this person has not read, or ""."""
    codes = ReasonCode.objects.filter(workflow=risk_type).values("policy")
    policy = changed_policies(user).filter(code__in=codes).first()
    return f"{policy.code} ({policy.title})" if policy else ""
