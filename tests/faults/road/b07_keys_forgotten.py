"""B7n: the platform knows no key again, so that a second send is a second effect; what it answers is as wrong as in B7.

One description says `idempotent = "none"`, the other `natural` and reads before each call; both let few call at a time.
Reading back goes wrong at the same rates. Each action of an account is of another kind, so that a state in force is
that action's own effect, and "exactly once" can be demanded. Calls that are carried out after we gave up waiting
(`late`) are left out: no reading back can see them, as docs/backends.md says.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from moderation.enforcement.schedule import LONGEST_WAIT
from tests.faults.stage import until

from .b01_workers_die import settle
from .b07_backend_lies import PATIENCE, RATES, known, met_inside, waiting
from .invariants import check
from .orders import Orders
from .scene import Run, Scene

KINDS = (
    "suspend", "limit_reach", "label", "restrict", "demonetize", "hold_payout", "secure", "require_age_check", "ban",
)  # fmt: skip
SHIPPED = Path(__file__).resolve().parents[3] / "moderation/enforcement/connectors/platform.toml"
FEW = 3  # calls at a time


def describe(folder: Path) -> Path:
    """Two descriptions of the same platform that trust no key."""
    folder.mkdir()
    text = SHIPPED.read_text().replace("at_once = 32", f"at_once = {FEW}")
    for name, idempotent, first in (("careful", "none", "false"), ("natural", "natural", "true")):
        own = text.replace('name = "platform"', f'name = "{name}"').replace(
            'platforms = ["*"]', f'platforms = ["{name}"]'
        )
        own = own.replace('idempotent = "key"', f'idempotent = "{idempotent}"')
        (folder / f"{name}.toml").write_text(own.replace("[read]\n", f"[read]\nfirst = {first}\n"))
    return folder


def plan(accounts: int, number: int) -> tuple[int, str, dict[str, Any]]:
    """Another kind each time that it is an account's turn."""
    kind = KINDS[number // accounts % len(KINDS)]
    return number % accounts, kind, {"scope": "live"} if kind == "restrict" else {}


def play(run: Run) -> None:
    """All ordered at once; they wait for each other."""
    stage = run.stage(
        patience=PATIENCE, backends=describe(run.folder / "backends"), worker_options=("--concurrency", "6")
    )
    accounts = run.size["accounts"]
    orders = Orders(run, accounts=accounts, plan=lambda n: plan(accounts, n), platforms=("careful", "natural"))
    stage.faults({**RATES, "late": 0, "forget": 1, "reads": 1, "seed": run.seed})
    for name in ("worker", "dispatcher"):
        stage.start(name)
    begun = time.monotonic()
    orders.some(accounts * run.size["kinds"])
    through = until(lambda: not waiting(), within=run.size["within"], every=0.3)
    through = through or settle(stage, within=LONGEST_WAIT + 60)  # so long may the last of them still wait
    calls = stage.calls()
    run.hold("all ordered actions were carried out", through, f"{len(calls) / (time.monotonic() - begun):.1f} calls/s")
    run.hold("no redirect was followed", not met_inside(calls))
    known(run, calls, every=False)
    looked(run, calls)
    check(run, stage)


def looked(run: Run, calls: list[dict[str, Any]]) -> None:
    """Between two sends of one action somebody read how its account stands."""
    last: dict[str, dict[str, Any]] = {}
    read: dict[str, int] = {}
    again = blind = 0
    for call in calls:
        if call["what"] == "read":
            read[call["account"]] = call["n"]
        elif before := last.get(call.get("key", "")):
            again += 1
            blind += read.get(call["account"], 0) < before["n"]
        if call["what"] == "action":
            last[call["key"]] = call
    reads = sum(call["what"] == "read" for call in calls)
    run.hold("I2 nothing was sent again unseen", not blind, f"{again} sent again, {blind} blindly; {reads} times read")


SCENE = Scene(
    "B7n",
    "the platform forgets its keys",
    play,
    small={"accounts": 6, "kinds": 4, "within": 45},
    full={"accounts": 300, "kinds": len(KINDS), "within": 420},
)
