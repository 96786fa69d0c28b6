"""Is our lost effect told from another's hand? The comparison alone: no platform, no tables."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from moderation.enforcement.drift import MOST_HEALS, Done, Verdict, compare, overall
from tests.conftest import NOON

SUSPEND, LIFT = Done("a", 1, "suspend"), Done("b", 2, "unsuspend")
IT = ("suspend", "")


def verdict(done, there, *, newest=None, issued=9, thing=IT):
    return overall(compare(done, {thing: there}, newest=newest, issued=issued, now=NOON))


@pytest.mark.parametrize(
    ("done", "there", "newest", "said"),
    [
        ([SUSPEND], True, 1, Verdict.SAME),
        ([SUSPEND], False, 0, Verdict.LOST),
        ([SUSPEND], False, 1, Verdict.FOREIGN),
        ([SUSPEND], False, None, Verdict.FOREIGN),
        ([SUSPEND], None, 1, Verdict.UNTOLD),
        ([SUSPEND, LIFT], False, 2, Verdict.SAME),
        ([SUSPEND, LIFT], True, 1, Verdict.LOST),
        ([SUSPEND, LIFT], True, 0, Verdict.FOREIGN),
        ([SUSPEND, LIFT], False, 0, Verdict.SAME),
        ([], True, 0, Verdict.FOREIGN),
        ([], False, 0, Verdict.SAME),
        ([], None, 0, Verdict.SAME),
    ],
    ids=[
        "as ordered", "lost with its number", "changed under its number", "no numbers to prove a loss",
        "nothing to read",
        "lifted", "a lost lift", "more than a lost lift", "both lost, so nothing differs", "nobody ordered it",
        "nothing there", "nothing known",
    ],
)  # fmt: skip
def test_it_tells_a_loss_from_another_hand(done, there, newest, said):
    assert verdict(done, there, newest=newest) == said


def test_a_longer_measure_that_was_lost_is_not_healed_when_the_shorter_one_was_undone_by_somebody():
    assert verdict([SUSPEND, Done("b", 2, "suspend")], False, newest=1) == Verdict.FOREIGN


def test_what_nobody_is_sure_of_is_not_judged():
    assert verdict([SUSPEND, replace(LIFT, sure=False)], True, newest=2) == Verdict.UNTOLD
    assert verdict([replace(SUSPEND, sure=False), Done("b", 2, "suspend")], False, newest=1) == Verdict.FOREIGN


def test_a_measure_whose_time_is_up_is_not_judged():
    over, later = (replace(SUSPEND, until=NOON + timedelta(hours=hours)) for hours in (0, 1))

    assert verdict([over], False, newest=0) == Verdict.UNTOLD
    assert verdict([later], False, newest=0) == Verdict.LOST


def test_an_effect_that_is_lost_again_and_again_is_for_a_person():
    assert verdict([replace(SUSPEND, heals=MOST_HEALS - 1)], False, newest=0) == Verdict.LOST
    assert verdict([replace(SUSPEND, heals=MOST_HEALS)], False, newest=0) == Verdict.FOREIGN


def test_a_scope_is_a_thing_of_its_own():
    live = Done("a", 1, "restrict", "live")
    found = compare([live], {("restrict", "live"): True, ("restrict", "posts"): True}, newest=1, issued=1, now=NOON)

    assert {one.scope: one.verdict for one in found} == {"live": Verdict.SAME, "posts": Verdict.FOREIGN}
    assert [one.words for one in found if one.verdict == Verdict.FOREIGN] == [
        "restrict (posts) is in force, which nobody ordered here"
    ]


def test_numbers_that_we_never_gave_are_another_hand():
    assert verdict([SUSPEND], True, newest=2, issued=1) == Verdict.FOREIGN
    assert verdict([SUSPEND], True, newest=2, issued=2) == Verdict.SAME


def test_another_hand_stands_above_a_loss():
    found = compare([SUSPEND], {IT: False, ("ban", ""): True}, newest=0, issued=1, now=NOON)

    assert {one.verdict for one in found} == {Verdict.LOST, Verdict.FOREIGN}
    assert overall(found) == Verdict.FOREIGN
