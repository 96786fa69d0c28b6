"""Is every tampering found, and its place named? And is no honest bundle called false?

    python -m tests.faults.tamper_bundle --random 10000 --omissions 5000 --honest 1000 --seed 1

Bundles are made by the product itself over logs of odd sizes, then changed by somebody who has everything but the key
of the log; one tampering in ten is done in the database, by its owner, before the bundle is made. Prints a table;
exit 0 when every line of it holds.
"""

from __future__ import annotations

import argparse
import functools
import io
import json
import multiprocessing
import os
import random
import re
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.faults import tampering, tampering_ties
from tests.faults.taken_apart import NOTHING, Base, Open, unpacked
from tests.faults.tally import Tally

ODD = (0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129, 255, 256, 257, 300)
TABLES = "portal_auditevent, portal_pending, portal_leaf, portal_tile, portal_head, portal_checkpoint"
IN_DATABASE = 10  # one tampering in so many
PARTS = 2  # processes
SHOWN = 20  # of what went wrong


# --- Logs and honest bundles ------------------------------------------------------------------------------------------


def fresh_log(folder: Path) -> Any:
    """An empty log and its signer."""
    from django.conf import settings
    from django.db import connections

    from portal.audit import signing

    with connections["owner"].cursor() as cursor:
        cursor.execute("ALTER TABLE portal_auditevent DISABLE TRIGGER USER")
        cursor.execute(f"TRUNCATE {TABLES}, portal_cosignature, portal_alarm")
        cursor.execute("ALTER TABLE portal_auditevent ENABLE TRIGGER USER")
        cursor.execute("UPDATE portal_tree SET size = 0")
    settings.SIGNER_DIR = Path(tempfile.mkdtemp(dir=folder))
    return signing.Signer()


