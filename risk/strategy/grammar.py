"""Is this text a sound condition?

SQL over named features through a whitelist of nodes, with types, limits and positions.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from . import patterns

MAX_CHARACTERS, MAX_NODES, MAX_DEPTH, MAX_LITERALS, MAX_PATTERN = 4000, 200, 12, 1000, 256
MAX_INT = 2**53 - 1
NUMBER, TEXT, BOOL, LIST, ANY = "number", "text", "bool", "list", "any"
KIND_OF_TYPE = {"int": NUMBER, "decimal": NUMBER, "bool": BOOL, "text": TEXT, "list": LIST, "any": ANY}
ALLOWED = (
    exp.And,
    exp.Or,
    exp.Not,
    exp.Paren,
    exp.EQ,
    exp.NEQ,
    exp.GT,
    exp.GTE,
    exp.LT,
    exp.LTE,
    exp.Add,
    exp.Sub,
    exp.Mul,
    exp.Div,
    exp.Neg,
    exp.In,
    exp.Between,
    exp.Like,
    exp.Is,
    exp.Null,
    exp.Boolean,
    exp.Literal,
    exp.Column,
    exp.Identifier,
    exp.Case,
    exp.If,
    exp.Coalesce,
    exp.Nullif,
    exp.Abs,
    exp.Least,
    exp.Greatest,
    exp.Lower,
    exp.Length,
    exp.StartsWith,
    exp.RegexpLike,
    exp.ArrayContains,
    exp.Anonymous,
)
CHAINS = (exp.And, exp.Or, exp.Add, exp.Mul)  # a AND b AND c is one step deep, however long


class BadRule(ValueError):
    """A condition that may not be saved: where (a character, from 0) and why."""

    def __init__(self, position: int, reason: str) -> None:
        super().__init__(f"At character {position + 1}: {reason}")
        self.position = position
        self.reason = reason


@dataclass(frozen=True)
class Condition:
    """A checked condition. `canonical` is its one spelling, `digest` the SHA-256 of that.

    The identity of the rule's body.
    """

    text: str
    canonical: str
    digest: str
    columns: tuple[str, ...]
    lists: tuple[str, ...]
    kinds: tuple[tuple[str, str], ...]  # column → number, text, bool, list, any
    tree: exp.Expression


def check(text: str, names: Mapping[str, str]) -> Condition:
    """The condition in this text over the given names (name → int, decimal, bool, text, list or any).

    Raises `BadRule` with position and reason: unknown names or functions, other SQL, types that do not fit, or one
    of the
    limits (4,000 characters, 200 nodes, 12 deep, 1,000 literals; patterns of 256 characters that run in linear time).
    """
    tree = _parsed(text)
    _limits(tree)
    kinds = {name: KIND_OF_TYPE[kind] for name, kind in names.items()}
    if _kind(tree, kinds) not in (BOOL, ANY):
        raise BadRule(_at(tree), "this is a value, not a condition; compare it with something")
    tree = tree.transform(_safe_division)
    canonical = tree.sql(comments=False)
    columns = tuple(sorted({column.name for column in tree.find_all(exp.Column)}))
    lists = tuple(sorted({call.expressions[1].name for call in tree.find_all(exp.Anonymous)}))
    return Condition(
        text=text,
        canonical=canonical,
        digest=hashlib.sha256(canonical.encode()).hexdigest(),
        columns=columns,
        lists=lists,
        kinds=tuple((name, kinds[name]) for name in columns),
        tree=tree,
    )


@lru_cache(maxsize=4096)
def checked(text: str, names: tuple[tuple[str, str], ...]) -> Condition:
    """`check`, remembered: the same text over the same names is parsed once in a process."""
    return check(text, dict(names))


# --- Parsing and limits
# -------------------------------------------------------------------------------------------------


def _parsed(text: str) -> exp.Expression:
    if len(text) > MAX_CHARACTERS:
        raise BadRule(
            MAX_CHARACTERS, f"a condition has at most {MAX_CHARACTERS:,} characters; this one has {len(text):,}"
        )
    if not text.strip():
        raise BadRule(0, "the condition is empty")
    if "\x00" in text:
        raise BadRule(text.index("\x00"), "a NUL character cannot stand in a condition")
    try:
        tree: Any = sqlglot.parse_one(text, into=exp.Condition)
    except SqlglotError as error:
        raise BadRule(_place_of(error, text), _sentence_of(error)) from None
    except RecursionError:
        raise BadRule(0, f"the condition is nested more than {MAX_DEPTH} deep") from None
    for node in tree.walk():
        node.comments = None
        if not isinstance(node, ALLOWED):
            raise BadRule(_at(node), f"{_word_for(node)} cannot be used in a rule")
        if isinstance(node, exp.Column) and (node.table or node.args.get("join_mark")):
            raise BadRule(_at(node), f"write the feature's name alone, without “{node.table}.”")
    return tree  # type: ignore[no-any-return]


def _limits(tree: exp.Expression) -> None:
    nodes = literals = 0
    stack = [(tree, 1)]
    while stack:
        node, depth = stack.pop()
        if depth > MAX_DEPTH:
            raise BadRule(_at(node), f"the condition is nested more than {MAX_DEPTH} deep")
        nodes += not isinstance(node, exp.Literal | exp.Identifier)
        literals += isinstance(node, exp.Literal)
        for child in node.iter_expressions():
            chained = isinstance(node, CHAINS) and type(child) is type(node)
            leaf = isinstance(child, exp.Identifier)
            stack.append((child, depth if chained or leaf else depth + 1))
    if nodes > MAX_NODES:
        raise BadRule(0, f"a condition has at most {MAX_NODES} parts; this one has {nodes}")
    if literals > MAX_LITERALS:
        raise BadRule(0, f"a condition has at most {MAX_LITERALS:,} values; this one has {literals:,}")


def _place_of(error: SqlglotError, text: str) -> int:
    found: dict[str, Any] = (getattr(error, "errors", None) or [{}])[0]
    if found.get("line") is None:
        return 0
    lines = text.split("\n")[: found["line"]]
    start = sum(len(line) + 1 for line in lines[:-1])
    return int(max(0, min(len(text), start + found.get("col", 1) - len(found.get("highlight") or ""))))


def _sentence_of(error: SqlglotError) -> str:
    found = (getattr(error, "errors", None) or [{}])[0]
    highlight = found.get("highlight")
    return f"this is not a condition from “{highlight}” on" if highlight else "this cannot be read as a condition"


def _at(node: exp.Expression) -> int:
    """Where a node stands in the text: its own mark, or the first one below it."""
    starts = [int(below.meta["start"]) for below in node.walk() if "start" in below.meta]
    return min(starts) if starts else 0


def _word_for(node: exp.Expression) -> str:
    if isinstance(node, exp.Query | exp.Subquery):
        return "a sub-query"
    if isinstance(node, exp.Func):
        return f"the function {node.sql_name()}"
    return node.sql(comments=False)[:40] if not isinstance(node, exp.Block) else "more than one statement"


# --- Types -------------------------------------------------------------------------------------------------------


def _kind(node: exp.Expression, names: Mapping[str, str]) -> str:
    """The kind of a node, all kinds below it checked."""
    for types, rule in _RULES:
        if isinstance(node, types):
            return rule(node, names)
    raise BadRule(_at(node), f"{_word_for(node)} cannot be used here")


def _column(node: exp.Expression, names: Mapping[str, str]) -> str:
    if node.name not in names:
        raise BadRule(_at(node), f"there is no feature called “{node.name}”")
    return names[node.name]


def _literal(node: exp.Expression, names: Mapping[str, str]) -> str:
    if node.is_string:
        return TEXT
    if not re.fullmatch(r"\d+(\.\d+)?([eE][+-]?\d{1,2})?", node.name) or float(node.name) > MAX_INT:
        raise BadRule(_at(node), f"“{node.name[:40]}” is not a number that can be compared exactly")
    return NUMBER


def _logic(node: exp.Expression, names: Mapping[str, str]) -> str:
    todo = [node]
    while todo:  # a long chain is walked, not descended
        part = todo.pop()
        if isinstance(part, exp.And | exp.Or):
            todo += [part.this, part.expression]
        else:
            _expect(part, BOOL, names)
    return BOOL


def _not(node: exp.Expression, names: Mapping[str, str]) -> str:
    return _expect(node.this, BOOL, names)


def _same(node: exp.Expression, names: Mapping[str, str]) -> str:
    """A comparison: both sides of one kind; bools only with = and <>."""
    sides = [
        part for part in (node.this, node.expression, node.args.get("low"), node.args.get("high")) if part is not None
    ]
    kinds = [_kind(side, names) for side in sides]
    for side, kind in zip(sides, kinds, strict=True):
        if isinstance(side, exp.Null):
            raise BadRule(_at(node), "a comparison with NULL is never true; write IS NULL")
        if kind == LIST:
            raise BadRule(_at(side), "a list cannot be compared; use ARRAY_CONTAINS")
    _agree(node, kinds)
    if BOOL in kinds and not isinstance(node, exp.EQ | exp.NEQ):
        raise BadRule(_at(node), "yes and no have no order")
    return BOOL


def _arithmetic(node: exp.Expression, names: Mapping[str, str]) -> str:
    for part in (node.this, node.args.get("expression")):
        if part is not None:
            _expect(part, NUMBER, names)
    return NUMBER


def _in(node: exp.Expression, names: Mapping[str, str]) -> str:
    values = node.expressions
    if not values or any(node.args.get(part) for part in ("query", "unnest", "field")):
        raise BadRule(_at(node), "IN needs a list of values in brackets")
    for value in values:
        if isinstance(value, exp.Null):
            raise BadRule(_at(node), "NULL cannot stand in an IN list")
        if not isinstance(value.this if isinstance(value, exp.Neg) else value, exp.Literal):
            raise BadRule(_at(value), "only values can stand in an IN list")
    _agree(node, [_kind(node.this, names), *(_kind(value, names) for value in values)])
    return BOOL


def _is(node: exp.Expression, names: Mapping[str, str]) -> str:
    if isinstance(node.expression, exp.Boolean):
        return _expect(node.this, BOOL, names)
    if not isinstance(node.expression, exp.Null):
        raise BadRule(_at(node), "IS is followed by NULL, TRUE or FALSE")
    _kind(node.this, names)
    return BOOL


def _case(node: exp.Expression, names: Mapping[str, str]) -> str:
    if node.this is not None:
        raise BadRule(_at(node), "write CASE WHEN condition THEN …, without a value after CASE")
    results = []
    for branch in node.args["ifs"]:
        _expect(branch.this, BOOL, names)
        results.append(_kind(branch.args["true"], names))
    if node.args.get("default") is not None:
        results.append(_kind(node.args["default"], names))
    return _agree(node, results)


def _first_of(node: exp.Expression, names: Mapping[str, str]) -> str:
    """COALESCE, LEAST, GREATEST, NULLIF: all arguments of one kind, which is the result's."""
    parts = [node.this, *node.expressions]
    if isinstance(node, exp.Nullif):
        parts = [node.this, node.expression]
    return _agree(node, [_kind(part, names) for part in parts])


