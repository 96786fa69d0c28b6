"""Does the map of all counts show who is in it, who is not, and nothing else?"""

from __future__ import annotations

import random
from typing import Any

import pytest
from django.db import connections

from portal.audit import bundle, heads, sealing, signing, tree, verifier
from portal.audit.models import Head, Tree
from tests.audit.test_bundle import check, make
from tests.audit.test_seal import seal, write
from tests.audit.test_verify import grow, tamper, verify


def counts(number: int) -> list[tuple[bytes, int, int]]:
    dice = random.Random(number)
    return [(dice.randbytes(16), dice.randrange(1, 99), dice.randrange(10**6)) for _ in range(number)]


def shown(one: heads.Heads, tag: bytes, told: dict[str, Any] | None = None) -> tuple[int, int]:
    """What the verifier reads out of the proof."""
    return verifier._head(tag, told or one.prove(tag), len(one), one.root)


@pytest.mark.parametrize("number", [1, 2, 3, 7, 8, 9, 255, 256, 257, 300])
def test_every_entry_and_every_gap_can_be_shown(number: int) -> None:
    told = counts(number)
    one = heads.of_counts(10**6, told)
    assert len(one) == number
    for tag, n, last in told:
        assert shown(one, tag) == (n, last)
    for strange in (b"\x00" * 16, b"\xff" * 16, *(random.Random(n).randbytes(16) for n in range(1000, 1040))):
        assert shown(one, strange) == (0, -1)


def test_nobody_is_in_an_empty_map() -> None:
    one = heads.of_counts(0, [])
    assert one.root == tree.EMPTY_ROOT
    assert shown(one, b"\x01" * 16) == (0, -1)


def test_the_order_they_come_in_does_not_matter() -> None:
    told = counts(40)
    assert heads.of_counts(9, told).root == heads.of_counts(9, told[::-1]).root


def test_no_false_count_can_be_shown() -> None:
    told = sorted(counts(30))
    one = heads.of_counts(10**6, told)
    tag = told[7][0]
    good = one.prove(tag)["is"]
    for change in (
        {"n": good["n"] + 1},
        {"last": good["last"] - 1},
        {"at": 8},
        {"at": 6},
        {"proof": good["proof"][:-1]},
    ):
        with pytest.raises(verifier.NotSound):
            shown(one, tag, {"is": {**good, **change}})
    with pytest.raises(verifier.NotSound, match="another name"):
        shown(one, tag, {"is": one.prove(told[8][0])["is"]})


def test_somebody_who_is_there_cannot_be_shown_as_absent() -> None:
    told = sorted(counts(30))
    one = heads.of_counts(10**6, told)
    at = {n: one.prove(told[n][0])["is"] for n in (0, 6, 7, 8, 29)}
    for before, after in ((at[6], at[8]), (at[6], at[7]), (at[7], at[8]), (None, at[8]), (at[6], None), (None, None)):
        with pytest.raises(verifier.NotSound):
            shown(one, told[7][0], {"before": before, "after": after})
    with pytest.raises(verifier.NotSound):
        shown(one, told[0][0], {"before": None, "after": at[0]})
    with pytest.raises(verifier.NotSound):
        shown(one, told[29][0], {"before": at[29], "after": None})


def test_size_and_counts_are_of_one_moment(real_commits: None) -> None:
    write(5)
    seal()
    write(5, of="case:2")
    one = heads.take()
    assert (one.size, len(one)) == (5, 2)  # the case, and who looked at it
    assert shown(one, sealing.tag("case:1")) == (5, 4)
    assert shown(one, sealing.tag("by:user:1")) == (5, 4)
    assert shown(one, sealing.tag("case:2")) == (0, -1)
    seal()
    assert shown(heads.take(), sealing.tag("case:2")) == (5, 9)


# --- What the server states is held to what the leaves say ------------------------------------------------------------


def test_an_honest_log_with_statements_is_sound(signer: signing.Signer) -> None:
    grow(signer, 3)
    for scope in (bundle.Scope("range"), bundle.Scope("subject", "case:1"), bundle.Scope("subject", "case:9")):
        make(signer, scope)
        grow(signer, 2)
    verdict = verify()
    assert verdict.sound, verdict.why
    assert verdict.size == Tree.objects.get().size


def test_a_counter_set_back_by_the_owner_is_found(signer: signing.Signer) -> None:
    grow(signer, 5)
    tag = sealing.tag("case:1")
    tamper(f"UPDATE portal_head SET n = 4, last = 3 WHERE tag = '\\x{tag.hex()}'")

    verdict = verify()

    assert not verdict.sound
    assert verdict.position == 4
    with pytest.raises(verifier.NotSound) as bad:  # and no bundle about it is made
        check(make(signer, bundle.Scope("subject", "case:1")))
    assert bad.value.position == 4


def test_a_false_statement_stays_in_the_log_and_is_found(signer: signing.Signer) -> None:
    grow(signer, 5)
    honest = {bytes(head.tag): (head.n, head.last) for head in Head.objects.all()}
    tag = sealing.tag("case:404")
    with connections["owner"].cursor() as cursor:
        cursor.execute("INSERT INTO portal_head VALUES (%s, 1, 2)", [tag])
    make(signer, bundle.Scope("subject", "case:1"))
    tamper(f"DELETE FROM portal_head WHERE tag = '\\x{tag.hex()}'")  # and he covers it up
    assert set(honest) < {bytes(head.tag) for head in Head.objects.all()}

    verdict = verify()

    assert not verdict.sound
    assert verdict.position == 5
    assert "states counts" in verdict.why
