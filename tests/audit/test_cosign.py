"""Does the log get its checkpoints witnessed, without waiting for anybody, and is a witness at odds told?"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command
from django.db import connections
from django.db.utils import DatabaseError

from portal.audit import note, signing, witness, witnessing
from portal.audit.models import Alarm, Checkpoint, Cosignature
from tests.audit.test_seal import seal, write
from tests.audit.test_verify import grow, tamper


@pytest.fixture
def beside(signer: signing.Signer, tmp_path: Path) -> Iterator[Callable[..., witnessing.Asking]]:
    """Start witnesses of this log by name; each answers at a port of its own."""
    servers: list[witness.Server] = []

    def start(name: str) -> witnessing.Asking:
        key = note.Signer(name, Ed25519PrivateKey.generate(), note.WITNESS)
        found = witness.Witness(key, [signer.key.verifier], tmp_path / name)
        server = witness.Server(("127.0.0.1", 0), found)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        servers.append(server)
        (tmp_path / f"{name}.vkey").write_text(key.verifier.vkey)
        return witnessing.Asking(
            witnessing.Peer(f"http://127.0.0.1:{server.server_port}", (tmp_path / f"{name}.vkey").as_uri())
        )

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()
        server.witness.close()


def test_a_checkpoint_is_published_with_the_lines_of_its_witnesses(signer, beside) -> None:
    first, second = beside("w1"), beside("w2")
    for size in (3, 300, 17):
        grow(signer, size)
        assert first.ask()
        assert second.ask()
        assert not first.ask(), "it has signed this one"

    whole = note.Note.parse(witnessing.published(Checkpoint.objects.latest("size")))
    keys = [signer.key.verifier, first.peer.verifier, second.peer.verifier]
    assert [note.verify(whole, key) for key in keys] == [True] * 3
    assert Cosignature.objects.count() == 6


def test_a_signer_started_again_finds_out_what_the_witness_has_seen(signer, beside) -> None:
    asking = beside("w1")
    grow(signer, 5)
    asking.ask()
    grow(signer, 5)

    assert witnessing.Asking(asking.peer).ask()
    assert not Alarm.objects.exists()


def test_a_witness_that_is_away_is_asked_again_and_delays_nothing(signer, beside) -> None:
    away = witnessing.Asking(witnessing.Peer("http://127.0.0.1:9", beside("w1").peer.key))
    grow(signer, 5)
    with pytest.raises(OSError, match="refused"):
        away.ask()
    grow(signer, 5)

    assert Checkpoint.objects.count() == 2


def test_a_witness_that_saw_more_than_there_is_raises_an_alarm_once(signer, beside) -> None:
    asking = beside("w1")
    grow(signer, 5, 5)
    asking.ask()
    tamper("DELETE FROM portal_checkpoint WHERE size > 5", "DELETE FROM portal_leaf WHERE index > 4")
    again = witnessing.Asking(asking.peer)
    for _ in range(2):
        with pytest.raises(witnessing.NoAnswer, match="saw 10 leaves"):
            again.ask()

    assert Alarm.objects.get().told == "w1 saw 10 leaves, and the log has 5: the log was set back"


def test_a_witness_that_forgot_what_it_signed_raises_an_alarm(signer, beside, tmp_path: Path) -> None:
    asking = beside("w1")
    grow(signer, 5)
    asking.ask()
    kept = {path: path.read_bytes() for path in (tmp_path / "w1").glob("*.s*")}
    grow(signer, 5)
    asking.ask()
    for path, content in kept.items():
        path.write_bytes(content)
    (tmp_path / "w1" / "lock").unlink()  # the set-back one is started on the same folder
    key = note.Signer("w1", Ed25519PrivateKey.generate(), note.WITNESS)
    server = witness.Server(("127.0.0.1", 0), witness.Witness(key, [signer.key.verifier], tmp_path / "w1"))
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    grow(signer, 5)

    assert witnessing.Asking(witnessing.Peer(f"http://127.0.0.1:{server.server_port}", key.verifier.vkey)).ask()
    server.shutdown()
    server.server_close()

    assert Alarm.objects.get().told == "w1 signed 10 leaves and says it saw 5: that witness was set back"


def test_k_of_n_witnesses_are_demanded_and_the_missing_named(signer, beside, tmp_path: Path) -> None:
    first, second = beside("w1"), beside("w2")
    beside("w3")
    grow(signer, 5)
    first.ask()
    second.ask()
    files = [f"--witness={tmp_path / name}.vkey" for name in ("w1", "w2", "w3")]

    out = StringIO()
    call_command("verify_audit", *files, "--need=2", stdout=out)
    assert "witnessed up to 5 by w1, w2" in out.getvalue()
    with pytest.raises(CommandError, match=r"3 of 3 witnesses are demanded .* missing: w3 \(never\)"):
        call_command("verify_audit", *files)

    grow(signer, 5)
    first.ask()
    keys = [note.Verifier.parse((tmp_path / f"{name}.vkey").read_text()) for name in ("w1", "w2", "w3")]
    assert witnessing.quorum(keys, 2).enough, "the newest may still be on its way"
    later = witnessing.quorum(keys, 2, now=datetime.now(UTC) + timedelta(minutes=5))
    assert not later.enough
    assert "checkpoint of 10 leaves; missing: w2 (last at 5, " in later.told


def test_a_false_line_in_the_table_counts_for_nobody(signer, beside) -> None:
    asking = beside("w1")
    grow(signer, 5)
    asking.ask()
    tamper("UPDATE portal_checkpoint SET size = 6")  # no line of it fits any more
    assert not witnessing.quorum([asking.peer.verifier], 1).enough
    one = asking.peer.verifier
    assert not witnessing.quorum([one, note.Verifier("other", one.public, note.WITNESS)], 2).enough


def test_no_line_is_changed_or_taken_away(signer, beside) -> None:
    asking = beside("w1")
    grow(signer, 5)
    asking.ask()
    for database in ("default", "signer", "owner"):
        for statement in ("UPDATE portal_cosignature SET line = ''", "DELETE FROM portal_cosignature"):
            with pytest.raises(DatabaseError), connections[database].cursor() as cursor:
                cursor.execute(statement)


@pytest.mark.parametrize(
    "told", [["http://127.0.0.1:1"], ["ftp://127.0.0.1:1", "k"], ["http://nowhere", "k"], ["http://a:1/?x=1", "k"]]
)
def test_an_address_that_is_no_witness_is_refused_at_the_start(settings: Any, told: list[str]) -> None:
    settings.AUDIT_WITNESSES = told
    with pytest.raises(ImproperlyConfigured, match="AUDIT_WITNESSES"):
        witnessing.peers()


def test_the_signer_asks_by_itself(signer, beside, settings: Any) -> None:
    asking = beside("w1")
    settings.AUDIT_WITNESSES = [asking.peer.url, asking.peer.key]
    stop = threading.Event()
    threads = witnessing.start(stop)
    write(3)
    seal()
    signer.sign()
    for _ in range(100):
        if Cosignature.objects.filter(size=3).exists():
            break
        stop.wait(0.05)
    stop.set()
    for thread in threads:
        thread.join(10)

    assert Cosignature.objects.get().witness == "w1"
