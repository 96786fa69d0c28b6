"""Is everything gone when an account is erased, and does every proof still hold?"""

from __future__ import annotations

import json

import pytest
from django.utils import timezone

from moderation.cases.models import Case, Evidence
from moderation.decisions.models import Decision
from moderation.desk.search import find
from moderation.enforcement.models import Enforcement
from moderation.insight import actions as insight
from moderation.insight import exports, history
from portal.audit.models import AuditEvent
from portal.privacy import erasure
from portal.privacy.actions import keep, open_value
from portal.privacy.models import VaultKey, VaultValue
from portal.refusal import Refused
from risk.intake import actions as intake
from risk.intake.models import Account, Link, Signal
from risk.scoring.models import Reason, Score
from tests.make import NOON, later, make_case, make_decision, make_signal
from tests.privacy.world import account_of, decide, planted, ship, tell

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def told(ada, tmp_path, settings):
    settings.DATA_DIR = tmp_path
    ship()


def erase(name, *, by, **more):
    asked = {"legal_basis": "consent_withdrawn", "ticket": "REQ-17"} | more
    return erasure.erase("main", planted(name)["id"], by=by, now=later(hours=1), **asked)


def readable(name: str) -> list[str]:
    """Every column of every table in which a planted value of this account can be read."""
    from tests.faults.leftovers import found_in_tables

    return found_in_tables([planted(name)])


def test_nothing_of_it_can_be_read_in_any_table(ada, pia):
    tell("kara")
    tell("milo", about="kara")
    decide("kara", by=ada)
    assert readable("kara")

    erase("kara", by=pia)

    assert readable("kara") == []


def test_it_destroys_the_key_and_everything_sealed_under_it(ada, pia):
    tell("kara")
    decision = decide("kara", by=ada)
    subject = account_of("kara").pk
    assert open_value(decision.note)

    erase("kara", by=pia)

    assert VaultKey.objects.values_list("wrapped", "destroyed_at").get(pk=subject) == (None, later(hours=1))
    assert not VaultValue.objects.filter(subject=subject).exists()
    assert open_value(decision.note) is None
    with pytest.raises(Refused, match="was erased"):
        keep(subject, "case.note", "something new", data_class="staff")


def test_the_row_stays_and_has_no_name(ada, pia):
    tell("kara")
    pk = account_of("kara").pk

    erase("kara", by=pia)

    row = Account.objects.get(pk=pk)
    assert (row.external_id, row.handle_shown, row.handle_lookup) == (f"erased:{pk}", "", None)
    assert (row.attributes, row.country, row.lang, row.erased_at) == ({}, "", "", later(hours=1))
    assert not Link.objects.filter(account=pk).exists()
    assert {signal.external_id.split(":")[0] for signal in Signal.objects.filter(account=pk)} == {"erased"}
    assert not find(planted("kara")["handle"], by=ada).accounts
    assert not find(planted("kara")["id"], by=ada).accounts


def test_what_was_decided_stays(ada, pia):
    tell("kara")
    decision = decide("kara", by=ada)
    frozen = bytes(Evidence.objects.get().body)

    erase("kara", by=pia)

    decision.refresh_from_db()
    assert (decision.status, decision.outcome, decision.made_by) == ("released", "warn", ada)
    assert bytes(Evidence.objects.get().body) == frozen
    assert Enforcement.objects.get().status == "applied"
    assert set(Reason.objects.values_list("title", flat=True)) == {"erased"}
    assert not Score.objects.filter(latest=True).exists()


def test_the_log_says_who_why_and_how_much_and_no_value(ada, pia):
    tell("kara")
    account = account_of("kara")

    erase("kara", by=pia)

    told = AuditEvent.objects.get(type="account.erased")
    facts = json.loads(bytes(told.payload))["facts"]
    assert (told.by, told.subjects) == (pia.audit_name, [account.audit_name])
    assert (facts["legal_basis"], facts["ticket"]) == ("consent_withdrawn", "REQ-17")
    assert facts["went"]["signals_emptied"] == 3
    assert facts["went"]["values_in_the_vault"] == 9


def test_no_event_before_it_was_touched(ada, pia):
    tell("kara")
    decide("kara", by=ada)
    before = dict(AuditEvent.objects.values_list("pk", "payload_hash"))

    erase("kara", by=pia)

    after = dict(AuditEvent.objects.values_list("pk", "payload_hash"))
    assert before.items() <= after.items()


