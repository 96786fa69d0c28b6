"""Is this a signal? Each thing the contract refuses, with the path it names; and what it does not refuse."""

from __future__ import annotations

import json
from typing import Any

import pytest

from risk.intake.bulk import parse
from risk.intake.catalogue import Kind, attributes, shipped_kinds
from risk.intake.schema import BadSignal, validate_signal
from tests.intake.bad import BAD, good
from tests.make import NOON

KINDS = {
    name: Kind(
        name,
        {key: spec["type"] for key, spec in columns["fields"].items()},
        columns["opens"],
        columns["lane"],
        {key: spec["lanes"] for key, spec in columns["fields"].items() if spec["lanes"]},
    )
    for name, columns in shipped_kinds().items()
}


def validate(raw: Any) -> Any:
    known = attributes()
    return validate_signal(raw, now=NOON, kinds=KINDS, attributes={**known.types, **known.pushed})


@pytest.mark.parametrize("name", sorted(BAD))
def test_it_refuses_and_names_the_path(name: str) -> None:
    text, path = BAD[name]
    found = parse(text.encode())
    if not isinstance(found, BadSignal):
        with pytest.raises(BadSignal) as caught:
            validate(found)
        found = caught.value

    assert found.path == path
    assert found.reason


def test_it_knows_every_kind_of_the_contract() -> None:
    told = """account registration login post message follow profile_view user_report block live_report gift claim
        referral payout age_statement age_report owner_report legal_notice trusted_notice authority_order enforcement
        credential_change text_verdict
        contact_after_block private_info pile_on live_start live_minute live_verdict live_end task_batch earning_day
        engagement_burst age_check_result account_state"""

    assert set(told.split()) == set(KINDS)
    assert {name for name, kind in KINDS.items() if kind.opens} == {
        "owner_report", "legal_notice", "trusted_notice", "authority_order", "age_check_result"
    }  # fmt: skip


def test_it_keeps_what_it_does_not_know() -> None:
    account = {"platform": "main", "id": "1", "attributes": {"shoe_size": 42}}
    signal = validate(good(account=account, data={"mood": "blue", "depth": {"of": [1, 2.5, None, True]}}))

    assert signal.attributes == {"shoe_size": 42}
    assert signal.data == {"mood": "blue", "depth": {"of": [1, 2.5, None, True]}}


def test_it_takes_a_missing_or_null_field_as_missing() -> None:
    signal = validate(
        good(data={"reason": None}, account={"platform": "main", "id": "1", "attributes": {"lang": None}})
    )

    assert (signal.data, signal.attributes) == ({}, {})


def test_it_takes_a_time_up_to_five_minutes_ahead_and_in_any_zone() -> None:
    assert (
        validate(good(occurred_at="2026-11-20T13:05:00+01:00")).occurred_at.isoformat() == "2026-11-20T12:05:00+00:00"
    )
    with pytest.raises(BadSignal, match="future"):
        validate(good(occurred_at="2026-11-20T12:05:01Z"))


def test_it_moves_a_minor_on_a_stream_into_the_lane_of_minors() -> None:
    assert validate(good(kind="live_verdict", data={"what": "minor_visible"})).lane == "minors"
    assert validate(good(kind="live_verdict", data={"what": "danger"})).lane == "general"


def test_it_takes_exactly_the_largest_signal() -> None:
    raw = good(data={"text": ""})
    room = 65_536 - len(json.dumps(raw, separators=(",", ":")).encode())
    known = attributes()
    told = {"now": NOON, "kinds": KINDS, "attributes": known.types}

    assert validate_signal(good(data={"text": "x" * (room - 64)}), size=65_536, **told)
    with pytest.raises(BadSignal, match="65,537 bytes"):
        validate_signal(raw, size=65_537, **told)
