"""How does a figure look? Charts as SVG made on the server: classes only, sized in percent, with a table twin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from django import template

from portal import wording

register = template.Library()

HEIGHT, LEFT, BOTTOM, TOP = 210.0, 7.0, 26.0, 8.0  # pixels, but LEFT in percent of the width
STEPS = (1, 2, 3, 4, 5, 6, 8, 10)


def _nice_top(value: float) -> float:
    """The least round figure, in three steps of which one has no more digits than needed, that holds the value."""
    if value <= 0:
        return 1.0
    size = 1.0
    while size * 10 < value:
        size *= 10
    while size > value:
        size /= 10
    return next(step * size for step in STEPS if step * size >= value)


def _parts(top: float) -> int:
    """Into how many steps an axis is cut, so that each is a round figure, and a whole one where the top is small."""
    first = int(f"{top:.1e}"[0])
    return {1: 5 if top >= 10 else 1, 2: 4 if top >= 20 else 2, 3: 3, 4: 4, 5: 5, 6: 3, 8: 4}[first]


def _axis(top: float) -> list[dict[str, Any]]:
    parts = _parts(top)
    plot = HEIGHT - BOTTOM - TOP
    ticks = []
    for index in range(parts + 1):
        value = top * index / parts
        places = 0 if value == int(value) else 1
        ticks.append({"y": round(TOP + plot - plot * index / parts, 1), "text": wording.number(value, places=places)})
    return ticks


def _labels(labels: Sequence[str], width: float) -> list[dict[str, Any]]:
    """Where each label of the x axis stands; when there are many, only every n-th is drawn."""
    every = max(1, -(-len(labels) // 12))
    return [
        {"x": round(LEFT + width * (index + 0.5), 3), "text": text, "minor": index % (every * 2) != 0}
        for index, text in enumerate(labels)
        if index % every == 0
    ]


def _frame(chart: Mapping[str, Any], top: float) -> dict[str, Any]:
    labels = [str(label) for label in chart["labels"]]
    width = (100 - LEFT) / max(1, len(labels))
    series = [{"tone": "accent", **one} for one in chart["series"]]
    return {
        "title": chart["title"],
        "note": chart.get("note", ""),
        "unit": chart.get("unit", ""),
        "height": HEIGHT,
        "left": LEFT,
        "base": HEIGHT - BOTTOM,
        "label_y": HEIGHT - 8,
        "ticks": _axis(top),
        "labels": _labels(labels, width),
        "series": series,
        "rows": [
            {"label": label, "values": [_said(one["values"][index], chart) for one in series]}
            for index, label in enumerate(labels)
        ],
        "says": _summary(chart, labels, series),
        "csv": chart.get("csv", ""),
        "empty": not labels or not any(value for one in series for value in one["values"]),
    }


def _said(value: float | None, chart: Mapping[str, Any]) -> str:
    places = int(chart.get("places", 0))
    return wording.number(value, places=places)


def _summary(chart: Mapping[str, Any], labels: Sequence[str], series: Sequence[Mapping[str, Any]]) -> str:
    """One sentence for those who do not see the picture: the largest value of each series."""
    parts = []
    for one in series:
        known = [(value, index) for index, value in enumerate(one["values"]) if value is not None]
        if known:
            value, index = max(known)
            parts.append(f"{one['name']}: most at {labels[index]} ({_said(value, chart)})")
    return "; ".join(parts)


def _height(value: float | None, top: float) -> float:
    return round((HEIGHT - BOTTOM - TOP) * max(0.0, float(value or 0)) / top, 2)


@register.inclusion_tag("parts/charts/chart.html")
def bars(chart: Mapping[str, Any]) -> dict[str, Any]:
    """Bars side by side, one group per label."""
    top = _nice_top(max((float(value or 0) for one in chart["series"] for value in one["values"]), default=0))
    frame = _frame(chart, top)
    slot = (100 - LEFT) / max(1, len(chart["labels"]))
    wide = min(slot * 0.72 / max(1, len(frame["series"])), 2.2)
    rects = []
    for number, one in enumerate(frame["series"]):
        for index, value in enumerate(one["values"]):
            tall = _height(value, top)
            x = LEFT + slot * (index + 0.5) + wide * (number - len(frame["series"]) / 2)
            title = f"{one['name']}, {chart['labels'][index]}: {_said(value, chart)}"
            rects.append(
                {
                    "x": round(x, 3),
                    "y": HEIGHT - BOTTOM - tall,
                    "w": round(wide * 0.9, 3),
                    "h": tall,
                    "tone": one["tone"],
                    "title": title,
                }
            )
    return frame | {"rects": rects}


@register.inclusion_tag("parts/charts/chart.html")
def stacked(chart: Mapping[str, Any]) -> dict[str, Any]:
    """Bars on top of one another: the whole and its parts, per label."""
    sums = [sum(float(one["values"][index] or 0) for one in chart["series"]) for index in range(len(chart["labels"]))]
    top = _nice_top(max(sums, default=0))
    frame = _frame(chart, top)
    slot = (100 - LEFT) / max(1, len(chart["labels"]))
    wide = min(slot * 0.7, 4.5)
    rects = []
    for index, label in enumerate(chart["labels"]):
        floor = HEIGHT - BOTTOM
        for one in frame["series"]:
            tall = _height(one["values"][index], top)
            floor -= tall
            title = f"{one['name']}, {label}: {_said(one['values'][index], chart)}"
            x = LEFT + slot * (index + 0.5) - wide / 2
            rects.append(
                {
                    "x": round(x, 3),
                    "y": round(floor, 2),
                    "w": round(wide, 3),
                    "h": tall,
                    "tone": one["tone"],
                    "title": title,
                }
            )
    return frame | {"rects": rects}


@register.inclusion_tag("parts/charts/chart.html")
def line(chart: Mapping[str, Any]) -> dict[str, Any]:
    """A line per series; a missing value is a gap, never a zero."""
    top = _nice_top(max((float(value or 0) for one in chart["series"] for value in one["values"]), default=0))
    frame = _frame(chart, top)
    slot = (100 - LEFT) / max(1, len(chart["labels"]))
    lines, dots = [], []
    for one in frame["series"]:
        points = [
            None if value is None else (round(LEFT + slot * (index + 0.5), 3), HEIGHT - BOTTOM - _height(value, top))
            for index, value in enumerate(one["values"])
        ]
        for start, end in pairwise(points):
            if start and end:
                lines.append({"x1": start[0], "y1": start[1], "x2": end[0], "y2": end[1], "tone": one["tone"]})
        for index, point in enumerate(points):
            if point:
                title = f"{one['name']}, {chart['labels'][index]}: {_said(one['values'][index], chart)}"
                dots.append({"x": point[0], "y": point[1], "tone": one["tone"], "title": title})
    return frame | {"lines": lines, "dots": dots}


@register.inclusion_tag("parts/charts/hbars.html")
def hbars(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """One bar per row from a common zero: [{"label", "value", "said"?, "tone"?, "url"?}]."""
    top = max((float(row["value"] or 0) for row in rows), default=0) or 1
    return {
        "rows": [
            {
                "tone": "accent",
                "url": "",
                "said": wording.number(row["value"]),
                **row,
                "w": round(100 * float(row["value"] or 0) / top, 2),
            }
            for row in rows
        ]
    }


@register.inclusion_tag("parts/charts/sparkline.html")
def sparkline(values: Sequence[float], says: str = "") -> dict[str, Any]:
    """A small line without axes; the newest value carries a dot. `says` names it for those who do not see it."""
    top, low = max(values, default=0), min(values, default=0)
    spread = (top - low) or 1
    step = 80 / max(1, len(values) - 1)
    points = [
        (round(2 + step * index, 1), round(22 - 18 * (value - low) / spread, 1)) for index, value in enumerate(values)
    ]
    return {
        "lines": [{"x1": a[0], "y1": a[1], "x2": b[0], "y2": b[1]} for a, b in pairwise(points)],
        "last": points[-1] if points else None,
        "says": says or ", ".join(wording.number(value) for value in values),
    }


@register.inclusion_tag("parts/charts/heat.html")
def heat(table: Mapping[str, Any]) -> dict[str, Any]:
    """A table shaded in five steps: {"title", "columns", "rows": [{"label", "values"}]}; it is its own twin."""
    top = max((value or 0 for row in table["rows"] for value in row["values"]), default=0) or 1
    rows = [
        {
            "label": row["label"],
            "cells": [{"said": wording.number(value), "step": _step(value, top)} for value in row["values"]],
        }
        for row in table["rows"]
    ]
    return {"title": table["title"], "corner": table.get("corner", ""), "columns": table["columns"], "rows": rows}


def _step(value: float | None, top: float) -> int:
    return 0 if not value else min(4, 1 + int(3.999 * value / top))


@register.inclusion_tag("parts/charts/interval.html")
def interval(low: float | None, point: float | None, high: float | None, n: int | None = None) -> dict[str, Any]:
    """A share between 0 and 1 with its interval, as a mark on a track and in words."""
    if point is None or low is None or high is None:
        return {"none": True, "n": n}
    said = f"{100 * point:.0f} % ({100 * low:.0f}–{100 * high:.0f} %" + (
        f", n {wording.number(n)})" if n is not None else ")"
    )
    return {
        "none": False,
        "said": f"{100 * point:.0f} %",
        "title": said,
        "x": round(100 * low, 1),
        "w": round(max(1.0, 100 * (high - low)), 1),
        "mark": round(min(97.0, max(0.0, 100 * point - 1.5)), 1),
        "n": n,
    }


@register.inclusion_tag("parts/charts/bar.html")
def bar(value: float, of: float = 100, tone: str = "accent") -> dict[str, Any]:
    """One bar on a track: {% bar score.shown 100 score.band %}."""
    return {"w": round(max(0.0, min(100.0, 100 * float(value or 0) / (float(of) or 1))), 2), "tone": tone}
