"""What may a rule say, and what does it mean?

Refusals with their place; three-valued truth; the same answer as PostgreSQL.
"""

from __future__ import annotations

import json
import random
import time
from typing import Any

import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlglot import exp

from risk.strategy import shipped
from risk.strategy.features import TYPES
from risk.strategy.language import BadRule, check, frame_of, hold, holds, to_polars

NAMES = {"a": "int", "b": "int", "share": "decimal", "t": "text", "f": "bool", "l": "list"}

REFUSED = [
    ("", 0, "empty"),
    ("a", 0, "not a condition"),
    ("a >", 2, "not a condition"),
    ("nope = 1", 0, "no feature called “nope”"),
    ("a = 1 AND nope = 1", 10, "no feature called “nope”"),
    ("x.a = 1", 0, "alone"),
    ("a = 'x'", 0, "a number and a text"),
    ("f > TRUE", 0, "no order"),
    ("l = 'x'", 0, "ARRAY_CONTAINS"),
    ("a = NULL", 0, "IS NULL"),
    ("a IN (1, NULL)", 0, "NULL cannot stand"),
    ("a IN (SELECT 1)", 13, "sub-query"),
    ("a > (SELECT 1)", 12, "sub-query"),
    ("a = 1; b = 2", 0, "more than one statement"),
    ("RAND() > 0.5", 0, "RAND"),
    ("CURRENT_DATE > a", 0, "CURRENT_DATE"),
    ("CAST(a AS INT) = 1", 5, "CAST"),
    ("pg_sleep(9) = 1", 0, "no function called pg_sleep"),
    ("IN_LIST(t, t)", 0, "name of the list"),
    ("IN_LIST(a, 'x')", 8, "a text is needed"),
    ("t LIKE a", 7, "in quotes"),
    ("t ILIKE 'x'", 0, "cannot be used"),
    ("REGEXP_LIKE(t, '(a')", 15, "cannot be read"),
    ("REGEXP_LIKE(t, 'a{21}')", 15, "at most 20"),
    ("REGEXP_LIKE(t, '((a{20}){20}){20}')", 15, "multiply"),
    (r"REGEXP_LIKE(t, '\d')", 15, "write the characters"),
    ("REGEXP_LIKE(t, '(?=a)')", 15, "look-arounds"),
    ("REGEXP_LIKE(t, 'é')", 15, "ASCII"),
    (f"REGEXP_LIKE(t, '{'a' * 257}')", 15, "256"),
    ("a = 99999999999999999999", 4, "compared exactly"),
    ("a = 1 AND a = :x", None, "cannot be used"),
    ("(" * 13 + "a = 1" + ")" * 13, None, "12 deep"),
    ("(" * 1500 + "a = 1" + ")" * 1500, None, "12 deep"),
    ("NOT " * 900 + "f", None, "12 deep"),
    (" AND ".join(["a = 1"] * 120), 0, "200 parts"),
    (f"a IN ({', '.join(map(str, range(1001)))})", None, ""),
    ("a" * 4001, 4000, "4,000 characters"),
]


@pytest.mark.parametrize(("text", "position", "reason"), REFUSED, ids=[text[:24] for text, _, _ in REFUSED])
def test_it_refuses_with_the_place_and_the_reason(text: str, position: int | None, reason: str) -> None:
    started = time.process_time()
    with pytest.raises(BadRule) as caught:
        check(text, NAMES)

    assert reason in caught.value.reason
    assert position is None or caught.value.position == position
    assert time.process_time() - started < 1  # a bomb is refused, not carried out


