"""Does a filtered bundle hold what its filter says, and say what it does not prove?"""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.db import transaction

from portal.audit import bundle, signing
from portal.audit.actions import record_many
from portal.audit.events import Event
from portal.audit.models import Leaf
from tests.audit.test_seal import seal
from tests.audit.test_verify import grow
from tests.conftest import NOON

from .test_bundle import check, make, read


def mixed(signer: signing.Signer) -> None:
    """Five leaves of a case: 0, 3 viewed by 1; 1 viewed by 2; 2, 4 claimed by 1; 0 and 1 also name an account."""
    for kind, by, also in (
        (Event.CASE_VIEWED, "user:1", ("account:a",)),
        (Event.CASE_VIEWED, "user:2", ("account:a",)),
        (Event.CASE_CLAIMED, "user:1", ()),
        (Event.CASE_VIEWED, "user:1", ()),
        (Event.CASE_CLAIMED, "user:1", ()),
    ):
        with transaction.atomic():
            record_many([(kind, "case:1", also, {})], by=by, now=NOON)
    seal()
    signer.sign()


def only(*places: int) -> Any:
    """Rights to the events of these leaves; of the others to the leaf."""
    ids = {str(pk) for pk in Leaf.objects.filter(index__in=places).values_list("event_id", flat=True)}
    return lambda events: {event: "payload" if event in ids else "leaf" for event in events}


FILTERED = [
    (bundle.Scope("range", types=["case.claimed"]), (2, 4)),
    (bundle.Scope("subject", "case:1", types=["case.claimed"]), (2, 4)),
    (bundle.Scope("subject", "case:1", also=[("actor", "user:1")]), (0, 2, 3, 4)),
    (bundle.Scope("subject", "case:1", also=[("subject", "account:a"), ("actor", "user:1")]), (0,)),
    (bundle.Scope("actor", "user:1", also=[("subject", "account:a")], types=["case.viewed"]), (0,)),
]


@pytest.mark.parametrize(("scope", "wanted"), FILTERED)
def test_the_rest_of_a_filter_is_judged_by_kind_and_by_tags(
    signer: signing.Signer, scope: bundle.Scope, wanted: tuple[int, ...]
) -> None:
    mixed(signer)

    whole = check(make(signer, scope, may_have=only(*wanted)))
    short = check(make(signer, scope, may_have=only(*wanted[1:])))
    other = next(at for at in (1, 3) if at not in wanted and (scope.kind != "actor" or at == 3))
    more = check(make(signer, scope, may_have=only(*wanted, other)))

    assert (whole.code, short.code) == (0, 0)
    assert "Every leaf shown that can be of what was asked for comes with its event." in whole.lines
    assert "Of the leaves shown, 1 can be of what was asked for and come without their event." in short.lines
    assert (more.code, more.position, more.why) == (1, other, f"leaf {other} is not of what was asked for")


def test_it_says_what_it_does_not_prove(signer: signing.Signer) -> None:
    grow(signer, 5)

    data = make(signer, bundle.Scope("subject", "case:1", unproven=["Times: \x1b[2J" + "x" * 500]))

    assert json.loads(read(data, "manifest.json"))["scope"]["unproven"][0].startswith("Times: ")
    [line] = [line for line in check(data).lines if line.startswith("Not proven: ")]
    assert line.startswith("Not proven: Times: �[2Jxxx")
    assert len(line) == 400