def test_others_no_longer_name_it(pia):
    tell("kara")
    tell("milo", about="kara")

    erase("kara", by=pia)

    claim = Signal.objects.get(kind="claim")
    assert claim.data == {"campaign": "c", "referrer": {"erased": True}}
    reports = Signal.objects.filter(account=account_of("milo"), kind="user_report").order_by("id")
    assert [report.data["reporter"].keys() for report in reports] == [{"person"}, {"erased"}]


def test_a_later_signal_makes_somebody_new(pia):
    tell("kara")
    first = account_of("kara").pk
    erase("kara", by=pia)

    tell("kara")

    again = account_of("kara")
    assert again.pk != first
    assert again.erased_at is None
    assert VaultKey.objects.get(pk=again.pk).wrapped
    assert Signal.objects.filter(account=again).count() == 3


@pytest.mark.parametrize("at", ["waiting", "claimed"])
def test_an_open_case_is_ended_first(ada, pia, at):
    tell("kara")
    case = make_case(at=at, by=ada, account=account_of("kara"))

    with pytest.raises(Refused, match=f"Case {case.pk} is still {at}"):
        erase("kara", by=pia)

    assert account_of("kara").erased_at is None
    assert not AuditEvent.objects.filter(type="account.erased").exists()


def test_an_unfinished_decision_and_an_open_action_come_first(ada, pia):
    tell("kara")
    case = make_case(at="claimed", by=ada, account=account_of("kara"))
    decision = make_decision(by=ada, case=case)

    with pytest.raises(Refused, match="is still held"):
        erase("kara", by=pia)

    from moderation.decisions import actions as decisions

    decisions.release_due(now=later(minutes=30))
    assert Decision.objects.get(pk=decision.pk).status == "released"
    with pytest.raises(Refused, match="“warn” is still queued"):
        erase("kara", by=pia)


def test_a_hold_comes_first(ada, ben, pia):
    from portal.privacy import holding

    tell("kara")
    hold = holding.ask(
        account_of("kara").pk, of=ben, reference="LR-031", reason="a court asks", confidential=True, by=pia, now=NOON
    )
    holding.agree(hold, by=ben, now=NOON)

    with pytest.raises(Refused, match="LR-031 is on this account"):
        erase("kara", by=pia)


@pytest.mark.parametrize(
    ("wrong", "why"), [({"legal_basis": "because"}, "legal basis"), ({"ticket": "kara@mail.example"}, "the request")]
)
def test_it_asks_for_a_basis_and_a_number(pia, wrong, why):
    tell("kara")

    with pytest.raises(Refused, match=why):
        erase("kara", by=pia, **wrong)

    assert account_of("kara")


def test_nobody_is_erased_twice(pia):
    tell("kara")
    erase("kara", by=pia)

    with pytest.raises(Refused, match="erased before") as refused:
        erase("kara", by=pia)

    assert refused.value.status == 404


def test_it_shows_beforehand_what_will_go(ada, pia):
    tell("kara")
    decide("kara", by=ada)

    subject = erasure.find("main", planted("kara")["id"])
    shown = erasure.preview(subject)

    assert shown.against == []
    assert shown.goes["signals emptied"] == 3
    assert shown.goes["cases emptied"] == 1
    assert account_of("kara").erased_at is None
    assert erase("kara", by=pia).goes == shown.goes


def kept(asked, *, by):
    """An export that was made, and its file."""
    export = insight.request_export(
        history.read(asked, wanted_by=by), formats=["jsonl"], purpose="why", by=by, now=timezone.now()
    )
    insight.start_export(export, now=timezone.now())
    export.refresh_from_db()
    path = exports.folder() / f"{export.pk}.zip"
    path.write_text("a copy")
    assert insight.finish_export(
        export, now=timezone.now(), path=path.name, rows=1, size=1, sha256="0" * 64, checkpoint=1
    )
    return path


def test_a_file_goes_whose_asker_may_see_less_today(person, pia):
    from portal.people import actions as people
    from portal.people.models import User
    from tests.make import make_case

    lena = person("lena", "lead", "lane:minors")
    tell("kara")
    make_case(account=account_of("kara"), risk_type="underage")
    path = kept({}, by=lena)
    people.revoke(lena, "lane:minors", by=User.objects.service("system"), now=NOON)

    shown = erasure.preview(erasure.find("main", planted("kara")["id"]))

    assert shown.goes["files of exports that name it"] == 1
    assert path.exists()


