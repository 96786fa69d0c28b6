"""What did the stand-in platform do to whom? A file of lines, one per effect, that a kill -9 cannot shorten.

An effect counts when its line is on the disk; only then is it answered. Memory holds what the lines add up to.
"""

from __future__ import annotations

import json
import os
import threading
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

SCOPES = ("live", "messages", "posts", "collect", "minor_mode")
# kind: (key of the state, the value it takes)
SETS: dict[str, tuple[str, bool]] = {
    "label": ("labelled", True),
    "unlabel": ("labelled", False),
    "limit_reach": ("reach_limited", True),
    "restore_reach": ("reach_limited", False),
    "suspend": ("suspended", True),
    "unsuspend": ("suspended", False),
    "ban": ("banned", True),
    "unban": ("banned", False),
    "demonetize": ("demonetized", True),
    "remonetize": ("demonetized", False),
    "hold_payout": ("payout_held", True),
    "release_payout": ("payout_held", False),
    "secure": ("secured", True),
    "release": ("secured", False),
    "require_age_check": ("age_check", True),
    "lift_age_check": ("age_check", False),
}
OTHERS = ("warn", "restrict", "unrestrict", "notify")
SHOWN = ("n", "at", "effect_id", "key", "platform", "account", "kind", "seq", "until")


class Unacceptable(Exception):
    """The platform will not do this: a status and a sentence."""

    def __init__(self, status: int, sentence: str, **more: Any) -> None:
        super().__init__(sentence)
        self.status = status
        self.body = {"error": sentence, **more}


@dataclass
class Holder:
    """One account as the platform knows it."""

    platform: str
    id: str
    last_seq: int = 0
    gone: int | None = None
    rows: list[dict[str, Any]] = field(default_factory=list)
    state: dict[str, Any] = field(default_factory=lambda: dict(FRESH, restricted=[], until={}))


FRESH: dict[str, Any] = {"warned": 0, **{key: False for key, _ in SETS.values()}}


