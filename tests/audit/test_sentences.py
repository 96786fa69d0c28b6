"""Does every event read as a sentence?"""

from __future__ import annotations

import re

import pytest

from portal.audit.events import Event
from portal.audit.sentences import KINDS, SENTENCES, Part, plainly, sentence, tell


def test_it_knows_a_sentence_for_every_event_and_no_other():
    assert set(SENTENCES) == set(Event)


@pytest.mark.parametrize("event", Event)
def test_it_reads_as_a_sentence_without_any_fact_or_subject(event: Event):
    said = sentence(event, "user:1", [], {}, {"user:1": "ada"}.__getitem__)

    assert said.startswith("ada ")
    assert said.endswith(".")
    assert not re.search(r"[\[\]{}]|  | [,.;:)]|\( ?\)", said), said


@pytest.mark.parametrize("event", Event)
def test_it_reads_as_a_sentence_with_all_it_may_name(event: Event):
    names = re.findall(r"\{(\w+)\}", SENTENCES[event])
    subjects = [f"{name}:7" for name in names if name in KINDS]

    said = sentence(event, "user:1", subjects, {name: "x" for name in names if name not in KINDS}, plainly)

    assert not re.search(r"[\[\]{}]|  | [,.;:)]|\( ?\)", said), said
    assert all(f"{name} 7" in said for name in names if name in KINDS), said


def test_it_gives_subjects_as_parts_that_a_page_can_link():
    parts = tell("case.claimed", ["case:12", "account:x"], {"until": "2026-11-20T12:08:00+00:00"})

    assert Part(name="case:12") in parts
    assert "".join(part.text for part in parts) == "claimed  until 2026-11-20 12:08 UTC"


def test_it_drops_what_names_a_missing_fact():
    with_why = sentence("case.returned", "user:1", ["case:3"], {"why": "left_early"}, plainly)
    without = sentence("case.returned", "user:1", ["case:3"], {}, plainly)

    assert with_why == "user 1 returned case 3 to its queue: left early."
    assert without == "user 1 returned case 3 to its queue."


def test_it_does_not_count_nothing():
    facts = {"accepted": 3, "duplicates": 0, "rejected": 0, "door": "api"}

    assert (
        sentence("signals.accepted", "user:1", [], facts, plainly) == "user 1 took in signals by the door api: 3 new."
    )


def test_it_tells_an_event_of_a_newer_version_by_its_name():
    assert sentence("moon.rose_early", "user:1", ["case:3"], {}, plainly) == "user 1 moon rose early case 3."


def test_it_never_puts_braces_of_a_fact_into_the_template():
    assert sentence("case.returned", "user:1", ["case:3"], {"why": "{user}[x]"}, plainly).endswith(": {user}[x].")
