"""Does what enforcement found come before a person, once, and go again when it has settled?"""

from __future__ import annotations

import pytest
from django.db import transaction

from moderation.cases import actions as cases
from moderation.cases.models import Case, Queue
from moderation.decisions import actions
from moderation.enforcement import actions as enforcement
from moderation.enforcement.models import Finding
from portal.audit.models import AuditEvent
from tests.conftest import NOON
from tests.enforcement.conftest import ordered  # noqa: F401
from tests.enforcement.world import released_decision
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


def test_its_case_says_what_changed_there(found, ben, client):
    found()
    actions.take_findings(now=NOON)

    client.force_login(ben)
    page = client.get(f"/cases/{drifts().get().pk}/").content.decode()

    assert "Something changed on the platform" in page
    assert "suspend is not in force" in page


@pytest.fixture
def queues(system):
    """The shipped queues."""
    cases.ship(by=system, now=NOON)


@pytest.fixture
def stopped(queues, ordered, platform):  # noqa: F811
    """A restriction that the platform refuses, in a house with its queues."""
    action = ordered("restrict", scope="wings")
    enforcement.drain(action.account_id, now=NOON)
    action.refresh_from_db()
    assert action.status == "stopped"
    return action


def opened(kind):
    return Case.objects.filter(opened_by=kind)


def test_an_action_that_stopped_goes_to_the_escalations(stopped):
    assert actions.take_findings(now=later(minutes=1)) == 1

    case = opened("stopped").get()
    assert (case.queue.slug, case.lane, case.status, case.account_id) == (
        "escalations", "general", "waiting", stopped.account_id,
    )  # fmt: skip
    assert case.why == "Restrict was not carried out: answered 422"


def test_of_minors_it_stays_in_the_queue_of_the_decision(queues, ordered, platform):  # noqa: F811
    action = ordered("restrict", scope="wings", decision=released_decision(lane="minors"))
    enforcement.drain(action.account_id, now=NOON)

    actions.take_findings(now=later(minutes=1))

    assert opened("stopped").get().queue == action.decision.case.queue


def test_an_action_nobody_is_sure_of_opens_one_too(queues, ordered, platform):  # noqa: F811
    action = ordered("suspend")
    account = {"platform": "main", "id": action.account.external_id}
    platform.ledger.apply("somebody else's", 9, {"account": account, "kind": "label"})
    enforcement.drain(action.account_id, now=NOON)

    assert actions.take_findings(now=later(minutes=1)) == 1
    assert opened("unsure").get().why.startswith("Suspend: nobody knows whether it happened: answered 409")


@pytest.mark.parametrize("verb", ["retry", "skip"])
def test_its_case_goes_when_a_lead_has_settled_the_action(stopped, ben, verb):
    actions.take_findings(now=later(minutes=1))
    assert actions.close_settled(now=later(minutes=2)) == 0

    more = {"reason": "wrong scope"} if verb == "skip" else {}
    getattr(enforcement, verb)(stopped, by=ben, now=later(minutes=3), **more)

    assert [actions.close_settled(now=later(minutes=4)) for _ in range(2)] == [1, 0]
    case = opened("stopped").get()
    assert (case.status, case.ended_at) == ("withdrawn", later(minutes=4))
    assert AuditEvent.objects.get(type="case.withdrawn").subjects[0] == case.audit_name


def test_stopped_again_it_comes_again(stopped, ben):
    actions.take_findings(now=later(minutes=1))
    enforcement.retry(stopped, by=ben, now=later(minutes=3))
    actions.close_settled(now=later(minutes=4))
    enforcement.drain(stopped.account_id, now=later(minutes=5))

    assert actions.take_findings(now=later(minutes=6)) == 1
    assert sorted(opened("stopped").values_list("status", flat=True)) == ["waiting", "withdrawn"]


def test_what_a_lead_settled_before_it_was_taken_opens_no_case(stopped, ben):
    enforcement.skip(stopped, by=ben, now=later(minutes=1), reason="wrong scope")

    assert actions.take_findings(now=later(minutes=2)) == 1
    assert not opened("stopped").exists()
    assert Finding.objects.get().taken_at == later(minutes=2)


def test_a_case_that_somebody_took_up_stays_with_them(stopped, ruth, ben):
    actions.take_findings(now=later(minutes=1))
    case = cases.claim(opened("stopped").get(), by=ruth, now=later(minutes=2))
    enforcement.skip(stopped, by=ben, now=later(minutes=3), reason="wrong scope")

    assert actions.close_settled(now=later(minutes=4)) == 0
    cases.release(case, by=ruth, now=later(minutes=5))
    assert actions.close_settled(now=later(minutes=6)) == 1


def test_a_case_with_another_reason_by_now_stays(stopped, ben, system):
    actions.take_findings(now=later(minutes=1))
    queue = Queue.objects.get(slug="spam")
    cases.open_case(
        stopped.account, queue=queue, lane="general", risk_type="spam", score=None, why="a report", opened_by="report",
        by=system, now=later(minutes=2),
    )  # fmt: skip
    enforcement.skip(stopped, by=ben, now=later(minutes=3), reason="wrong scope")

    assert actions.close_settled(now=later(minutes=4)) == 0
    case = Case.objects.get(account=stopped.account, status="waiting")
    assert (case.opened_by, case.why) == ("report", "a report")


def test_its_case_says_where_it_is_settled(stopped, ben, ruth, client):
    actions.take_findings(now=NOON)
    url = f"/cases/{opened('stopped').get().pk}/"

    client.force_login(ben)
    assert '<a href="/outbox/?state=stopped">outbox page</a>' in client.get(url).content.decode()
    client.force_login(ruth)
    page = client.get(url).content.decode()
    assert "An action stands still" in page
    assert "A lead can send it again or give it up" in page