class Ledger:
    """Effects in order, accounts as they stand, the first answer for every key."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows: list[dict[str, Any]] = []
        self.holders: dict[tuple[str, str], Holder] = {}
        self.answers: dict[str, dict[str, Any]] = {}
        self.lock = threading.Lock()
        self._read()
        self.file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def close(self) -> None:
        os.close(self.file)

    # -- reading

    def holder(self, platform: str, account: str) -> Holder:
        return self.holders.get((platform, account)) or Holder(platform, account)

    def after(self, n: int, limit: int = 1000) -> list[dict[str, Any]]:
        return [{name: row[name] for name in SHOWN} for row in self.rows[max(n, 0) : max(n, 0) + limit]]

    def newest(self, limit: int, wanted: str = "") -> list[Holder]:
        with self.lock:
            found = [h for h in self.holders.values() if not wanted or wanted == h.id]
        return sorted(found, key=lambda h: h.rows[-1]["n"] if h.rows else 0, reverse=True)[:limit]

    # -- writing

    def apply(self, key: str, seq: int, action: dict[str, Any], *, forget: bool = False) -> dict[str, Any]:
        """Do it once: the same key answers what it answered first. With `forget` no key is known again."""
        with self.lock:
            if (first := self.answers.get(key)) and not forget:
                return first
            holder = self.holder(action["account"]["platform"], action["account"]["id"])
            _check(holder, seq, action)
            row = {
                "n": len(self.rows) + 1,
                "at": datetime.now(UTC).isoformat(),
                "effect_id": f"ef-{uuid.uuid4()}",
                "key": key,
                "platform": holder.platform,
                "account": holder.id,
                "kind": action["kind"],
                "seq": seq,
                "until": action.get("until"),
                "scope": action.get("scope"),
                "policy": action.get("policy"),
                "reason_code": action.get("reason_code"),
                "notice": action.get("notice"),
            }
            self._append(row)
            return self._take(row)

    def mark_gone(self, platform: str, account: str, status: int | None) -> None:
        with self.lock:
            line = {"mark": "gone", "platform": platform, "account": account, "status": status}
            self._append(line)
            self._mark(line)

    def other_hand(self, platform: str, account: str, state: dict[str, Any]) -> None:
        """Somebody else changes how an account stands: no action of ours, no number, nothing in the ledger."""
        with self.lock:
            line = {"mark": "hand", "platform": platform, "account": account, "state": state}
            self._append(line)
            self._mark(line)

    def lose(self, platform: str, account: str, after: int) -> None:
        """The platform forgets what it did after a number, as one set back to an old copy; the ledger does not."""
        with self.lock:
            line = {"mark": "lost", "platform": platform, "account": account, "after": after}
            self._append(line)
            self._mark(line)

    # -- the file

    def _append(self, line: dict[str, Any]) -> None:
        os.write(self.file, json.dumps(line, ensure_ascii=False).encode() + b"\n")
        os.fsync(self.file)

    def _read(self) -> None:
        if not self.path.exists():
            return
        content = self.path.read_bytes()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):  # killed within a line: that effect was never answered, so it never was
            os.truncate(self.path, whole)
        for text in content[:whole].splitlines():
            line = json.loads(text)
            if "mark" in line:
                self._mark(line)
            else:
                self._take(line)

    def _mark(self, line: dict[str, Any]) -> None:
        key = (line["platform"], line["account"])
        holder = self.holders.setdefault(key, Holder(*key))
        if line["mark"] == "gone":
            holder.gone = line["status"]
        elif line["mark"] == "hand":
            holder.state = {**holder.state, **line["state"]}
        else:
            self._forget(holder, line["after"])

    def _forget(self, holder: Holder, after: int) -> None:
        for row in holder.rows:
            if row["seq"] > after:
                self.answers.pop(row["key"], None)
        kept = Holder(holder.platform, holder.id, rows=[row for row in holder.rows if row["seq"] <= after])
        for row in kept.rows:
            kept.state = changed(kept.state, row["kind"], scope=row.get("scope"), until=row.get("until"))
            kept.last_seq = max(kept.last_seq, row["seq"])
        holder.state, holder.last_seq, holder.rows = kept.state, kept.last_seq, kept.rows

    def _take(self, row: dict[str, Any]) -> dict[str, Any]:
        key = (row["platform"], row["account"])
        holder = self.holders.setdefault(key, Holder(*key))
        holder.state = changed(holder.state, row["kind"], scope=row.get("scope"), until=row.get("until"))
        holder.last_seq = max(holder.last_seq, row["seq"])
        holder.rows.append(row)
        self.rows.append(row)
        answer = {"effect_id": row["effect_id"], "state": holder.state}
        if row["kind"] == "notify":
            answer["delivered_at"] = row["at"]
        self.answers[row["key"]] = answer
        return answer


def _check(holder: Holder, seq: int, action: dict[str, Any]) -> None:
    if holder.gone:
        raise Unacceptable(holder.gone, "This account is gone.")
    if seq < holder.last_seq:
        raise Unacceptable(
            409, f"Sequence {seq} is older than {holder.last_seq}.", state=holder.state, last_seq=holder.last_seq
        )
    if action["kind"] not in SETS and action["kind"] not in OTHERS:
        raise Unacceptable(422, f"Unknown kind {action['kind']!r}.")
    if action["kind"] in ("restrict", "unrestrict") and action.get("scope") not in (*SCOPES, None):
        raise Unacceptable(422, f"Unknown scope {action.get('scope')!r}.")
    if action["kind"] == "restrict" and not action.get("scope"):
        raise Unacceptable(422, "A restriction needs a scope.")


def changed(state: dict[str, Any], kind: str, *, scope: str | None, until: str | None) -> dict[str, Any]:
    """The state after one more effect; the one before stays as it was, since an answer holds it."""
    new = {**state, "restricted": list(state["restricted"]), "until": dict(state["until"])}
    names: list[str] = []
    if kind == "warn":
        new["warned"] += 1
    elif kind in SETS:
        key, value = SETS[kind]
        new[key] = value
        names = [key]
    elif kind == "restrict":
        new["restricted"] = sorted({*new["restricted"], str(scope)})
        names = [f"restricted:{scope}"]
    elif kind == "unrestrict":
        left = [s for s in new["restricted"] if scope and s != scope]
        names = [f"restricted:{s}" for s in new["restricted"] if s not in left]
        new["restricted"] = left
    for name in names:
        new["until"].pop(name, None)
        if until:
            new["until"][name] = until
    return new
