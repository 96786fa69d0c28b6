"""What does a checked condition say about these accounts? One engine, Polars, for one account and for a million."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import polars as pl
from sqlglot import exp

from .grammar import ANY, BOOL, LIST, NUMBER, TEXT, BadRule, Condition, checked

MAX_TEXT = 256  # a text feature is cut to this before it is compared
DTYPES: dict[str, Any] = {
    "int": pl.Int64,
    "decimal": pl.Float64,
    "bool": pl.Boolean,
    "text": pl.String,
    "list": pl.List(pl.String),
}
Lists = Mapping[str, Collection[str]]


def holds(text: str, values: Mapping[str, Any], lists: Lists | None = None) -> bool | None:
    """Whether a condition holds for these values: True, False, or None when a missing value leaves it open.

    Names that are not among the values are missing, not an error. Raises `BadRule` for a text that is no condition.
    """
    return hold([text], values, lists)[0]


def hold(texts: Sequence[str], values: Mapping[str, Any], lists: Lists | None = None) -> list[bool | None]:
    """`holds` for several conditions at once, in order: one pass for a whole routing table."""
    if not texts:
        return []
    kinds = {name: _type_of(value) for name, value in values.items()}
    for text in texts:
        for name in _NAME.findall(text):
            kinds.setdefault(name, "any")
    names = tuple(sorted(kinds.items()))
    conditions = [checked(text, names) for text in texts]
    used = {name for condition in conditions for name in condition.columns}
    row = {name: _plain(values.get(name)) for name in used}
    frame = frame_of([row], {name: kinds[name] for name in used})
    return list(frame.select(**{str(at): to_polars(one, lists or {}) for at, one in enumerate(conditions)}).row(0))


def frame_of(rows: Sequence[Mapping[str, Any]], types: Mapping[str, str]) -> pl.DataFrame:
    """A batch of accounts as columns.

    One row each with all the names, texts cut to 256 characters, what is missing null.
    """
    columns = [
        pl.Series(name, [row[name] for row in rows], dtype=DTYPES.get(kind), strict=False)
        for name, kind in types.items()
    ]
    cut = [pl.col(name).str.slice(0, MAX_TEXT) for name, kind in types.items() if kind == "text"]
    return pl.DataFrame(columns).with_columns(cut) if columns else pl.DataFrame({"_": [None] * len(rows)})


def to_polars(condition: Condition, lists: Lists) -> pl.Expr:
    """The condition as a Polars expression over columns of those names; a list that is not there leaves it open."""
    return _Writer(dict(condition.kinds), lists).write(condition.tree).cast(pl.Boolean)


_NAME = re.compile(r"\b[a-z_][a-z0-9_]*\b")


def _type_of(value: Any) -> str:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int):
        return "int"
    if value is None:
        return "any"
    if isinstance(value, list | tuple | set | frozenset):
        return "list"
    return "text" if isinstance(_plain(value), str) else "decimal"


def _plain(value: Any) -> Any:
    """Times as ISO text, decimals as numbers; texts, numbers and bools as they are."""
    if hasattr(value, "isoformat"):
        return value.isoformat()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return [str(item) for item in value] if isinstance(value, list | tuple | set | frozenset) else float(value)


class _Writer:
    """Writes one tree as a Polars expression; `ANY` columns are cast to what their neighbours are."""

    def __init__(self, kinds: Mapping[str, str], lists: Lists) -> None:
        self.kinds = kinds
        self.lists = lists

    def write(self, node: exp.Expression, wanted: str = ANY) -> pl.Expr:
        for types, writer in _WRITERS:
            if isinstance(node, types):
                return writer(self, node, wanted)
        raise BadRule(0, f"{node.key} cannot be run")  # pragma: no cover - check() refuses it first

    def kind(self, node: exp.Expression | None) -> str:
        """The kind of a node that check() has passed."""
        node = _bare(node)
        if isinstance(node, exp.Column):
            return self.kinds[node.name]
        if isinstance(node, exp.Literal):
            return TEXT if node.is_string else NUMBER
        if isinstance(node, exp.Add | exp.Sub | exp.Mul | exp.Div | exp.Neg | exp.Abs | exp.Length):
            return NUMBER
        if isinstance(node, exp.Lower):
            return TEXT
        if isinstance(node, exp.Case):
            branches = [branch.args["true"] for branch in node.args["ifs"]]
            return self.common([*branches, node.args.get("default")])
        if isinstance(node, exp.Coalesce | exp.Least | exp.Greatest | exp.Nullif):
            return self.common([node.this, node.args.get("expression"), *node.expressions])
        return ANY if node is None or isinstance(node, exp.Null) else BOOL

    def common(self, nodes: Sequence[exp.Expression | None]) -> str:
        """The first known kind among nodes that agree."""
        return next((kind for kind in map(self.kind, nodes) if kind != ANY), ANY)

    def column(self, node: exp.Expression, wanted: str) -> pl.Expr:
        column = pl.col(node.name)
        if self.kinds[node.name] == ANY:
            return column.cast(_CASTS.get(wanted, pl.String))
        return column

    def literal(self, node: exp.Expression, wanted: str) -> pl.Expr:
        if node.is_string:
            return pl.lit(node.name, dtype=pl.String)
        return pl.lit(int(node.name)) if node.name.isdigit() else pl.lit(float(node.name))

    def null(self, node: exp.Expression, wanted: str) -> pl.Expr:
        return pl.lit(None, dtype=_CASTS.get(wanted, pl.Boolean))

    def logic(self, node: exp.Expression, wanted: str) -> pl.Expr:
        left, right = self.write(node.this, BOOL), self.write(node.expression, BOOL)
        return left & right if isinstance(node, exp.And) else left | right

    def compare(self, node: exp.Expression, wanted: str) -> pl.Expr:
        kind = self.common([node.this, node.args.get("expression"), node.args.get("low"), node.args.get("high")])
        left = self.write(node.this, kind)
        if isinstance(node, exp.Between):
            return (left >= self.write(node.args["low"], kind)) & (left <= self.write(node.args["high"], kind))
        right = self.write(node.expression, kind)
        return _COMPARE[type(node)](left, right)

    def arithmetic(self, node: exp.Expression, wanted: str) -> pl.Expr:
        left, right = self.write(node.this, NUMBER), self.write(node.expression, NUMBER)
        if not isinstance(node, exp.Div):  # as floats, so that a product of large counts cannot wrap around
            left, right = left.cast(pl.Float64), right.cast(pl.Float64)
        return _ARITHMETIC[type(node)](left, right)

    def member(self, node: exp.Expression, wanted: str) -> pl.Expr:
        kind = self.common([node.this, *node.expressions])
        values = [_value(part) for part in node.expressions]
        dtype = pl.String if kind == TEXT else pl.Float64
        return self.write(node.this, kind).cast(dtype).is_in(pl.Series(values, dtype=dtype).implode())

    def named_list(self, node: exp.Expression, wanted: str) -> pl.Expr:
        entries = self.lists.get(node.expressions[1].name)
        if entries is None:
            return pl.lit(None, dtype=pl.Boolean)
        found = entries if isinstance(entries, pl.Series) else pl.Series(sorted(entries), dtype=pl.String)
        return self.write(node.expressions[0], TEXT).is_in(found.implode())

    def is_what(self, node: exp.Expression, wanted: str) -> pl.Expr:
        if isinstance(node.expression, exp.Null):
            return self.write(node.this, self.kind(node.this)).is_null()
        return self.write(node.this, BOOL).eq_missing(pl.lit(bool(node.expression.this)))

    def case(self, node: exp.Expression, wanted: str) -> pl.Expr:
        kind = self.kind(node) if self.kind(node) != ANY else wanted
        chain: Any = pl
        for branch in node.args["ifs"]:
            chain = chain.when(self.write(branch.this, BOOL)).then(self.write(branch.args["true"], kind))
        default = node.args.get("default")
        return chain.otherwise(self.write(default, kind) if default is not None else None)  # type: ignore[no-any-return]

    def first_of(self, node: exp.Expression, wanted: str) -> pl.Expr:
        kind = self.kind(node) if self.kind(node) != ANY else wanted
        if isinstance(node, exp.Nullif):
            value = self.write(node.this, kind)
            same = value == self.write(node.expression, kind)
            return pl.when(same.fill_null(value=False)).then(None).otherwise(value)
        parts = [self.write(part, kind) for part in (node.this, *node.expressions)]
        if isinstance(node, exp.Coalesce):
            return pl.coalesce(parts)
        return pl.min_horizontal(parts) if isinstance(node, exp.Least) else pl.max_horizontal(parts)

    def text(self, node: exp.Expression, wanted: str) -> pl.Expr:
        value = self.write(node.this, TEXT)
        if isinstance(node, exp.Lower):
            return value.str.to_lowercase()
        if isinstance(node, exp.Length):
            return value.str.len_chars().cast(pl.Int64)
        pattern = node.expression.name
        if isinstance(node, exp.StartsWith):
            return value.str.starts_with(pattern)
        return value.str.contains(_like(pattern) if isinstance(node, exp.Like) else pattern, strict=True)

    def contains(self, node: exp.Expression, wanted: str) -> pl.Expr:
        return self.write(node.this, LIST).list.contains(self.write(node.expression, TEXT))


def _bare(node: Any) -> Any:
    """A node without the brackets around it."""
    return node.unnest() if node is not None else None


def _value(node: exp.Expression) -> Any:
    if isinstance(node, exp.Neg):
        return -_value(node.this)
    return node.name if node.is_string else float(node.name)


def _like(pattern: str) -> str:
    """LIKE as a pattern of Rust's linear engine: % any run, _ one character, backslash takes the next one as it is."""
    out, at = [], 0
    while at < len(pattern):
        char = pattern[at]
        if char == "\\" and at + 1 < len(pattern):
            at += 1
            out.append(re.escape(pattern[at]))
        else:
            out.append({"%": ".*", "_": "."}.get(char) or re.escape(char))
        at += 1
    return "(?s)^" + "".join(out) + "$"


