"""Do the shipped rules find what they should on real accounts? Measured on a public set that is never shipped."""

from __future__ import annotations

import csv
import gzip
import os
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from risk.scoring import actions
from risk.scoring.models import Score
from risk.strategy import actions as strategy
from tests.make import NOON

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT.parent / "shared" / "data" / "social_accounts_bots.csv.gz"
MAP = ROOT / "tests" / "intake" / "maps" / "social_accounts.toml"


@pytest.fixture
def labels() -> dict[str, int]:
    if not DATA.exists():
        if os.environ.get("CI"):
            pytest.fail(f"{DATA} is not there")
        pytest.skip(f"the public account set does not lie at {DATA}")
    with gzip.open(DATA, "rt", encoding="utf-8", newline="") as stream:
        return {row["account_ref"]: int(row["label"]) for row in csv.DictReader(stream)}


def auc(points: dict[str, int], labels: dict[str, int]) -> float:
    """The chance that a bot has more points than a human; ties count half."""
    bots = [points[name] for name, label in labels.items() if label]
    humans = [points[name] for name, label in labels.items() if not label]
    return sum((bot > human) + 0.5 * (bot == human) for bot in bots for human in humans) / len(bots) / len(humans)


def precision_at_the_top(points: dict[str, int], labels: dict[str, int], share: float) -> float:
    """The share of bots among the accounts of most points; those tied at the edge count in proportion."""
    most = round(len(labels) * share)
    edge = sorted(points.values(), reverse=True)[most - 1]
    above = [labels[name] for name, raw in points.items() if raw > edge]
    tied = [labels[name] for name, raw in points.items() if raw == edge]
    return (sum(above) + sum(tied) / len(tied) * (most - len(above))) / most


@pytest.mark.parametrize(
    ("observed", "expected"), [("2017-12-03T00:00:00Z", (0.900, 0.946)), ("2026-11-20T00:00:00Z", (0.864, 0.944))]
)
def test_it_ranks_bots_above_humans(
    system: Any,
    labels: dict[str, int],
    tmp_path: Path,
    observed: str,
    expected: tuple[float, float],
    capsys: pytest.CaptureFixture[str],
) -> None:
    strategy.ship(by=system, now=NOON)
    told = tmp_path / "map.toml"
    told.write_text(MAP.read_text().replace("2017-12-03T00:00:00Z", observed))
    file = tmp_path / DATA.name
    file.symlink_to(DATA)
    out = StringIO()
    call_command("load", str(file), map=told, stdout=out, stderr=StringIO())
    while actions.score_stale(now=NOON):
        pass

    found = Score.objects.filter(risk_type="fake_account", latest=True, model="")
    points = dict(found.values_list("account__external_id", "raw"))
    area, precision = auc(points, labels), precision_at_the_top(points, labels, 0.05)
    with capsys.disabled():
        print(
            f"\n  observed {observed[:10]}: {out.getvalue().strip()}; "
            f"AUC {area:.3f}, precision in the top 5 % {precision:.3f}"
        )

    assert out.getvalue().strip().endswith("rejected 0")
    assert len(points) == len(labels)
    assert area >= 0.84
    assert precision >= 0.75
    assert (area, precision) == pytest.approx(expected, abs=0.01)