def _text_to(result: str) -> Callable[[exp.Expression, Mapping[str, str]], str]:
    def rule(node: exp.Expression, names: Mapping[str, str]) -> str:
        _expect(node.this, TEXT, names)
        pattern = node.args.get("expression")
        if pattern is not None:
            if not isinstance(pattern, exp.Literal) or not pattern.is_string:
                raise BadRule(_at(pattern), "a pattern is written out, in quotes")
            if len(pattern.name) > MAX_PATTERN:
                raise BadRule(_at(pattern), f"a pattern has at most {MAX_PATTERN} characters")
            if isinstance(node, exp.RegexpLike) and (wrong := patterns.trouble(pattern.name)):
                raise BadRule(_at(pattern), wrong)
        if node.args.get("flag") is not None:
            raise BadRule(_at(node), "flags cannot be used in a rule")
        return result

    return rule


def _contains(node: exp.Expression, names: Mapping[str, str]) -> str:
    _expect(node.this, LIST, names)
    _expect(node.expression, TEXT, names)
    return BOOL


def _in_list(node: exp.Expression, names: Mapping[str, str]) -> str:
    if str(node.this).upper() != "IN_LIST":
        raise BadRule(_at(node), f"there is no function called {str(node.this)[:40]} in a rule")
    if (
        len(node.expressions) != 2
        or not isinstance(node.expressions[1], exp.Literal)
        or not node.expressions[1].is_string
    ):
        raise BadRule(_at(node), "write IN_LIST(feature, 'name of the list')")
    _expect(node.expressions[0], TEXT, names)
    return BOOL