MEANS = [
    ("a > 5", {"a": None}, None),
    ("a > 5 OR f = TRUE", {"a": None, "f": True}, True),
    ("a > 5 AND f = TRUE", {"a": None, "f": False}, False),
    ("NOT a > 5", {"a": None}, None),
    ("a IS NULL", {"a": None}, True),
    ("a / b > 1", {"a": 5, "b": 0}, None),
    ("a / 0 > 1", {"a": 5}, None),
    ("a / b > 2", {"a": 5, "b": 2}, True),
    ("a IN (1, 2)", {"a": 2}, True),
    ("t NOT IN ('x', 'y')", {"t": None}, None),
    ("t NOT IN ('x', 'y')", {"t": "z"}, True),
    ("t LIKE 'ab%_'", {"t": "abc"}, True),
    ("t LIKE 'a.c'", {"t": "abc"}, False),
    ("REGEXP_LIKE(t, '^[a-c]{2,3}$')", {"t": "abc"}, True),
    ("STARTS_WITH(LOWER(t), 'ab')", {"t": "ABC"}, True),
    ("LENGTH(t) = 3", {"t": "éàü"}, True),
    ("LENGTH(t) = 256", {"t": "x" * 999}, True),
    ("COALESCE(a, 7) = 7", {"a": None}, True),
    ("LEAST(a, b) = 2 AND GREATEST(a, b) = 3", {"a": 2, "b": 3}, True),
    ("CASE WHEN a > 1 THEN share > 0.5 ELSE FALSE END", {"a": 2, "share": 0.6}, True),
    ("ARRAY_CONTAINS(l, 'x')", {"l": ["x", "y"]}, True),
    ("IN_LIST(t, 'hosts')", {"t": "mailbin.example"}, True),
    ("NOT IN_LIST(t, 'hosts')", {"t": None}, None),
    ("IN_LIST(t, 'nowhere')", {"t": "x"}, None),
    ("-a BETWEEN -3 AND -1", {"a": 2}, True),
    ("a * b > 0", {"a": 2**52, "b": 2**52}, True),
]


@pytest.mark.parametrize(("text", "values", "meaning"), MEANS)
def test_it_fires_only_on_true_and_missing_is_never_zero(
    text: str, values: dict[str, Any], meaning: bool | None
) -> None:
    condition = check(text, NAMES)
    frame = frame_of(
        [{name: values.get(name) for name in condition.columns}], {name: NAMES[name] for name in condition.columns}
    )

    assert frame.select(x=to_polars(condition, {"hosts": ["mailbin.example"]})).item() is meaning


def test_a_batch_and_one_by_one_agree() -> None:
    texts = ["a > 5", "t = 'x' OR a < 3", "absent IS NULL"]
    rows = [{"a": a, "t": t} for a in (1, 4, 6, None) for t in ("x", "y", None)]

    assert [hold(texts, row) for row in rows] == [[holds(text, row) for text in texts] for row in rows]


def test_names_that_are_not_among_the_values_are_missing() -> None:
    assert holds("kind = 'authority_order' AND confidential_until IS NULL", {"kind": "authority_order"}) is True
    assert holds("until_days > 7", {}) is None


def test_the_digest_is_that_of_the_meaning_not_of_the_spelling() -> None:
    one, same, other = (
        check(text, NAMES).digest for text in ("a>5   and b = 1 -- why", "A > 5 AND b = 1".replace("A", "a"), "a > 6")
    )

    assert one == same != other


def test_a_division_is_rewritten_once_and_stays() -> None:
    first = check("a / (b + 1) > 5", NAMES)

    assert first.canonical == "a / NULLIF(b + 1, 0) > 5"
    assert check(first.canonical, NAMES).canonical == first.canonical


def refusal(text: str) -> BadRule | None:
    try:
        check(text, NAMES)
    except BadRule as bad:
        return bad
    return None


@given(st.text(max_size=200))
@settings(max_examples=300, deadline=None)
def test_any_text_is_either_a_condition_or_refused_in_a_sentence(text: str) -> None:
    assert refusal(text) is None or (refusal(text).reason and 0 <= refusal(text).position <= len(text))


