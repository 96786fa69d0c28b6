"""What do the privacy officer and the lead do in their pages?"""

from __future__ import annotations

from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from portal.audit.models import AuditEvent
from portal.privacy.models import Hold, RetentionRun
from risk.intake.models import Account
from tests.make import make_account, make_case

pytestmark = pytest.mark.django_db


def at(user):
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def account():
    return make_account("60100", handle="one_who_leaves")


def erase(client, **more):
    told = {"account": "main:60100", "legal_basis": "objection", "ticket": "REQ-9", "again": "REQ-9"} | more
    return client.post("/privacy/erasure/", told)


def test_the_officer_sees_what_would_go_and_erases_it(pia, account):
    client = at(pia)
    shown = client.get("/privacy/erasure/", {"account": "main:60100"}).content.decode()
    assert "Signals emptied" in shown
    assert Account.objects.get().erased_at is None

    answer = erase(client)

    assert answer["Location"] == f"/privacy/erasure/{account.pk}/"
    done = client.get(answer["Location"]).content.decode()
    assert "REQ-9" in done
    assert "The person objected" in done
    assert "60100" not in client.get("/privacy/erasure/").content.decode()


def test_the_number_is_typed_twice(pia, account):
    answer = erase(at(pia), again="REQ-8")

    assert answer.status_code == 422
    assert Account.objects.get().erased_at is None


def test_what_is_open_is_named_instead_of_a_button(pia, account):
    case = make_case(account=account)

    shown = at(pia).get("/privacy/erasure/", {"account": "main:60100"}).content.decode()

    assert f"Case {case.pk} is still waiting" in shown
    assert "Legal basis" not in shown
    assert erase(at(pia)).status_code == 409


def test_an_unknown_account_is_said_to_be_unknown(pia):
    assert "no account of that name" in at(pia).get("/privacy/erasure/", {"account": "main:1"}).content.decode()
    assert erase(at(pia)).status_code == 404


@pytest.mark.parametrize("address", ["/privacy/erasure/", "/privacy/retention/"])
def test_a_lead_does_not_erase(ben, address):
    assert at(ben).get(address).status_code == 403


def test_a_hold_is_asked_agreed_and_released_by_two(pia, ben, account):
    officer, lead = at(pia), at(ben)
    asked = {"about": "main:60100", "reference": "LR-031", "reason": "a court asks", "of": "ben", "confidential": "on"}
    assert officer.post("/privacy/holds/ask/", asked).status_code == 302
    hold = Hold.objects.get()
    assert (hold.status, hold.confidential, hold.account) == ("asked", True, account.pk)
    assert "LR-031" in lead.get("/privacy/holds/").content.decode()

    lead.post(f"/privacy/holds/{hold.pk}/agree/")
    assert "LR-031 is on this account" in officer.get("/privacy/erasure/?account=main:60100").content.decode()
    officer.post(f"/privacy/holds/{hold.pk}/review/")
    officer.post(f"/privacy/holds/{hold.pk}/end/", {"of": "ben"})
    assert Hold.objects.get().status == "ending"
    lead.post(f"/privacy/holds/{hold.pk}/release/")

    assert Hold.objects.get().status == "released"
    told = AuditEvent.objects.filter(type__startswith="hold.").order_by("id").values_list("type", flat=True)
    assert list(told) == ["hold.asked", "hold.agreed", "hold.reviewed", "hold.release_asked", "hold.released"]


def test_a_case_can_be_named(pia, ben):
    case = make_case()

    at(pia).post("/privacy/holds/ask/", {"about": str(case.pk), "reference": "LR-1", "reason": "x", "of": "ben"})

    assert (Hold.objects.get().account, Hold.objects.get().case) == (case.account_id, case.pk)


def test_nobody_else_sees_a_trace_of_a_confidential_hold(pia, ben, ada, vera, person, account):
    lena = person("lena", "lead")
    asked = {"about": "main:60100", "reference": "LR-031", "reason": "a court asks", "of": "ben", "confidential": "on"}
    at(pia).post("/privacy/holds/ask/", asked)
    hold = Hold.objects.get()
    at(ben).post(f"/privacy/holds/{hold.pk}/agree/")

    for user, address in [
        (ada, "/accounts/main/60100/"), (lena, "/accounts/main/60100/"), (lena, "/privacy/holds/"), (lena, "/log/"),
        (vera, "/log/"), (vera, "/accounts/main/60100/"), (vera, f"/log/?account=main:{account.external_id}"),
    ]:  # fmt: skip
        answer = at(user).get(address)
        assert answer.status_code == 200, address
        assert "LR-031" not in answer.content.decode(), address
        assert "legal hold" not in answer.content.decode().replace("legal holds", ""), address
    assert at(lena).post(f"/privacy/holds/{hold.pk}/release/").status_code == 404
    assert "LR-031" in at(pia).get("/log/").content.decode()


def test_the_retention_page_looks_and_deletes_nothing(pia, account):
    answer = at(pia).post("/privacy/retention/look/")

    assert answer.status_code == 302
    assert RetentionRun.objects.get().applied is False
    assert "a dry run" in at(pia).get("/privacy/retention/").content.decode()


# --- Many at once ---------------------------------------------------------------------------------------------------


def command(path, *words, by="pia"):
    out = StringIO()
    try:
        call_command(
            "erase", str(path), "--by", by, "--ticket", "REQ-3", "--legal-basis", "no_longer_needed", *words, stdout=out
        )
        code = 0
    except SystemExit as ended:
        code = ended.code
    return code, out.getvalue().splitlines()


def test_every_line_of_a_list_is_answered(pia, tmp_path):
    make_account("1"), make_account("2")
    make_case(account=Account.objects.get(external_id="2"))
    path = tmp_path / "who.csv"
    path.write_text("platform,id\nmain,1\nmain,2\nmain,3\nnonsense\n")

    code, dry = command(path)
    assert (code, dry[-1]) == (1, "would erase 1, refused 3")
    assert not Account.objects.filter(erased_at__isnull=False).exists()

    code, told = command(path, "--apply")
    assert told[0].startswith("1: main:1: erased: 1 signals emptied")
    assert "is still waiting" in told[1]
    assert "no account of that name" in told[2]
    assert "platform,id" in told[3]
    assert told[-1] == "erased 1, refused 3"
    assert Account.objects.filter(erased_at__isnull=False).count() == 1


def test_a_list_is_erased_in_the_name_of_somebody_who_may(ada, tmp_path):
    (tmp_path / "who.csv").write_text("main,1\n")

    with pytest.raises(CommandError, match="may not erase"):
        command(tmp_path / "who.csv", by="ada")
