"""Does a drift come before a person, once, where the decision was made?"""

from __future__ import annotations

import pytest
from django.db import transaction

from moderation.cases.models import Case
from moderation.decisions import actions
from moderation.enforcement.models import Finding
from portal.audit.models import AuditEvent
from tests.conftest import NOON
from tests.enforcement.conftest import ordered  # noqa: F401
from tests.make import later, tell


@pytest.fixture
def found(ordered):  # noqa: F811
    """A finding about a suspension; `found(kind=…, action=…)`."""

    def make(kind="drift", action=None):
        action = action or ordered("suspend")
        with transaction.atomic():
            finding = Finding.objects.create(
                account=action.account, enforcement=action, kind=kind, detail="suspend is not in force"
            )
            tell(finding)
        return finding

    return make


def drifts():
    return Case.objects.filter(opened_by="drift")


def test_it_opens_a_case_in_the_queue_of_the_decision(found):
    finding = found()

    assert actions.take_findings(now=later(minutes=1)) == 1

    case, before = drifts().get(), finding.enforcement.decision.case
    assert (case.account_id, case.queue_id, case.lane, case.status) == (
        finding.account_id, before.queue_id, before.lane, "waiting",
    )  # fmt: skip
    assert case.why == "The platform differs: suspend is not in force"
    finding.refresh_from_db()
    assert finding.taken_at == later(minutes=1)
    assert AuditEvent.objects.get(type="finding.taken").subjects[:2] == [finding.audit_name, case.audit_name]


def test_it_takes_each_once(found):
    found()

    assert [actions.take_findings(now=NOON) for _ in range(2)] == [1, 0]
    assert drifts().count() == 1


def test_a_second_one_joins_the_open_case(found):
    first = found()
    actions.take_findings(now=NOON)
    found(action=first.enforcement)

    assert actions.take_findings(now=later(minutes=5)) == 1
    assert drifts().count() == 1


@pytest.mark.parametrize("kind", ["stopped", "unsure"])
def test_what_stands_in_the_outbox_stays_there(found, kind):
    found(kind)

    assert actions.take_findings(now=NOON) == 0
    assert not drifts().exists()


def test_its_case_says_what_changed_there(found, ben, client):
    found()
    actions.take_findings(now=NOON)

    client.force_login(ben)
    page = client.get(f"/cases/{drifts().get().pk}/").content.decode()

    assert "Something changed on the platform" in page
    assert "suspend is not in force" in page
