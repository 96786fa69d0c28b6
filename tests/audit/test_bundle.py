"""Does an export prove itself to somebody who has nothing but its file and a key?"""

from __future__ import annotations

import io
import json
import random
import subprocess
import sys
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.db import transaction

from portal.audit import bundle, note, proving, signing, verifier
from portal.audit.actions import record_many
from portal.audit.events import Event
from portal.audit.models import AuditEvent, Checkpoint, Cosignature, Leaf
from portal.refusal import Refused
from tests.audit.test_seal import seal, write
from tests.audit.test_verify import grow, tamper
from tests.conftest import NOON
from tests.faults import tamper_database

ABOUT = {"asked_by": "ada", "asked_at": "2026-11-20T12:00:00+00:00", "why": "request 12", "filter": {"case": 1}}


def everything(events: Sequence[str]) -> Mapping[str, str]:
    return dict.fromkeys(events, "payload")


def make(signer: signing.Signer, scope: bundle.Scope, **more: Any) -> bytes:
    """The bytes of a bundle; who waits seals and signs."""

    def pause(seconds: float) -> None:
        seal()
        signer.sign()

    asked: dict[str, Any] = {"may_have": everything, "about": ABOUT, "by": "user:1", "of": "export:1", "now": NOON}
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as target:
        bundle.write(target, scope=scope, **{**asked, "pause": pause, **more})
    return out.getvalue()


def check(data: bytes, **more: Any) -> verifier.Verdict:
    key = proving.public_key()
    assert key is not None
    return verifier.verify(io.BytesIO(data), **{"key": key.vkey, **more})


def read(data: bytes, name: str) -> bytes:
    return zipfile.ZipFile(io.BytesIO(data)).read(name)


def lines(data: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in read(data, "events.jsonl").splitlines()]


SCOPES = [
    bundle.Scope("range"),
    bundle.Scope("range", start=3, end=9),
    bundle.Scope("range", start=4, end=4),
    bundle.Scope("range", start=255, end=258),
    bundle.Scope("subject", "case:1"),
    bundle.Scope("subject", "case:2"),
    bundle.Scope("subject", "case:404"),
    bundle.Scope("actor", "user:1"),
    bundle.Scope("actor", "user:404"),
    bundle.Scope("subject", "case:1", lanes=("general", "minors")),
]


@pytest.mark.parametrize("scope", SCOPES, ids=str)
def test_an_honest_bundle_is_sound(signer: signing.Signer, scope: bundle.Scope) -> None:
    grow(signer, 7, 290)
    write(3, of="case:2", by="user:2")

    data = make(signer, scope)

    verdict = check(data)
    assert verdict.code == 0, (verdict.why, verdict.position)
    counts = json.loads(read(data, "manifest.json"))["counts"]
    assert counts["leaves"] == counts["payloads"] == len(lines(data))


def test_it_holds_the_exact_events_in_order(signer: signing.Signer) -> None:
    grow(signer, 2)
    write(2, of="case:2")
    write(2, of="case:1", by="user:2")

    rows = lines(make(signer, bundle.Scope("subject", "case:1")))

    assert [row["i"] for row in rows] == [0, 1, 4, 5]
    events = dict(Leaf.objects.values_list("index", "event__payload"))
    assert [verifier.base64.b64decode(row["payload"]) for row in rows] == [bytes(events[row["i"]]) for row in rows]


def test_what_was_written_before_it_was_asked_for_is_in_it(signer: signing.Signer) -> None:
    grow(signer, 2)
    write(5)  # not sealed yet

    assert len(lines(make(signer, bundle.Scope("subject", "case:1")))) == 7


def test_it_gives_a_payload_a_leaf_or_a_hash_only(signer: signing.Signer) -> None:
    grow(signer, 6)
    ids = [str(pk) for pk in AuditEvent.objects.order_by("leaf__index").values_list("pk", flat=True)]
    rights = {ids[0]: "payload", ids[1]: "leaf", ids[3]: "payload"}

    data = make(signer, bundle.Scope("range"), may_have=lambda _: rights)

    assert [(row["i"], "payload" in row) for row in lines(data)] == [(0, True), (1, False), (3, True)]
    assert len(read(data, "leafhashes.bin")) == 6 * 32
    assert json.loads(read(data, "manifest.json"))["counts"] == {"leaves": 3, "payloads": 2, "hidden": 3}
    assert check(data).code == 0


