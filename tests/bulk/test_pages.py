"""Can a lead do all of it by plain forms: preview, propose, approve, let go on, stop, undo, and take the report?"""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from moderation.bulk.models import Bulk
from portal.audit.models import AuditEvent
from tests.make import make_row_account, make_score, ship_settings

from .group import make_accounts, propose, run

WORD = {
    "risk_type": "spam", "by": "filter", "outcome": "suspend", "until_days": "7", "reason_code": "bulk_messages",
    "note": "post one text in turn",
}  # fmt: skip


def signed_in(person: Any) -> Client:
    client = Client()
    client.force_login(person, backend="django.contrib.auth.backends.ModelBackend")
    return client


@pytest.fixture
def leads(lena: Any, ben: Any) -> tuple[Client, Client]:
    ship_settings()
    return signed_in(lena), signed_in(ben)


def text_of(answer: Any) -> str:
    return " ".join(re.sub(r"<[^>]*>", " ", answer.content.decode()).split())


def hidden(answer: Any) -> dict[str, str]:
    return dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', answer.content.decode()))


def scored(count: int, shown: int = 70) -> list[Any]:
    return [make_score(make_row_account(), shown=shown).account for _ in range(count)]


def test_a_filter_is_looked_at_then_proposed_by_typing_the_number(leads):
    lena, _ = leads
    scored(3)
    scored(2, shown=30)

    seen = lena.post("/bulk/new/", WORD | {"lowest": "60", "act": "look"})
    assert "3 would be decided on" in text_of(seen)
    assert "some_rule" not in text_of(seen)
    said = WORD | {"lowest": "60", "act": "propose"} | hidden(seen)
    made = lena.post("/bulk/new/", said | {"count": "3"})

    bulk = Bulk.objects.get()
    assert (made.status_code, made["Location"]) == (302, f"/bulk/{bulk.pk}/")
    assert (bulk.accounts, bulk.chosen["lowest"], len(bulk.sample)) == (3, 60, 3)
    assert "by filter: score 60 or more" in text_of(lena.get(made["Location"]))


def test_a_wrong_number_keeps_what_was_filled_in(leads):
    lena, _ = leads
    scored(3)
    seen = lena.post("/bulk/new/", WORD | {"act": "look"})

    again = lena.post("/bulk/new/", WORD | {"act": "propose", "count": "4"} | hidden(seen))

    assert again.status_code == 409
    assert "on 3 accounts, and you typed 4" in text_of(again)
    assert "post one text in turn" in again.content.decode()
    assert hidden(again)["digest"] == hidden(seen)["digest"]
    assert not Bulk.objects.exists()


def test_it_is_looked_at_before_it_is_proposed(leads):
    lena, _ = leads
    scored(3)

    assert "Look at what it would do first" in text_of(lena.post("/bulk/new/", WORD | {"act": "propose", "count": "3"}))


def test_sent_twice_it_is_proposed_once(leads):
    lena, _ = leads
    scored(3)
    seen = lena.post("/bulk/new/", WORD | {"act": "look"})
    said = WORD | {"act": "propose", "count": "3"} | hidden(seen)

    assert lena.post("/bulk/new/", said)["Location"] == lena.post("/bulk/new/", said)["Location"]
    assert Bulk.objects.count() == 1


def test_a_list_is_typed_or_a_file(leads):
    lena, _ = leads
    names = [account.external_id for account in scored(2)]

    typed = lena.post("/bulk/new/", WORD | {"by": "list", "platform": "main", "names": "\n".join(names), "act": "look"})
    lines = "platform,id\n" + "".join(f"main,{name}\n" for name in [*names, "nobody"])
    file = SimpleUploadedFile("group.csv", lines.encode())
    sent = lena.post("/bulk/new/", WORD | {"by": "list", "file": file, "act": "look"})

    assert "2 would be decided on" in text_of(typed)
    assert "1 left out" in text_of(sent)
    assert names[1] in sent.content.decode()


def test_a_file_that_is_no_text_is_refused(leads):
    lena, _ = leads

    said = lena.post(
        "/bulk/new/", WORD | {"by": "list", "file": SimpleUploadedFile("x", b"\xff\xfe\x00"), "act": "look"}
    )

    assert (said.status_code, "no text in UTF-8" in text_of(said)) == (400, True)