LEAVES = st.sampled_from(
    ["a > 3", "b <= 2", "share < 0.5", "t = 'x'", "f = TRUE", "a / b > 1", "t IN ('x', 'y')", "a IS NULL", "f IS NULL"]
)
TREES = st.recursive(
    LEAVES,
    lambda inner: (
        st.builds("({} AND {})".format, inner, inner)
        | st.builds("({} OR {})".format, inner, inner)
        | st.builds("(NOT {})".format, inner)
    ),
    max_leaves=6,
)
ROWS = st.fixed_dictionaries(
    {
        "a": st.none() | st.integers(-5, 9),
        "b": st.none() | st.integers(0, 4),
        "share": st.none() | st.sampled_from([0.0, 0.25, 0.5, 1.0]),
        "t": st.none() | st.sampled_from(["x", "y", "z", ""]),
        "f": st.none() | st.booleans(),
    }
)


COLUMN = {"int": "float8", "decimal": "float8", "bool": "boolean"}


def in_postgresql(
    conditions: list[Any], rows: list[dict[str, Any]], types: dict[str, str], lists: dict[str, list[str]]
) -> list[tuple]:
    """The same conditions, asked of another engine."""

    def without_lists(node: exp.Expression) -> exp.Expression:
        if not isinstance(node, exp.Anonymous):
            return node
        return exp.In(
            this=node.expressions[0],
            expressions=[exp.Literal.string(entry) for entry in lists[node.expressions[1].name]],
        )

    written = ", ".join(f"({one.tree.transform(without_lists).sql()})" for one in conditions)
    columns = ", ".join(f"{name} {COLUMN.get(kind, 'text')}" for name, kind in types.items())
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {written} FROM jsonb_to_recordset(%s::jsonb) AS x ({columns})".replace("%", "%%").replace(
                "%%s::jsonb", "%s::jsonb"
            ),
            [json.dumps(rows)],
        )
        return cursor.fetchall()


@given(st.lists(TREES, min_size=1, max_size=4), st.lists(ROWS, min_size=1, max_size=6))
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_it_answers_as_postgresql_does(db: None, texts: list[str], rows: list[dict[str, Any]]) -> None:
    types = {name: NAMES[name] for name in ("a", "b", "share", "t", "f")}
    conditions = [check(text, NAMES) for text in texts]

    ours = frame_of(rows, types).select(**{str(at): to_polars(one, {}) for at, one in enumerate(conditions)}).rows()

    assert ours == in_postgresql(conditions, rows, types, {})


def test_every_shipped_rule_answers_as_postgresql_does(db: None) -> None:
    conditions = [check(rule["when"], TYPES) for told in shipped.shipped_strategies() for rule in told["rules"]]
    lists = {
        "disposable_email_domains": ["mailbin.example"],
        "phishing_domains": ["p.example"],
        "approved_research_clients": ["uni"],
    }
    rng = random.Random(11)
    ranges = {
        "int": lambda: rng.choice(
            [None, 0, 1, 2, 3, 5, 11, 13, 20, 21, 30, 49, 50, 51, 100, 101, 500, 501, 1000, 5000, 50_000]
        ),
        "decimal": lambda: rng.choice(
            [None, 0.0, 0.01, 0.05, 0.2, 0.31, 0.41, 0.5, 0.61, 0.71, 0.8, 1.4, 2.1, 3.1, 9.0]
        ),
        "bool": lambda: rng.choice([None, True, False]),
        "text": lambda: rng.choice(
            [None, "campus", "mobile", "datacentre", "residential", "mailbin.example", "p.example", "uni"]
        ),
    }
    rows = [{name: ranges[kind]() for name, kind in TYPES.items()} for _ in range(400)]

    ours = frame_of(rows, TYPES).select(**{str(at): to_polars(one, lists) for at, one in enumerate(conditions)}).rows()
    theirs = in_postgresql(conditions, rows, TYPES, lists)

    assert ours == theirs
    answers = [{row[at] for row in ours} for at in range(len(conditions))]
    assert all({True, None} <= found for found in answers)  # each rule was seen to fire, and to be left open
