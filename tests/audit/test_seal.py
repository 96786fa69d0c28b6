"""Does every committed event get one place, in one tree, whoever seals?"""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest
from django.db import connection, connections, transaction
from django.db.utils import ProgrammingError

from moderation.insight.history import lanes_of
from portal.audit import sealing, tree
from portal.audit.actions import record, record_many
from portal.audit.events import Event
from portal.audit.models import AuditEvent, Head, Leaf, Pending, Tile, Tree
from tests.conftest import NOON


def write(n: int, *, by: str = "user:1", of: str = "case:1") -> list[AuditEvent]:
    with transaction.atomic():
        return record_many([(Event.CASE_VIEWED, of, (), {"n": i}) for i in range(n)], by=by, now=NOON)


def seal(limit: int = sealing.BATCH) -> int:
    done = 0
    while sealed := sealing.seal(lanes=lanes_of, limit=limit):
        done += sealed
    return done


def root_of_leaves() -> bytes:
    hashes = [tree.leaf_hash(bytes(leaf)) for leaf in Leaf.objects.order_by("index").values_list("leaf", flat=True)]

    def mth(part: list[bytes]) -> bytes:
        if len(part) <= 1:
            return part[0] if part else tree.EMPTY_ROOT
        k = 1
        while k * 2 < len(part):
            k *= 2
        return tree.node_hash(mth(part[:k]), mth(part[k:]))

    return mth(hashes)


def test_it_numbers_every_event_once_without_a_gap(real_commits: None) -> None:
    written = {event.pk for event in write(700)}
    assert Pending.objects.count() == 700

    assert seal(limit=300) == 700

    assert list(Leaf.objects.order_by("index").values_list("index", flat=True)) == list(range(700))
    assert set(Leaf.objects.values_list("event_id", flat=True)) == written
    assert not Pending.objects.exists()
    assert Tree.objects.get().size == 700
    assert tree.root(700, sealing.reader()) == root_of_leaves()


def test_it_counts_subjects_and_actors_without_a_gap(real_commits: None) -> None:
    write(3, of="case:1")
    write(2, of="case:2")
    write(2, of="case:1", by="user:2")
    seal(limit=2)

    told = [json.loads(bytes(leaf)) for leaf in Leaf.objects.order_by("index").values_list("leaf", flat=True)]
    first = sealing.tag("case:1").hex()
    chain = [(one["n"], one["p"]) for leaf in told for one in leaf["subj"] if one["k"] == first]
    assert [n for n, _ in chain] == [1, 2, 3, 4, 5]
    at = [index for index, leaf in enumerate(told) if any(one["k"] == first for one in leaf["subj"])]
    assert [p for _, p in chain] == [-1, *at[:-1]]
    assert Head.objects.get(tag=sealing.tag("case:1")).n == 5
    assert Head.objects.get(tag=sealing.tag("by:user:1")).n == 5


def test_it_seals_what_raw_sql_wrote_too(real_commits: None) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO portal_auditevent (id, type, by, subjects, payload, payload_hash) "
            "VALUES (gen_random_uuid(), 'case.viewed', 'user:1', ARRAY['case:1'], '{}', '\\x00')"
        )

    assert seal() == 1


def test_what_is_rolled_back_gets_no_place(real_commits: None) -> None:
    with transaction.atomic():
        record(Event.CASE_VIEWED, by="user:1", of="case:1", now=NOON)
        transaction.set_rollback(True)

    assert seal() == 0


def test_one_who_commits_late_is_not_passed_over(real_commits: None) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def late() -> None:
        with transaction.atomic():
            record(Event.CASE_VIEWED, by="user:9", of="case:9", now=NOON)
            begun.set()
            go_on.wait(10)
        connections.close_all()

    slow = threading.Thread(target=late)
    slow.start()
    begun.wait(10)
    write(5)
    assert seal() == 5
    go_on.set()
    slow.join()

    assert seal() == 1
    assert Leaf.objects.count() == 6


def test_two_sequencers_at_once_never_fork(real_commits: None) -> None:
    write(1200)
    failures: list[Exception] = []

    def one() -> None:
        try:
            seal(limit=50)
        except Exception as error:  # reported below
            failures.append(error)
        finally:
            connections.close_all()

    both = [threading.Thread(target=one) for _ in range(3)]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()

    assert not failures
    assert list(Leaf.objects.order_by("index").values_list("index", flat=True)) == list(range(1200))
    assert tree.root(1200, sealing.reader()) == root_of_leaves()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE portal_leaf SET leaf = ''",
        "DELETE FROM portal_leaf",
        "DELETE FROM portal_pending",
        "UPDATE portal_tree SET size = 0",
        "UPDATE portal_tile SET hashes = ''",
        "DELETE FROM portal_tile",
        "UPDATE portal_head SET n = 1",
        "INSERT INTO portal_leaf (index, event_id, leaf) VALUES (9, gen_random_uuid(), '')",
        "INSERT INTO portal_checkpoint (size, root, note) VALUES (9, '', '')",
        "DELETE FROM portal_checkpoint",
    ],
)
def test_the_application_may_not_touch_the_tree(db: None, statement: str) -> None:
    with pytest.raises(ProgrammingError, match="permission denied"), transaction.atomic():
        connection.cursor().execute(statement)


def test_a_subject_in_a_restricted_lane_is_counted_apart() -> None:
    assert sealing.tag("account:1", "minors") != sealing.tag("account:1")


def test_a_leaf_holds_no_name_of_anybody(real_commits: None) -> None:
    write(1, of="case:4711", by="user:815")
    seal()
    leaf = bytes(Leaf.objects.get().leaf)
    assert b"4711" not in leaf
    assert b'815"' not in leaf


def test_tiles_are_256_hashes_wide(real_commits: None) -> None:
    write(300)
    seal()
    sizes: Any = {(tile.level, tile.idx): len(bytes(tile.hashes)) // 32 for tile in Tile.objects.all()}
    assert sizes == {(0, 0): 256, (0, 1): 44, (1, 0): 1}