_CASTS: dict[str, Any] = {NUMBER: pl.Float64, TEXT: pl.String, BOOL: pl.Boolean, LIST: pl.List(pl.String)}
_COMPARE: dict[type, Callable[[pl.Expr, pl.Expr], pl.Expr]] = {
    exp.EQ: lambda a, b: a == b,
    exp.NEQ: lambda a, b: a != b,
    exp.GT: lambda a, b: a > b,
    exp.GTE: lambda a, b: a >= b,
    exp.LT: lambda a, b: a < b,
    exp.LTE: lambda a, b: a <= b,
}
_ARITHMETIC: dict[type, Callable[[pl.Expr, pl.Expr], pl.Expr]] = {
    exp.Add: lambda a, b: a + b,
    exp.Sub: lambda a, b: a - b,
    exp.Mul: lambda a, b: a * b,
    exp.Div: lambda a, b: a / b,
}
_WRITERS: tuple[tuple[tuple[type[exp.Expression], ...], Callable[[_Writer, exp.Expression, str], pl.Expr]], ...] = (
    ((exp.Column,), _Writer.column),
    ((exp.Literal,), _Writer.literal),
    ((exp.Boolean,), lambda writer, node, wanted: pl.lit(bool(node.this))),
    ((exp.Null,), _Writer.null),
    ((exp.And, exp.Or), _Writer.logic),
    ((exp.Not,), lambda writer, node, wanted: ~writer.write(node.this, BOOL)),
    ((exp.Paren,), lambda writer, node, wanted: writer.write(node.this, wanted)),
    ((exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.Between), _Writer.compare),
    ((exp.Add, exp.Sub, exp.Mul, exp.Div), _Writer.arithmetic),
    ((exp.Neg,), lambda writer, node, wanted: -writer.write(node.this, NUMBER)),
    ((exp.Abs,), lambda writer, node, wanted: writer.write(node.this, NUMBER).abs()),
    ((exp.In,), _Writer.member),
    ((exp.Anonymous,), _Writer.named_list),
    ((exp.Is,), _Writer.is_what),
    ((exp.Case,), _Writer.case),
    ((exp.Coalesce, exp.Least, exp.Greatest, exp.Nullif), _Writer.first_of),
    ((exp.Lower, exp.Length, exp.StartsWith, exp.RegexpLike, exp.Like), _Writer.text),
    ((exp.ArrayContains,), _Writer.contains),
)
