"""What happens to a delivery? Stored once, personal values sealed, one event; one bad signal costs no good one."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest

from portal.audit.models import AuditEvent
from portal.privacy import actions as vault
from portal.privacy.lookup import digest
from portal.privacy.models import VaultValue
from risk.intake import actions
from risk.intake.models import Account, Batch, Link, Signal
from risk.intake.schema import BadSignal
from tests.make import NOON, make_signal

HANDLE, MAIL, BIO = "lucky_deals99", "lu@mailbin.example", "see www.prize.example"


@pytest.fixture
def kinds(system: Any) -> Any:
    actions.ship(by=system, now=NOON)
    return system


def take(raw: list[Any], by: Any, **more: Any) -> actions.Receipt:
    return actions.ingest(raw, by=by, now=NOON, door="api", **more)


def test_it_stores_each_signal_once(kinds: Any) -> None:
    raw = [make_signal("login", account="a"), make_signal("login", account="a"), make_signal("login", account="b")]

    first, second = take(raw, kinds), take(raw, kinds)

    assert (first.accepted, first.duplicates, len(first.account_ids)) == (3, 0, 2)
    assert (second.accepted, second.duplicates, second.account_ids) == (0, 3, set())
    assert Signal.objects.count() == 3
    assert Account.objects.count() == 2


def test_it_counts_a_repetition_within_one_delivery_as_a_duplicate(kinds: Any) -> None:
    raw = make_signal("login", external_id="same", data={"mfa": True})

    receipt = take([raw, raw | {"data": {"mfa": False}}], kinds)

    assert (receipt.accepted, receipt.duplicates) == (1, 1)
    assert Signal.objects.get().data == {"mfa": True}


def test_it_takes_the_same_id_from_another_source(kinds: Any) -> None:
    raw = [make_signal("login", source=name, external_id="1") for name in ("a", "b")]

    assert take(raw, kinds).accepted == 2


def test_it_lets_no_bad_signal_cost_its_neighbour(kinds: Any) -> None:
    receipt = take([make_signal("login"), {"x": 1}, BadSignal("$", "not JSON"), make_signal("login"), 5], kinds)

    assert receipt.accepted == 2
    assert [(bad.index, bad.path) for bad in receipt.rejected] == [(1, "$.x"), (2, "$"), (4, "$")]


def test_it_seals_what_is_personal_and_keeps_what_rules_need(kinds: Any) -> None:
    told = {
        "handle": HANDLE, "display_name": "Lu", "email": MAIL, "phone": "+1 202 555 0101", "bio": BIO,
        "birth_date": "2014-03-01", "followers_count": 3, "created_on": "2026-11-18", "country": "north", "lang": "pt",
    }  # fmt: skip
    take([make_signal(account="a", attributes=told)], kinds)

    account, signal = Account.objects.get(), Signal.objects.get()
    stored = account.attributes
    for name in ("handle", "display_name", "email", "phone", "bio", "birth_date"):
        assert vault.open_value(stored[name]["vault"]) == told[name]
        assert stored[name]["length"] == len(told[name])
    assert (account.handle_shown, bytes(account.handle_lookup)) == ("lu•••als99", digest("handle", HANDLE))
    assert (account.country, account.lang) == ("north", "pt")
    assert stored["email_domain"] == "mailbin.example"
    assert (stored["handle_length"], stored["handle_digits"], stored["handle_shape"]) == (13, 2, "aaaaa_aaaaa99")
    assert (stored["bio_length"], stored["bio_has_link"], stored["display_name_length"]) == (len(BIO), True, 2)
    assert stored["handle_entropy_bits"] == pytest.approx(3.3927)
    assert stored["declared_age"]["value"] == 12
    assert "declared_age" not in signal.attributes  # the minors lane's, not the evidence list's
    assert "birth_date" not in signal.attributes


def test_no_personal_value_stands_in_a_row_or_in_the_log(kinds: Any) -> None:
    secrets = [
        HANDLE,
        MAIL,
        "555 0101",
        "Ana Prado",
        "recebi 3 vezes",
        "reporter-9920",
        "48.1.2.3",
        "device-77",
        "Mozilla/5.0",
    ]
    take(
        [
            make_signal(
                "user_report", account="a",
                attributes={"handle": HANDLE, "email": MAIL, "phone": "+1 202 555 0101", "real_name": "Ana Prado"},
                data={
                    "reason": "spam", "text": "recebi 3 vezes", "reporter": "reporter-9920",
                    "user_agent": "Mozilla/5.0",
                },
                links=[("ip", "48.1.2.3"), ("device", "device-77"), ("email", MAIL)],
            )
        ],
        kinds,
    )  # fmt: skip

    rows = [*Account.objects.values(), *Signal.objects.values(), *Link.objects.values(), *Batch.objects.values()]
    text = repr(rows) + "".join(bytes(event.payload).decode() for event in AuditEvent.objects.all())
    sealed = repr([bytes(value.sealed) for value in VaultValue.objects.all()])
    for secret in secrets:
        assert secret not in text
        assert secret not in sealed
    assert Signal.objects.get().data["reporter"] == {"person": digest("person", "reporter-9920").hex()}


def test_it_knows_a_crawler_by_its_name_without_keeping_the_name(kinds: Any) -> None:
    for number, agent in enumerate(
        ["Mozilla/5.0 (Windows NT 10.0) Firefox/140.0", "Googlebot/2.1 (+http://www.google.com/bot.html)"]
    ):
        take([make_signal("profile_view", account=f"a{number}", data={"user_agent": agent})], kinds)

    known = [signal.data["user_agent"]["crawler"] for signal in Signal.objects.order_by("id")]
    assert known == [False, True]


def test_it_lets_the_newest_attributes_win_whatever_comes_last(kinds: Any) -> None:
    old, new = NOON - timedelta(days=2), NOON - timedelta(days=1)
    take([make_signal(account="a", at=new, attributes={"followers_count": 9, "handle": "new.name"})], kinds)
    take(
        [make_signal(account="a", at=old, attributes={"followers_count": 1, "lang": "fr", "handle": "old.name"})], kinds
    )

    account = Account.objects.get()
    assert (account.attributes["followers_count"], account.attributes["lang"], account.lang) == (9, "fr", "fr")
    assert bytes(account.handle_lookup) == digest("handle", "new.name")
    assert (account.first_seen_at, account.last_seen_at, account.attributes_at) == (old, new, new)


def test_it_links_by_keyed_hash_and_derives_the_small_network(kinds: Any) -> None:
    for _ in range(2):
        take([make_signal("login", account="a", links=[("ip", "203.0.113.9"), ("device", "d1")])], kinds)

    links = {(link.kind, bytes(link.digest)): link.times for link in Link.objects.all()}
    assert links == {
        ("ip", digest("ip", "203.0.113.9")): 2,
        ("ip24", digest("ip24", "203.0.113.0/24")): 2,
        ("device", digest("device", "d1")): 2,
    }


def test_it_has_those_scored_again_who_share_a_value_with_a_newcomer(kinds: Any) -> None:
    take([make_signal("login", account="a", links=[("device", "d1")]), make_signal("login", account="c")], kinds)
    Account.objects.update(stale_at=None)

    take([make_signal("login", account="b", links=[("device", "d1")])], kinds)

    assert set(Account.objects.filter(stale_at__isnull=False).values_list("external_id", flat=True)) == {"a", "b"}


def test_it_has_everybody_up_the_chain_of_a_referral_scored_again(kinds: Any) -> None:
    for who, whom in (("b", "a"), ("c", "b")):
        take([make_signal("claim", account=who, data={"referrer": whom}), make_signal("login", account=whom)], kinds)
    Account.objects.update(stale_at=None)

    take([make_signal("claim", account="d", data={"referrer": "c"})], kinds)

    assert set(Account.objects.filter(stale_at__isnull=False).values_list("external_id", flat=True)) == {
        "a",
        "b",
        "c",
        "d",
    }


def test_it_writes_one_event_for_a_delivery(kinds: Any) -> None:
    before = AuditEvent.objects.count()

    take([make_signal("login"), make_signal("login"), {}], kinds)

    event = AuditEvent.objects.order_by("id").last()
    assert AuditEvent.objects.count() == before + 1
    assert (event.type, event.subjects) == ("signals.accepted", [f"batch:{Batch.objects.get().pk}"])


def test_it_needs_no_more_statements_for_a_thousand_signals_than_for_ten(
    kinds: Any, django_assert_max_num_queries: Any
) -> None:
    for count in (10, 1000):
        raw = [
            make_signal("login", account=f"q{at}", links=[("device", f"d{at % 7}")], attributes={"handle": f"h{at}"})
            for at in range(count)
        ]
        with django_assert_max_num_queries(20):
            take(raw, kinds)


def test_it_keeps_nothing_personal_about_somebody_erased(kinds: Any) -> None:
    take([make_signal(account="a", attributes={"handle": HANDLE})], kinds)
    Account.objects.update(erased_at=NOON, handle_shown="", handle_lookup=None, attributes={})

    take([make_signal("user_report", account="a", attributes={"handle": HANDLE}, data={"text": "again"})], kinds)

    account, signal = Account.objects.get(), Signal.objects.order_by("id").last()
    assert (account.attributes, account.handle_lookup, signal.attributes) == ({}, None, {})
    assert signal.data["text"] == {"length": 5, "erased": True}


def test_parallel_doors_store_each_signal_once(real_commits: None) -> None:
    from django.db import connection

    from portal.people.models import User

    system = User.objects.service("system")
    actions.ship(by=system, now=NOON)
    raw = [
        make_signal("login", account=f"a{at % 40}", links=[("device", f"d{at % 9}")], attributes={"handle": f"h{at}"})
        for at in range(400)
    ]
    receipts, errors = [], []

    def deliver(part: list[Any]) -> None:
        try:
            receipts.append(take(part, system))
        except Exception as error:
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=deliver, args=(raw[::step],)) for step in (1, -1, 1, -1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert not errors
    assert sum(receipt.accepted for receipt in receipts) == 400
    assert sum(receipt.duplicates for receipt in receipts) == 1200
    assert Signal.objects.count() == 400
    assert VaultValue.objects.count() == 400  # what a lost race sealed is gone with it