def _expect(node: exp.Expression, kind: str, names: Mapping[str, str]) -> str:
    found = _kind(node, names)
    if found not in (kind, ANY):
        raise BadRule(_at(node), f"{node.sql(comments=False)[:60]} is a {found}; a {kind} is needed here")
    return kind


def _agree(node: exp.Expression, kinds: list[str]) -> str:
    known = {kind for kind in kinds if kind != ANY}
    if len(known) > 1:
        raise BadRule(
            _at(node), f"a {' and a '.join(sorted(known))} cannot stand together in {node.sql(comments=False)[:60]}"
        )
    return known.pop() if known else ANY


_RULES: tuple[tuple[tuple[type[exp.Expression], ...], Callable[[exp.Expression, Mapping[str, str]], str]], ...] = (
    ((exp.Column,), _column),
    ((exp.Literal,), _literal),
    ((exp.Boolean,), lambda node, names: BOOL),
    ((exp.Null,), lambda node, names: ANY),
    ((exp.And, exp.Or), _logic),
    ((exp.Not,), _not),
    ((exp.Paren,), lambda node, names: _kind(node.this, names)),
    ((exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.Between), _same),
    ((exp.Add, exp.Sub, exp.Mul, exp.Div, exp.Neg, exp.Abs), _arithmetic),
    ((exp.In,), _in),
    ((exp.Is,), _is),
    ((exp.Case,), _case),
    ((exp.Coalesce, exp.Least, exp.Greatest, exp.Nullif), _first_of),
    ((exp.Lower,), _text_to(TEXT)),
    ((exp.Length,), _text_to(NUMBER)),
    ((exp.StartsWith, exp.RegexpLike, exp.Like), _text_to(BOOL)),
    ((exp.ArrayContains,), _contains),
    ((exp.Anonymous,), _in_list),
)


def _safe_division(node: exp.Expression) -> exp.Expression:
    """`x / y` becomes `x / NULLIF(y, 0)`: a division by nothing is missing, not an error and not infinite."""
    if isinstance(node, exp.Div):
        by = node.expression.unnest()
        if not isinstance(by, exp.Nullif) and not (isinstance(by, exp.Literal) and float(by.name)):
            node.set("expression", exp.Nullif(this=by, expression=exp.Literal.number(0)))
    return node