def grow(signer: Any, size: int, dice: random.Random) -> None:
    """So many events about a few, by a few, sealed and signed in some rounds."""
    from django.db import transaction

    from portal.audit.actions import record_many
    from portal.audit.events import Event
    from tests.audit.test_seal import seal
    from tests.conftest import NOON

    left = size
    while left:
        many = min(left, max(1, dice.randrange(size // 3 + 1)))
        told = []
        for number in range(many):
            also = [f"account:{dice.randrange(5)}"] if dice.random() < 0.6 else []
            told.append((Event.CASE_VIEWED, f"case:{dice.randrange(6)}", also, {"n": number}))
        if left == size:
            told[0] = (Event.CASE_VIEWED, "case:only", (), {"n": 0})
        with transaction.atomic():
            record_many(told, by=f"user:{dice.randrange(3)}", now=NOON)
        left -= many
        if dice.random() < 0.7:
            seal()
            signer.sign()
    seal()
    signer.sign()


def scopes(size: int, dice: random.Random) -> Iterator[Any]:
    """What is asked for."""
    from portal.audit.bundle import Scope

    while True:
        start = dice.randrange(size + 1)
        yield Scope("range")
        yield Scope("subject", f"case:{dice.randrange(6)}")
        yield Scope("subject", "case:only")
        yield Scope("range", start=start, end=dice.randrange(start, size + 2))
        yield Scope("subject", f"case:absent-{dice.randrange(99)}")
        yield Scope("actor", f"user:{dice.randrange(3)}")
        yield Scope("subject", f"account:{dice.randrange(5)}", lanes=("general", "minors"))
        yield Scope("actor", "user:absent")


def bundle_of(signer: Any, scope: Any, **more: Any) -> bytes:
    from tests.audit.test_bundle import make

    return make(signer, scope, **more)


def base_of(data: bytes, vkey: str) -> Base:
    """A bundle with what its attacker knows besides."""
    from portal.audit import tree
    from portal.audit.models import Checkpoint, Leaf

    files = unpacked(data)
    size = json.loads(files["manifest.json"])["checkpoint"]["size"]
    leaves = Leaf.objects.filter(index__lt=size).order_by("index").values_list("leaf", flat=True)
    marks = list(Checkpoint.objects.filter(size__lt=size, size__gt=0).values_list("note", flat=True))
    return Base(files, vkey, [tree.leaf_hash(bytes(leaf)) for leaf in leaves], marks)


def pool(folder: Path, dice: random.Random, logs: int) -> list[Base]:
    """Honest bundles of some logs, each of which knows the others of its log, and a twin of its log."""
    found = []
    for number in range(logs):
        size = dice.choice([3, 5, 8, 17, 33, 64, 100, 129, 255, 257, 400]) if number else 64
        signer = fresh_log(folder)
        grow(signer, size, dice)
        asked = scopes(size, dice)
        listed = _Csv(folder / f"csv-{number}")
        vkey = signer.key.verifier.vkey
        bases = [base_of(bundle_of(signer, next(asked), renderings=[listed.again()]), vkey) for _ in range(7)]
        for base in bases:
            base.others.extend([*(other for other in bases if other is not base), _twin(base, signer)])
        found += bases
        signer.close()
    return found


def _twin(base: Base, signer: Any) -> Base:
    """Another history of the same size, signed by the same key."""
    from portal.audit import note, tree

    hashes = [bytes([one[0] ^ 1]) + one[1:] for one in base.hashes]
    tiles = tree.grow(0, hashes, lambda level, index: b"")
    root = tree.root(len(hashes), lambda level, index: tiles.get((level, index), b""))
    text = note.Checkpoint(signer.key.name, len(hashes), root).text
    signed = str(note.Note(text, [signer.key.sign(text)])).encode()
    return Base({"checkpoint.txt": signed}, base.vkey, hashes, twin=True)


class _Csv:
    name = "events.csv"

    def __init__(self, path: Path) -> None:
        self.path = path

    def again(self) -> _Csv:
        self.path.write_bytes(b"index\n")
        return self

    def add(self, rows: Any) -> None:
        with self.path.open("a") as file:
            file.writelines(f"{row.index}\n" for row in rows)

    def finish(self) -> Path:
        return self.path


# --- The rounds -------------------------------------------------------------------------------------------------------


def attempt(base: Base, act: tampering.Act, depth: int, dice: random.Random, tally: Tally) -> bool:
    """Tamper once; say whether there was anything to tamper with."""
    from portal.audit import verifier

    one = Open(base)
    touched = act(one, dice)
    if touched == NOTHING:
        return False
    data = one.close(depth)
    if unpacked(data) == base.files and one.key == base.vkey:
        return False  # what was changed was hashed away again
    verdict = verifier.verify(io.BytesIO(data), one.key)
    what = f"depth {depth}, {one.manifest['scope']['kind']}, {len(one.rows)} rows"
    tally.take(act.__name__, what, touched, verdict.code, verdict.position, verdict.until)
    return True


def play_named(bases: list[Base], dice: random.Random, tally: Tally) -> list[str]:
    """Each act at each depth that differs, on the first bundle that has something to do it to; what had none."""
    never = []
    for act in (*tampering.ON_ROWS, *tampering_ties.ON_TIES):
        depths = (0, 2) if act in tampering.ON_ROWS else (1,)
        for depth in (0, 1) if act is tampering.hash_of_a_leaf else depths:
            if not any(attempt(base, act, depth, dice, tally) for base in bases):
                never.append(f"{act.__name__} at depth {depth}")
    return never


def play_random(bases: list[Base], rounds: int, dice: random.Random, tally: Tally) -> None:
    """Any act at any depth on any bundle."""
    done = 0
    while done < rounds:
        acts = tampering.ON_ROWS if dice.random() < 0.6 else tampering_ties.ON_TIES
        done += attempt(dice.choice(bases), dice.choice(acts), dice.randrange(3), dice, tally)


def play_omissions(bases: list[Base], rounds: int, dice: random.Random, tally: Tally) -> None:
    """One row less in a filtered bundle, all else made to fit: the first, one in the middle, the last, the only one."""
    filtered = [base for base in bases if b'"kind": "range"' not in base.files["manifest.json"]]
    acts = [tampering.drop_first, tampering.drop_middle, tampering.drop_last, tampering.drop_only, tampering.drop]
    done = 0
    while done < rounds:
        done += attempt(dice.choice(filtered), dice.choice(acts), 2, dice, tally)


def play_database(folder: Path, acts: Sequence[Any], dice: random.Random, tally: Tally) -> None:
    """The owner changes the log, then a bundle is asked for, by range or by the name concerned."""
    from portal.audit.bundle import Scope
    from tests.faults.tamper_database import strike

    for act in acts:
        signer = fresh_log(folder)
        grow(signer, dice.choice([9, 20, 33, 64]), dice)
        touched, name = strike(act, dice)
        scope = dice.choice([Scope("range"), Scope("subject", name)])
        by, code, position, until = who_finds_out(signer, scope)
        first = min(touched, default=None)
        if scope.name and position in touched:
            first = position  # a bundle about one name shows what was done to its leaves, not to all
        tally.take(f"{act.__name__} (db)", f"{by}, {scope}", first, code, position, until)
        tally.by[by] += 1
        signer.close()


def who_finds_out(signer: Any, scope: Any) -> tuple[str, int, int | None, int | None]:
    """Who says so, the code, and the place: the making of the bundle, the bundle, the signer, or the check of all."""
    from django.db import DatabaseError

    from portal.audit import proving, signing, verifier
    from portal.audit.models import Checkpoint
    from portal.refusal import Refused

    key = signer.key.verifier
    try:
        verdict = verifier.verify(io.BytesIO(bundle_of(signer, scope)), key.vkey)
        if verdict.code:
            return "the bundle's verify.py", verdict.code, verdict.position, verdict.until
        refused = None
    except verifier.NotSound as bad:
        return "the making of the bundle", 1, bad.position, bad.until
    except (signing.RefusesToSign, Refused, DatabaseError) as error:
        refused = error
    whole = proving.verify(key)
    until = re.search(r"the leaves up to (\d+) are not those", whole.why)
    if not whole.sound:
        by = f"{type(refused).__name__}, and verify_audit" if refused else "verify_audit"
        return by, 1, whole.position, int(until[1]) if until else None
    if not isinstance(refused, signing.RefusesToSign):
        return "nobody", 0, None, None
    # what is left is sound in itself, but not what the signer remembers: after the last checkpoint that is left
    left = Checkpoint.objects.order_by("-size").values_list("size", flat=True).first() or 0
    return "the signer alone", 1, left, signer.record().size


def play_honest(folder: Path, rounds: int, dice: random.Random) -> list[str]:
    """Honest bundles of logs of odd sizes, whole and in part, with all rights and with few; the false alarms."""
    from portal.audit import verifier

    made, false = 0, []
    while made < rounds:
        size = dice.choice(ODD)
        signer = fresh_log(folder)
        grow(signer, size, dice)
        asked = scopes(size, dice)
        for _ in range(min(10, rounds - made)):
            scope, share = next(asked), dice.choice([0, 0.5, 1, 1])

            def rights(events: Any, share: float = share) -> dict[Any, str]:
                return {event: dice.choice(["payload", "leaf"]) for event in events if dice.random() < share}

            data = bundle_of(signer, scope, may_have=rights) if share < 1 else bundle_of(signer, scope)
            verdict = verifier.verify(io.BytesIO(data), signer.key.verifier.vkey)
            made += 1
            if verdict.code:
                false.append(f"{scope} of {size}: {verdict.why}")
        signer.close()
    return false


# --- Two processes, each with servers of its own ----------------------------------------------------------------------


@dataclass
class Played:
    """What one process has to tell."""

    named: Tally = field(default_factory=Tally)
    never: list[str] = field(default_factory=list)
    random: Tally = field(default_factory=Tally)
    omitted: Tally = field(default_factory=Tally)
    false: list[str] = field(default_factory=list)


def play(part: int, asked: argparse.Namespace) -> Played:
    """One part of the rounds; the first also plays the named ones."""
    from portal.local.attach import new_secrets
    from portal.local.servers import start

    with tempfile.TemporaryDirectory(prefix="reeve-tamper-") as name:
        folder = Path(name)
        servers = start(folder / "servers", durable=False)
        try:
            os.environ.update(servers.environment, **new_secrets())
            os.environ.update(DATA_DIR=name, LOG_LEVEL="CRITICAL", DJANGO_SETTINGS_MODULE="portal.settings")
            import django
            from django.core.management import call_command

            django.setup()
            call_command("migrate", database="owner", verbosity=0)
            return _rounds(folder, part, asked)
        finally:
            servers.stop()


def _rounds(folder: Path, part: int, asked: argparse.Namespace) -> Played:
    from portal.audit import verifier
    from tests.faults.tamper_database import ACTS

    # the same few checkpoints are looked at again and again
    verifier.ed25519 = functools.cache(verifier.ed25519)  # type: ignore[assignment]
    played, dice = Played(), random.Random(f"{asked.seed} {part}")

    def share(whole: int) -> int:
        return whole // PARTS + (part < whole % PARTS)

    def say(what: str) -> None:
        print(f"… part {part + 1}: {what}", file=sys.stderr, flush=True)

    bases = pool(folder, dice, asked.logs)
    say(f"{len(bases)} bundles to tamper with")
    if part == 0:
        played.never = play_named(bases, dice, played.named)
        play_database(folder, ACTS, dice, played.named)
        say("the named ones are played")
    in_database = share(asked.random // IN_DATABASE)
    play_random(bases, share(asked.random) - in_database, dice, played.random)
    say("the random ones are played")
    play_omissions(bases, share(asked.omissions), dice, played.omitted)
    say("the omissions are played")
    play_database(folder, [dice.choice(ACTS) for _ in range(in_database)], dice, played.random)
    say("those in the database are played")
    played.false = play_honest(folder, share(asked.honest), dice)
    return played


def told(played: Played, asked: argparse.Namespace) -> tuple[bool, list[str]]:
    """Whether all of it holds, and the table."""
    in_database = asked.random // IN_DATABASE
    lines = [
        (played.named.holds() and not played.never, "named tamperings", played.named.line()),
        (played.random.holds(), f"random tamperings, {in_database} of them in the database", played.random.line()),
        (played.omitted.holds(), "rows left out of filtered bundles", played.omitted.line()),
        (not played.false, "honest bundles", f"{asked.honest} made, {len(played.false)} false alarms"),
    ]
    table = [f"  {'holds' if held else 'FAILS':<6} {what}: {figures}" for held, what, figures in lines]
    table += ["  random tamperings, by kind; (db): by the owner of the database, before the bundle is made"]
    table += played.random.table()
    table += ["  in the database, found by: " + ", ".join(f"{by} {n}" for by, n in played.random.by.most_common())]
    for tally in (played.named, played.random, played.omitted):
        table += [f"  missed: {one}" for one in tally.missed[:SHOWN]]
        table += [f"  another place named: {one}" for one in tally.misplaced[:SHOWN]]
    table += [f"  never played: {one}" for one in played.never]
    table += [f"  false alarm: {one}" for one in played.false[:SHOWN]]
    return all(held for held, _, _ in lines), table


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--random", type=int, default=10_000)
    parser.add_argument("--omissions", type=int, default=5_000)
    parser.add_argument("--honest", type=int, default=1_000)
    parser.add_argument("--logs", type=int, default=8, help="logs, in each process, that bundles are made of")
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    begun, whole = time.monotonic(), Played()
    with ProcessPoolExecutor(PARTS, mp_context=multiprocessing.get_context("spawn")) as both:
        for one in both.map(play, range(PARTS), [asked] * PARTS):
            whole.never += one.never
            whole.false += one.false
            for ours, theirs in ((whole.named, one.named), (whole.random, one.random), (whole.omitted, one.omitted)):
                ours.add(theirs)
    held, table = told(whole, asked)
    print(f"seed {asked.seed}, {time.monotonic() - begun:.0f} s")
    print("\n".join(table))
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
