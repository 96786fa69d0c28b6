"""Which permissions does a role carry? Roles are code, so that a change of one is a diff somebody reviews."""

from __future__ import annotations

from dataclasses import dataclass

from .permissions import Permission as P


@dataclass(frozen=True)
class Role:
    """A role: its stored name, its name for people, what it is for, what it may do."""

    name: str
    title: str
    description: str
    permissions: frozenset[P]


def _role(name: str, title: str, description: str, *permissions: P) -> Role:
    return Role(name, title, description, frozenset(permissions))


_WORKS_CASES = (
    P.ACCOUNT_READ,
    P.CASE_CLAIM,
    P.CASE_READ,
    P.DASHBOARD_OWN,
    P.DECISION_MAKE,
    P.PERSONAL_OWN,
    P.SETTINGS_READ,
)

ROLES: dict[str, Role] = {
    role.name: role
    for role in (
        _role("reviewer", "Reviewer", "Works the cases of the general queues.", *_WORKS_CASES),
        _role(
            "specialist", "Specialist", "Works every queue, minors and safety among them, and approves there.",
            *_WORKS_CASES, P.DECISION_APPROVE, P.LANE_MINORS, P.LANE_SAFETY,
        ),
        _role(
            "lead", "Team lead",
            "Works cases, approves what others proposed, retries actions, reverses, looks at dashboards.",
            *_WORKS_CASES, P.AUDIT_READ, P.CAP_OPEN, P.CASE_REASSIGN, P.DASHBOARD_READ, P.DECISION_APPROVE,
            P.DECISION_BULK, P.DECISION_REVERSE, P.ENFORCEMENT_READ, P.ENFORCEMENT_RETRY, P.EXPORT_MAKE,
            P.HOLD_AGREE, P.PERSONAL_REVEAL, P.STRATEGY_READ,
        ),
        _role(
            "analyst", "Analyst", "Writes strategies and lists, reads scores and dashboards.",
            P.ACCOUNT_READ, P.DASHBOARD_READ, P.SETTINGS_READ, P.STRATEGY_READ,
        ),
        _role(
            "auditor", "Auditor", "Reads the log and exports histories.",
            P.ACCOUNT_READ, P.AUDIT_READ, P.CASE_READ, P.DASHBOARD_READ, P.ENFORCEMENT_READ, P.EXPORT_MAKE,
            P.PERSONAL_REVEAL, P.SETTINGS_READ,
        ),
        _role(
            "privacy", "Privacy officer", "Sees personal data for a purpose, answers for erasure and holds.",
            P.ACCOUNT_ERASE, P.ACCOUNT_READ, P.AUDIT_READ, P.EXPORT_MAKE, P.HOLD_ASK, P.LANE_HOLDS, P.PERSONAL_REVEAL,
            P.RETENTION_READ, P.REVEAL_REVIEW, P.SETTINGS_READ,
        ),
        _role(
            "operator", "Operator", "Keeps backends going; sees no evidence.",
            P.BACKEND_OPERATE, P.ENFORCEMENT_READ, P.ENFORCEMENT_RETRY,
        ),
        _role("admin", "Admin", "People and keys; no cases, no evidence.", P.PEOPLE_MANAGE),
        _role("lane:minors", "Minors lane", "Granted to a lead: knows of and works cases about age.", P.LANE_MINORS),
        _role(
            "lane:safety", "Safety lane", "Granted to a lead: knows of and works cases about danger to life.",
            P.LANE_SAFETY,
        ),
    )
}  # fmt: skip

NEEDS_SECOND_ADMIN = frozenset({"lead", "privacy", "admin"})


def permissions_of(names: list[str] | tuple[str, ...] | set[str]) -> frozenset[P]:
    """All permissions that these role names carry; a name no longer known carries none."""
    return frozenset(permission for name in names if name in ROLES for permission in ROLES[name].permissions)