def test_a_file_goes_that_holds_no_event_of_it_but_its_name(pia, vera):
    tell("kara")
    path = kept({"account": f"main:{planted('kara')['id']}", "type": "role"}, by=vera)

    erase("kara", by=pia)

    assert not path.exists()


def test_a_file_about_others_stays(pia, vera):
    tell("kara")
    tell("milo")
    path = kept({"account": f"main:{planted('milo')['id']}"}, by=vera)

    erase("kara", by=pia)

    assert path.exists()


def test_evidence_about_others_says_that_a_name_in_it_was_erased(ada, pia):
    from moderation.cases.rechecking import recheck

    tell("kara")
    tell("milo", about="kara")
    decide("milo", by=ada)

    erase("kara", by=pia)

    assert {part.state for part in recheck(Evidence.objects.get())} == {"unchanged", "erased"}
    mention = Signal.objects.filter(kind="claim").get()
    Signal.objects.filter(pk=mention.pk).update(kind="post")
    assert "changed" in {part.state for part in recheck(Evidence.objects.get())}


def test_an_export_that_was_being_made_meanwhile_is_not_kept(ada, pia, vera):
    tell("kara")
    decide("kara", by=ada)
    export = insight.request_export(
        history.read({}, wanted_by=vera), formats=["jsonl"], purpose="all", by=vera, now=timezone.now()
    )
    insight.start_export(export, now=timezone.now())
    export.refresh_from_db()
    (exports.folder() / "made.jsonl").write_text(planted("kara")["id"])
    erase("kara", by=pia)

    done = insight.finish_export(
        export, now=timezone.now(), path="made.jsonl", rows=1, size=1, sha256="0" * 64, checkpoint=1
    )

    export.refresh_from_db()
    assert (done, export.status) == (False, "failed")
    assert not list(exports.folder().iterdir())


def test_the_log_and_the_pages_can_still_be_read(ada, ben, pia, vera):
    from django.test import Client

    tell("kara")
    decision = decide("kara", by=ada)
    account = account_of("kara")
    erase("kara", by=pia)

    for who, address in [
        (ada, f"/accounts/main/erased:{account.pk}/"), (ben, f"/cases/{decision.case_id}/"), (vera, "/log/"),
        (ben, "/outbox/"), (ben, "/dashboards/"),
    ]:  # fmt: skip
        client = Client()
        client.force_login(who)
        answer = client.get(address)
        assert answer.status_code == 200, address
        assert not any(value in answer.content.decode() for value in planted("kara").values())


def test_a_signal_refused_by_the_stream_goes_too(pia, settings):
    import redis

    from risk.intake import stream

    settings.INTAKE_URL = f"{settings.REDIS_URL}&stream=told-here"
    address = stream.Address.of(settings.INTAKE_URL)
    server = redis.Redis.from_url(address.server)
    tell("kara")
    bad = make_signal("no-such-kind", account=planted("kara")["id"])
    server.xadd("told-here", {"signal": json.dumps(bad)})
    server.xadd("told-here", {"signal": json.dumps(make_signal("post", account="somebody-else"))})
    consumer = stream.run(address, by=pia, clock=lambda: later(minutes=1), stopped=lambda: False, once=True)
    assert (consumer.accepted, consumer.rejected) == (1, 1)
    assert server.xlen("told-here") == 0
    assert server.xlen("told-here:rejected") == 1

    erase("kara", by=pia)

    assert server.xlen("told-here:rejected") == 0
    server.delete("told-here", "told-here:rejected")


def test_the_database_takes_no_second_life(pia):
    """Whoever writes a key back by hand meets the constraint: gone is gone."""
    from django.db import IntegrityError

    tell("kara")
    pk = account_of("kara").pk
    erase("kara", by=pia)

    with pytest.raises(IntegrityError, match="vault_key_is_whole_or_gone"):
        VaultKey.objects.filter(pk=pk).update(wrapped=b"a key")


def test_its_signals_open_no_case_any_more(pia):
    tell("kara")
    Signal.objects.update(opens=True)

    erase("kara", by=pia)

    assert intake.take_signals(now=later(hours=2)) == []
    assert not Case.objects.exists()
