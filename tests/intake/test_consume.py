"""How does the stream get in? Read, ingested, acknowledged after the commit; what cannot be taken is set aside."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
import redis
from django.conf import settings
from django.db import OperationalError

from risk.intake import actions, stream
from risk.intake.models import Signal
from tests.intake.bad import good
from tests.make import NOON


@pytest.fixture
def address() -> Iterator[stream.Address]:
    server, name = settings.REDIS_URL, f"signals-{uuid.uuid4().hex}"
    yield stream.Address(server, name)
    with redis.Redis.from_url(server) as client:
        client.delete(name, name + ":rejected")


@pytest.fixture
def client(address: stream.Address) -> Iterator[Any]:
    with redis.Redis.from_url(address.server) as client:
        yield client


@pytest.fixture
def consumer(address: stream.Address, system: Any) -> stream.Consumer:
    actions.ship(by=system, now=NOON)
    return stream.Consumer(address, by=system, clock=lambda: NOON, block_ms=20)


def waiting(client: Any, address: stream.Address) -> int:
    """Entries read and not acknowledged."""
    return int(client.xpending(address.stream, "reeve")["pending"])


def test_it_takes_what_stands_on_the_stream_and_acknowledges_it(
    consumer: Any, client: Any, address: stream.Address
) -> None:
    for at in range(30):
        client.xadd(address.stream, {"signal": json.dumps(good(external_id=f"e{at}"))})

    assert consumer.round() == 30
    assert consumer.round() == 0
    assert (Signal.objects.count(), consumer.accepted, waiting(client, address)) == (30, 30, 0)


def test_it_sets_aside_what_is_no_signal_and_takes_the_rest(
    consumer: Any, client: Any, address: stream.Address
) -> None:
    for body in (json.dumps(good()), "no json", json.dumps(good(external_id="2", kind="sneeze"))):
        client.xadd(address.stream, {"signal": body})
    client.xadd(address.stream, {"a": "1", "b": "2"})

    consumer.round()

    aside = [fields for _, fields in client.xrange(address.stream + ":rejected")]
    assert (consumer.accepted, consumer.rejected, waiting(client, address)) == (1, 3, 0)
    assert [fields[b"path"] for fields in aside] == [b"$", b"$.kind", b"$"]
    assert aside[0][b"input"] == b"no json"


def test_it_leaves_entries_unacknowledged_when_the_database_goes_away(
    consumer: Any, client: Any, address: stream.Address, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.xadd(address.stream, {"signal": json.dumps(good())})

    def away(*args: Any, **more: Any) -> None:
        raise OperationalError("the database is away")

    with monkeypatch.context() as patch:
        patch.setattr(actions, "ingest", away)
        with pytest.raises(OperationalError):
            consumer.round()
    assert waiting(client, address) == 1

    monkeypatch.setattr(stream, "IDLE_MS", 0)
    assert consumer.round() == 1
    assert (Signal.objects.count(), waiting(client, address)) == (1, 0)


def test_it_tries_one_by_one_when_a_delivery_fails_and_sets_aside_only_the_poison(
    consumer: Any, client: Any, address: stream.Address, monkeypatch: pytest.MonkeyPatch
) -> None:
    for at in range(3):
        client.xadd(address.stream, {"signal": json.dumps(good(external_id=f"e{at}"))})
    real = actions.ingest

    def poisoned(raw: Any, **more: Any) -> Any:
        if any(one["external_id"] == "e1" for one in raw):
            raise RuntimeError("poison")
        return real(raw, **more)

    monkeypatch.setattr(actions, "ingest", poisoned)
    consumer.round()

    assert sorted(Signal.objects.values_list("external_id", flat=True)) == ["e0", "e2"]
    assert (client.xlen(address.stream + ":rejected"), waiting(client, address)) == (1, 0)


@pytest.mark.parametrize(
    ("url", "server", "name"),
    [
        ("redis://h:6379/signals", "redis://h:6379/0", "signals"),
        ("redis://h:6379/3/signals", "redis://h:6379/3", "signals"),
        ("unix:///run/s?db=2&stream=signals", "unix:///run/s?db=2", "signals"),
    ],
)
def test_it_reads_server_and_stream_out_of_the_address(url: str, server: str, name: str) -> None:
    assert stream.Address.of(url) == stream.Address(server, name)
    assert urlsplit(server).scheme in ("redis", "unix")


@pytest.mark.parametrize("url", ["redis://h:6379", "unix:///run/s", "http://h/x", "signals"])
def test_it_says_when_an_address_names_no_stream(url: str) -> None:
    with pytest.raises(stream.BadAddress):
        stream.Address.of(url)