def test_most_below_review_it_asks_why(leads):
    lena, _ = leads
    names = "\n".join(account.external_id for account in make_accounts(3))
    said = WORD | {"by": "list", "platform": "main", "names": names}

    seen = lena.post("/bulk/new/", said | {"act": "look"})
    assert 'name="although"' in seen.content.decode()
    made = lena.post("/bulk/new/", said | {"act": "propose", "count": "3", "although": "one tool"} | hidden(seen))

    assert "one tool" in text_of(lena.get(made["Location"]))


def test_the_second_lead_approves_the_first_cannot(leads, lena):
    bulk = propose(make_accounts(3), by=lena)
    page = f"/bulk/{bulk.pk}/"

    assert "You cannot approve your own" in text_of(leads[0].get(page))
    assert leads[0].post(f"{page}approve/").status_code == 409
    assert "Suspend 3 accounts" in text_of(leads[1].get("/bulk/"))
    assert leads[1].post(f"{page}approve/").status_code == 302
    assert "running" in text_of(leads[1].get(page))


def test_declined_with_a_reason_or_taken_back(leads, lena):
    one, two = (propose(make_accounts(2), by=lena) for _ in range(2))

    assert leads[1].post(f"/bulk/{one.pk}/decline/", {"reason": "not spam"}).status_code == 302
    assert leads[0].post(f"/bulk/{two.pk}/decline/").status_code == 302

    assert set(Bulk.objects.values_list("status", flat=True)) == {"declined", "withdrawn"}


def test_stopped_resumed_undone_and_its_report(leads, lena):
    bulk = propose([*make_accounts(3), make_row_account(is_protected=True)], by=lena)
    page = f"/bulk/{bulk.pk}/"
    leads[1].post(f"{page}approve/")
    bulk.refresh_from_db()
    run(bulk, limit=2, now=bulk.approved_at)

    assert "Stopped: no further account" in text_of(leads[1].post(f"{page}stop/", follow=True))
    assert "Resume" in text_of(leads[1].get(page))
    leads[1].post(f"{page}go-on/")
    leads[1].post(f"{page}stop/")
    assert "being undone" in text_of(leads[0].post(f"{page}undo/", {"reason_code": "not_violating"}, follow=True))
    bulk.refresh_from_db()
    run(bulk, now=bulk.approved_at)

    said = text_of(leads[0].get(page))
    assert "2 undone" in said
    assert "Undone by lena" in said
    lines = leads[0].get(f"{page}report/").content.decode("utf-8-sig").splitlines()
    assert len(lines) == 5
    assert '"undone"' in lines[1]
    assert '"must be decided by itself"' in lines[4]
    assert AuditEvent.objects.filter(type="bulk.reported").count() == 1


def test_accounts_are_shown_by_state_and_in_pages(leads, lena):
    bulk = propose([*make_accounts(55), make_row_account(is_protected=True)], by=lena)

    first = leads[0].get(f"/bulk/{bulk.pk}/")
    mark = re.search(r'href="[^"]*(cursor=[^"&]+)', first.content.decode())[1]

    assert "must be decided by itself" not in text_of(first)
    assert "must be decided by itself" in text_of(leads[0].get(f"/bulk/{bulk.pk}/?{mark}"))
    assert "must be decided by itself" in text_of(leads[0].get(f"/bulk/{bulk.pk}/?state=left_out"))


def test_it_costs_the_same_number_of_queries_however_many(leads, lena, django_assert_max_num_queries):
    bulk = propose(make_accounts(60), by=lena)

    with django_assert_max_num_queries(30):
        leads[0].get(f"/bulk/{bulk.pk}/")


@pytest.mark.parametrize("path", ["", "new/", "{pk}/", "{pk}/report/"])
def test_the_pages_are_for_leads(leads, lena, ada, path):
    bulk = propose(make_accounts(2), by=lena)

    assert signed_in(ada).get("/bulk/" + path.format(pk=bulk.pk)).status_code == 403


def test_the_rail_counts_what_waits_for_a_second_lead(leads, lena):
    propose(make_accounts(2), by=lena)

    assert "Many at once , 1 waiting" in text_of(leads[1].get("/bulk/"))
    assert "Many at once , 1 waiting" not in text_of(leads[0].get("/bulk/"))
