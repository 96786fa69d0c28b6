"""Are the bytes of an event exact? RFC 8785 where the grammars meet, and refusal of everything outside ours."""

import json

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from portal.audit.canonical import MAX_BYTES, MAX_DEPTH, NotCanonical, canonical
from tests.faults.canonical import play

TEXT = st.text(st.characters(exclude_categories=("Cs",)))
SCALARS = st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | TEXT
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=5) | st.dictionaries(TEXT, inner, max_size=5))


def test_it_sorts_keys_by_their_utf_16_units():
    """The example of RFC 8785, 3.2.3."""
    given_ = {
        "\u20ac": "Euro Sign", "\r": "Carriage Return", "\ufb33": "Hebrew Letter Dalet With Dagesh", "1": "One",
        "\U0001f600": "Emoji: Grinning Face", "\u0080": "Control", "\u00f6": "Latin Small Letter O With Diaeresis",
    }  # fmt: skip
    told = list(json.loads(canonical(given_)).values())
    assert told == [
        "Carriage Return", "One", "Control", "Latin Small Letter O With Diaeresis", "Euro Sign",
        "Emoji: Grinning Face", "Hebrew Letter Dalet With Dagesh",
    ]  # fmt: skip


def test_it_writes_strings_as_the_rfc_does():
    """The string and the literals of the example of RFC 8785, 3.2.2; its numbers have a point, and are refused here."""
    value = {"string": "\u20ac$\u000f\u000aA'\u0042\u0022\u005c\\\"/", "literals": [None, True, False]}
    expected = '{"literals":[null,true,false],"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'
    assert canonical(value) == expected.encode()


@pytest.mark.parametrize(
    ("text", "bytes_"),
    [
        ("\b\t\n\f\r", rb'"\b\t\n\f\r"'),
        ("\x00\x1f\x7f", b'"\\u0000\\u001f\x7f"'),
        ("\u2028\u2029", '"\u2028\u2029"'.encode()),
        ("e\u0301", '"e\u0301"'.encode()),  # never composed: hostile text is evidence
        ("\ufeff \u202e", '"\ufeff \u202e"'.encode()),
    ],
)
def test_it_escapes_what_must_be_and_nothing_else(text, bytes_):
    assert canonical(text) == bytes_


@given(VALUES)
def test_it_gives_the_same_value_back_and_the_bytes_of_another_writer(value):
    written = canonical(value)
    assert json.loads(written) == value
    assert canonical(json.loads(written)) == written == rfc8785.dumps(value)


@given(st.dictionaries(TEXT, SCALARS, min_size=2), st.randoms())
def test_it_does_not_care_in_what_order_keys_came(value, dice):
    keys = list(value)
    dice.shuffle(keys)
    assert canonical({key: value[key] for key in keys}) == canonical(value)


WITHOUT_BYTES = [
    1.0, 0.5, -0.0, float("nan"), float("inf"), 2**53, -(2**53), "\ud800", "a\udfff", b"x", {1: "x"}, {"\ud800": 1},
    {"a"}, object(),
]  # fmt: skip


@pytest.mark.parametrize("bad", WITHOUT_BYTES)
@pytest.mark.parametrize("around", [lambda bad: bad, lambda bad: [1, bad], lambda bad: {"a": {"b": [bad]}}])
def test_it_refuses_what_has_no_exact_bytes(bad, around):
    with pytest.raises(NotCanonical):
        canonical(around(bad))


def test_it_refuses_what_is_too_deep_or_too_long():
    deep = "x"
    for _ in range(MAX_DEPTH - 1):
        deep = [deep]
    canonical(deep)
    with pytest.raises(NotCanonical):
        canonical([deep])
    canonical("x" * (MAX_BYTES - 2))
    with pytest.raises(NotCanonical):
        canonical("x" * (MAX_BYTES - 1))


def test_it_holds_for_many_random_values_and_refuses_each_planted_flaw():
    told = play(cases=5000, seed=1)
    assert told == {"values": 5000, "differ": 0, "flaws": 5000, "accepted": 0}, told
