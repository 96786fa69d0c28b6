"""Can a record that is held be lost, or an erased account come back, when things happen at once?"""

from __future__ import annotations

import os
from uuid import UUID

import pytest

from moderation.insight import history
from portal.audit.models import AuditEvent
from portal.people.models import User
from portal.privacy import erasure, holding
from portal.privacy.models import Hold, VaultKey, VaultValue
from portal.refusal import Refused
from risk.intake import actions as intake
from risk.intake.models import Account, Link, Signal
from risk.scoring import actions as scoring
from risk.scoring.models import Score
from tests.make import NOON, later, make_account, make_signal
from tests.privacy.test_hold import agreed
from tests.race.crowd import all_at_once

pytestmark = pytest.mark.usefixtures("real_commits")
RACES = int(os.environ.get("RACE_HOLDS", "12"))  # 200 for the figure in the notes


def erase(name: str, pia: User) -> erasure.Preview:
    return erasure.erase("main", name, legal_basis="objection", ticket="R1", by=pia, now=later(minutes=1))


def test_a_hold_and_an_erasure_at_once_never_lose_what_is_held(person):
    pia, ben = person("pia", "privacy"), person("ben", "lead")
    won = {"hold": 0, "erasure": 0}
    for number in range(RACES):
        name = f"h{number}"
        account = make_account(name, handle=f"handle_{number}")
        hold = holding.ask(
            account.pk, of=ben, reference=f"LR-{number}", reason="x", confidential=True, by=pia, now=NOON
        )
        acts = [
            lambda name=name: erase(name, pia),
            lambda hold=hold: holding.agree(hold, by=ben, now=later(minutes=1)),
        ]

        results = all_at_once(acts if number % 2 else acts[::-1])

        refused = [result for result in results if isinstance(result, Refused)]
        assert len(refused) == 1, results
        held = Hold.objects.get(pk=hold.pk).status == "active"
        whole = VaultKey.objects.filter(pk=account.pk, wrapped__isnull=False).exists()
        assert held == whole == Account.objects.filter(pk=account.pk, erased_at__isnull=True).exists()
        won["hold" if held else "erasure"] += 1
    assert sum(won.values()) == RACES


def test_a_release_and_an_erasure_at_once_go_one_after_the_other(person):
    pia, ben = person("pia", "privacy"), person("ben", "lead")
    for number in range(RACES):
        name = f"r{number}"
        account = make_account(name, handle=f"handle_{number}")
        hold = holding.ask(
            account.pk, of=ben, reference=f"LR-{number}", reason="x", confidential=True, by=pia, now=NOON
        )
        holding.agree(hold, by=ben, now=NOON)
        holding.ask_release(hold, of=ben, by=pia, now=NOON)

        erased, _ = all_at_once(
            [lambda name=name: erase(name, pia), lambda hold=hold: holding.release(hold, by=ben, now=NOON)]
        )

        gone = Account.objects.filter(pk=account.pk, erased_at__isnull=False).exists()
        assert isinstance(erased, Refused) != gone


def test_what_is_told_during_an_erasure_gives_no_values_back(person):
    pia, system = person("pia", "privacy"), User.objects.service("system")
    for number in range(RACES):
        name = f"i{number}"
        first = make_account(name, handle=f"handle_{number}", email=f"m{number}@mail.example").pk
        plain = number % 3 == 0  # without anything for the vault, only the row of the account is touched
        told = [
            make_signal(
                account=name, links=() if plain else (("device", f"d{number}"),),
                attributes={"followers_count": turn} if plain else {"handle": f"new_handle_{number}_{turn}"},
            )
            for turn in range(6)
        ]  # fmt: skip

        results = all_at_once(
            [lambda name=name: erase(name, pia)]
            + [
                lambda one=one: intake.ingest([one], by=system, now=later(minutes=2), door="api")  # type: ignore[misc]
                for one in told
            ]
        )

        assert not [result for result in results if isinstance(result, Exception)], results
        row = Account.objects.get(pk=first)
        assert (row.handle_shown, row.handle_lookup, row.attributes) == ("", None, {})
        assert not VaultValue.objects.filter(subject=first).exists()
        assert not Link.objects.filter(account=first).exists()
        assert not Signal.objects.filter(account=first).exclude(data={}, attributes={}).exists()
        later_rows = Account.objects.filter(platform="main", external_id=name)
        assert later_rows.count() <= 1
        signals = Signal.objects.filter(account__in=[first, *later_rows.values_list("pk", flat=True)])
        assert signals.count() == 1 + len(told)


def test_scoring_during_an_erasure_keeps_no_features(person):
    pia, system = person("pia", "privacy"), User.objects.service("system")
    names = [f"s{number}" for number in range(RACES)]
    accounts: list[UUID] = [make_account(name, handle=f"h_{name}", followers_count=9).pk for name in names]

    all_at_once(
        [lambda: [scoring.score([pk], by=system, now=later(minutes=1)) for pk in accounts]]
        + [lambda part=part: [erase(name, pia) for name in part] for part in (names[::2], names[1::2])]  # type: ignore[misc]
    )

    assert AuditEvent.objects.filter(type="account.erased").count() == RACES
    assert not Score.objects.exclude(snapshot={}).exists()
    assert not Score.objects.filter(latest=True).exists()


def test_two_erasures_of_one_account_are_one(person):
    pia = person("pia", "privacy")
    make_account("t1", handle="twice_over")

    results = all_at_once([lambda: erase("t1", pia)] * 4)

    assert sum(isinstance(result, Refused) for result in results) == 3
    assert AuditEvent.objects.filter(type="account.erased").count() == 1


def test_the_sequencer_counts_a_confidential_one_apart(person):
    pia, ben = person("pia", "privacy"), person("ben", "lead")
    hidden = agreed(pia, ben)
    shown = agreed(pia, ben, reference="LR-032", confidential=False, account=make_account("60101"))

    lanes = history.lanes_of(list(AuditEvent.objects.filter(type__startswith="hold.").values_list("pk", flat=True)))

    by_hold = {
        hold: {lanes.get(event.pk) for event in AuditEvent.objects.filter(subjects__contains=[hold.audit_name])}
        for hold in (hidden, shown)
    }
    assert by_hold == {hidden: {"holds"}, shown: {None}}