def test_the_events_of_a_lane_the_asker_does_not_know_are_no_hole(
    signer: signing.Signer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    grow(signer, 2)
    hidden = {event.pk: "minors" for event in write(3)}
    monkeypatch.setattr("tests.audit.test_seal.lanes_of", lambda events: hidden)
    seal()
    write(1)

    general = make(signer, bundle.Scope("subject", "case:1"))
    whole = make(signer, bundle.Scope("subject", "case:1", lanes=("general", "minors")))

    assert [row["i"] for row in lines(general)] == [0, 1, 5]
    assert check(general).code == 0
    assert b"minors" not in read(general, "manifest.json")
    assert len(lines(whole)) == 6
    assert check(whole).code == 0


def test_a_withheld_payload_still_keeps_the_count(signer: signing.Signer) -> None:
    grow(signer, 5)

    data = make(signer, bundle.Scope("subject", "case:1"), may_have=lambda ids: dict.fromkeys(ids[2:], "payload"))

    assert ["payload" in row for row in lines(data)] == [False, False, True, True, True]
    verdict = check(data)
    assert verdict.code == 0
    assert "3 events are here and unchanged; 2 more are shown by their leaf only" in "\n".join(verdict.lines)


class Listed:
    """A rendering: one number a line."""

    name = "events.csv"

    def __init__(self, path: Path) -> None:
        self.path, self.pages = path, 0

    def add(self, rows: Sequence[bundle.Row]) -> None:
        self.pages += 1
        with self.path.open("a") as file:
            file.writelines(f"{row.index}\n" for row in rows)

    def finish(self) -> Path:
        return self.path


def test_renderings_get_the_rows_with_a_payload_page_by_page(
    signer: signing.Signer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bundle, "PAGE", 4)
    grow(signer, 10)
    told: list[tuple[int, int]] = []
    listed = Listed(tmp_path / "x")

    data = make(
        signer,
        bundle.Scope("range"),
        renderings=[listed],
        progress=lambda done, total: told.append((done, total)),
        may_have=lambda ids: dict(zip(ids, ["payload", "leaf", "payload", "payload"], strict=False)),
    )

    assert read(data, "events.csv") == b"0\n2\n3\n4\n6\n7\n8\n"
    assert listed.pages == 3
    assert told[:4] == [(4, 10), (8, 10), (10, 10), (10, 10)] or told[1:4] == [(4, 10), (8, 10), (10, 10)]
    assert check(data).code == 0


def test_it_can_be_stopped_between_two_pages(signer: signing.Signer) -> None:
    class Stopped(Exception): ...

    def stop(done: int, total: int) -> None:
        raise Stopped

    grow(signer, 3)
    with pytest.raises(Stopped):
        make(signer, bundle.Scope("range"), progress=stop)
    assert not AuditEvent.objects.filter(type=Event.LOG_HEADS).exists()


def test_it_refuses_when_nobody_seals_or_signs(signer: signing.Signer) -> None:
    grow(signer, 3)
    write(1)
    with pytest.raises(Refused, match="not being sealed"):
        make(signer, bundle.Scope("range"), pause=lambda _: None)
    seal()
    with pytest.raises(Refused, match="not being sealed or signed"):
        make(signer, bundle.Scope("range"), pause=lambda _: seal() and None)


def test_it_is_not_made_with_a_key_that_is_not_the_logs(signer: signing.Signer, settings: Any) -> None:
    grow(signer, 3)
    other = note.Signer(signer.key.name, Ed25519PrivateKey.generate())
    settings.AUDIT_VKEY = other.verifier.vkey

    with pytest.raises(Refused, match="AUDIT_VKEY is not its key"):
        make(signer, bundle.Scope("range"))
    assert not AuditEvent.objects.filter(type=Event.LOG_HEADS).exists()


def test_it_continues_the_checkpoint_somebody_saved(signer: signing.Signer) -> None:
    grow(signer, 3, 4, 5)
    saved = Checkpoint.objects.get(size=3).note

    data = make(signer, bundle.Scope("subject", "case:1"), previous=saved)

    assert read(data, "previous-checkpoint.txt").decode() == saved
    verdict = check(data)
    assert verdict.code == 0
    assert "continues what was signed at 3" in "\n".join(verdict.lines)
    with pytest.raises(Refused, match="not an earlier checkpoint"):
        make(signer, bundle.Scope("range"), previous=saved.replace("3", "4", 1))


def test_the_same_content_gives_the_same_files(signer: signing.Signer) -> None:
    grow(signer, 5)
    one, two = (zipfile.ZipFile(io.BytesIO(make(signer, bundle.Scope("range", end=5)))) for _ in range(2))
    assert [(i.filename, i.date_time, i.external_attr) for i in one.infolist() if "tlog-proof" not in i.filename] == [
        (i.filename, i.date_time, i.external_attr) for i in two.infolist() if "tlog-proof" not in i.filename
    ]
    assert one.read("events.jsonl") == two.read("events.jsonl")
    assert one.getinfo("events.jsonl").CRC == two.getinfo("events.jsonl").CRC


def test_the_log_states_what_was_made_and_names_nobody(signer: signing.Signer) -> None:
    grow(signer, 5)
    make(signer, bundle.Scope("subject", "case:1"))

    event = AuditEvent.objects.get(type=Event.LOG_HEADS)
    assert (event.by, event.subjects) == ("user:1", ["export:1"])
    assert b"case:1" not in bytes(event.payload)
    assert json.loads(bytes(event.payload))["facts"]["size"] == 5


def test_an_event_gone_from_the_log_is_not_passed_over(signer: signing.Signer) -> None:
    grow(signer, 5)
    tamper(f"DELETE FROM portal_auditevent WHERE id = '{Leaf.objects.get(index=2).event_id}'")
    for scope in (bundle.Scope("range"), bundle.Scope("subject", "case:1")):
        with pytest.raises(verifier.NotSound) as bad:
            make(signer, scope)
        assert bad.value.position == 2


@pytest.mark.parametrize("scope", [bundle.Scope("range"), bundle.Scope("subject", "case:1")], ids=str)
def test_no_bundle_is_made_of_a_log_that_was_rewritten_and_grew_to_its_signed_size(
    signer: signing.Signer, scope: bundle.Scope
) -> None:
    grow(signer, 4, 6, 1)  # the statement about the bundle becomes leaf 10, which a checkpoint seems to cover
    tamper_database.strike(tamper_database.drop_and_renumber, random.Random(1))

    with pytest.raises(verifier.NotSound, match="not those that were signed") as bad:
        make(signer, scope)
    assert (bad.value.position, bad.value.until) == (0, 4)


@pytest.mark.parametrize(
    ("scope", "place"), [(bundle.Scope("range"), (0, 4)), (bundle.Scope("subject", "case:1"), (None, None))], ids=str
)
def test_where_the_whole_tree_is_another_no_single_leaf_is_blamed(
    signer: signing.Signer, monkeypatch: pytest.MonkeyPatch, scope: bundle.Scope, place: tuple[int | None, int | None]
) -> None:
    grow(signer, 4, 6, 1)
    tamper_database.strike(tamper_database.drop_and_renumber, random.Random(1))
    monkeypatch.setattr(bundle, "_hold", lambda mark, read: None)  # a server that lies

    verdict = check(make(signer, scope))
    assert (verdict.code, verdict.position, verdict.until) == (1, *place)


def test_verify_py_runs_alone(signer: signing.Signer, tmp_path: Path) -> None:
    grow(signer, 5)
    data = make(signer, bundle.Scope("subject", "case:1"))
    (tmp_path / "x.zip").write_bytes(data)
    (tmp_path / "verify.py").write_bytes(read(data, "verify.py"))
    key = proving.public_key()
    assert key is not None
    (tmp_path / "key").write_text(f"{key.vkey}\n")
    other = signing.Signer(tmp_path / "other")
    (tmp_path / "other-key").write_text(other.key.verifier.vkey)
    other.close()

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        whole = [sys.executable, "-I", "-S", "verify.py", *words]
        return subprocess.run(whole, cwd=tmp_path, capture_output=True, text=True, check=False)

    sound = run("x.zip", "--key", "key")
    assert (sound.returncode, sound.stderr) == (0, "")
    assert sound.stdout.endswith("SOUND\n")
    inside = run("x.zip")
    assert inside.returncode == 0
    assert "TAKEN FROM THE BUNDLE" in inside.stdout
    assert key.vkey in inside.stdout
    assert run("x.zip", "--key", "other-key").returncode == 1
    assert run("x.zip", "--key", "nothing").returncode == 2
    assert run("key").returncode == 2
    assert run("x.zip", "--need", "1").returncode == 2


def test_a_name_with_two_subjects_in_one_event_is_counted_once(signer: signing.Signer) -> None:
    with transaction.atomic():
        record_many([(Event.CASE_VIEWED, "case:1", ("account:a", "case:1"), {})], by="user:1", now=NOON)
    grow(signer, 1)
    assert check(make(signer, bundle.Scope("subject", "case:1"))).code == 0
    assert check(make(signer, bundle.Scope("subject", "account:a"))).code == 0


def test_the_checkpoint_comes_with_its_witnesses(signer: signing.Signer, settings: Any) -> None:
    grow(signer, 5)
    one, other = (note.Signer(name, Ed25519PrivateKey.generate(), note.WITNESS) for name in ("w1", "w2"))

    def pause(seconds: float) -> None:
        seal()
        signer.sign()
        mark = Checkpoint.objects.latest("size")
        for number, witness in enumerate((one, other)):
            if mark.size > 5 and not Cosignature.objects.filter(size=mark.size, witness=witness.name).exists():
                line = str(witness.sign(note.Note.parse(mark.note).text, at=9 + number))
                Cosignature.objects.using("signer").create(size=mark.size, witness=witness.name, line=line)
                break

    settings.AUDIT_WITNESSES = ["http://127.0.0.1:1", one.verifier.vkey, "http://127.0.0.1:2", other.verifier.vkey]
    data = make(signer, bundle.Scope("subject", "case:1"), pause=pause)

    keys = [one.verifier.vkey, other.verifier.vkey]
    assert check(data, witnesses=keys, need=2).code == 0
    settings.AUDIT_WITNESSES += ["http://127.0.0.1:3", note.Signer("w3", one.private, note.WITNESS).verifier.vkey]
    data = make(signer, bundle.Scope("subject", "case:1"), pause=pause)  # one of three is away
    assert check(data, witnesses=keys, need=2).code == 0
