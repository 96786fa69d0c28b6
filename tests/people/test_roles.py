"""Do the roles of the code carry what the table of roles promises, and nothing more?"""

from __future__ import annotations

import pytest

from portal.people.permissions import Permission as P
from portal.people.roles import NEEDS_SECOND_ADMIN, ROLES, permissions_of

# The table of roles in the public contract, row by row.
TABLE: dict[P, set[str]] = {
    P.ACCOUNT_ERASE: {"privacy"},
    P.ACCOUNT_READ: {"reviewer", "specialist", "lead", "analyst", "auditor", "privacy"},
    P.AUDIT_READ: {"lead", "auditor", "privacy"},
    P.BACKEND_OPERATE: {"operator"},
    P.CAP_OPEN: {"lead"},
    P.CASE_CLAIM: {"reviewer", "specialist", "lead"},
    P.CASE_READ: {"reviewer", "specialist", "lead", "auditor"},
    P.CASE_REASSIGN: {"lead"},
    P.DASHBOARD_OWN: {"reviewer", "specialist", "lead"},
    P.DASHBOARD_READ: {"lead", "analyst", "auditor"},
    P.DECISION_APPROVE: {"specialist", "lead"},
    P.DECISION_BULK: {"lead"},
    P.DECISION_MAKE: {"reviewer", "specialist", "lead"},
    P.DECISION_REVERSE: {"lead"},
    P.ENFORCEMENT_READ: {"lead", "auditor", "operator"},
    P.ENFORCEMENT_RETRY: {"lead", "operator"},
    P.EXPORT_MAKE: {"lead", "auditor", "privacy"},
    P.HOLD_AGREE: {"lead"},
    P.HOLD_ASK: {"privacy"},
    P.LANE_HOLDS: {"privacy"},
    P.LANE_MINORS: {"specialist", "lane:minors"},
    P.LANE_SAFETY: {"specialist", "lane:safety"},
    P.PEOPLE_MANAGE: {"admin"},
    P.PERSONAL_OWN: {"reviewer", "specialist", "lead"},
    P.PERSONAL_REVEAL: {"lead", "auditor", "privacy"},
    P.RETENTION_READ: {"privacy"},
    P.REVEAL_REVIEW: {"privacy"},
    P.SETTINGS_READ: {"reviewer", "specialist", "lead", "analyst", "auditor", "privacy"},
    P.SIGNAL_WRITE: set(),  # a scope of service keys, not of a role
    P.STRATEGY_READ: {"lead", "analyst"},
}


def test_the_table_speaks_of_every_permission():
    assert set(TABLE) == set(P)


@pytest.mark.parametrize("permission", list(P))
def test_a_permission_is_carried_by_the_roles_of_the_table(permission):
    assert {name for name, role in ROLES.items() if permission in role.permissions} == TABLE[permission]


def test_an_admin_sees_no_case_and_an_operator_no_evidence():
    assert ROLES["admin"].permissions == {P.PEOPLE_MANAGE}
    assert not ROLES["operator"].permissions & {P.CASE_READ, P.CASE_CLAIM, P.ACCOUNT_READ, P.AUDIT_READ}


def test_a_lead_knows_of_minors_only_when_granted():
    assert P.LANE_MINORS not in permissions_of({"lead"})
    assert P.LANE_MINORS in permissions_of({"lead", "lane:minors"})


def test_a_role_no_longer_known_carries_nothing():
    assert permissions_of({"emperor"}) == frozenset()


def test_permissions_are_alphabetical_and_noun_dot_verb():
    values = [permission.value for permission in P]

    assert values == sorted(values)
    assert all(permission.name == permission.value.replace(".", "_").upper() for permission in P)


def test_the_weighty_roles_exist():
    assert set(ROLES) >= NEEDS_SECOND_ADMIN


def test_lanes_follow_the_roles(ada, ruth, person):
    assert ada.lanes == ["general"]
    assert ruth.lanes == ["general", "minors", "safety"]
    assert person("lena", "lead", "lane:minors").lanes == ["general", "minors"]
