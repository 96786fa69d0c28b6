"""What do the owners of accounts see on the stand-in platform? Pages without a script, in the system's own font."""

from __future__ import annotations

from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

from portal.local.ledger import Holder

SAID = {
    "away": "The platform refuses every connection for 60 seconds, this page too: come back to it then.",
    "timeouts": "The next 20 calls are applied and never answered.",
    "worker": "The worker was killed. Another one starts; the sweep finds what it held.",
    "broker": "The broker is empty. The dispatcher rings again within seconds.",
    "nothing": "There is no such button.",
}
BUTTONS = (
    ("away", "Go away for 60 s", "Refuses connections. Effects wait, then each arrives once."),
    (
        "timeouts",
        "Apply, then time out",
        "The next 20 calls are applied and not answered. The ledger still shows one effect each.",
    ),
    ("worker", "Kill the worker", "kill -9. The sweep finds the work; nothing twice."),
    ("broker", "Empty the broker", "Every message is gone. A pause of seconds, nothing lost."),
)
TOLD = {
    "banned": ("bad", "This account is closed."),
    "suspended": ("bad", "This account is suspended{until}."),
    "reach_limited": ("warn", "Posts are shown to fewer people{until}."),
    "labelled": ("warn", "Posts carry a label."),
    "demonetized": ("warn", "This account earns nothing{until}."),
    "payout_held": ("warn", "Pay-outs are on hold{until}."),
    "secured": ("note", "This account is locked to protect it. The owner can get it back."),
    "age_check": ("note", "The owner is asked to show their age."),
}
SCOPES = {
    "live": "Going live", "messages": "Sending messages", "posts": "Posting",
    "collect": "Collecting rewards", "minor_mode": "The service for adults",
}  # fmt: skip
DONE = {
    "warn": "Warned", "label": "Labelled", "unlabel": "Label taken off", "limit_reach": "Reach limited",
    "restore_reach": "Reach restored", "restrict": "Restricted", "unrestrict": "Restriction lifted",
    "suspend": "Suspended", "unsuspend": "Suspension ended", "ban": "Closed", "unban": "Opened again",
    "demonetize": "Earnings stopped",
    "remonetize": "Earnings back", "hold_payout": "Pay-out held", "release_payout": "Pay-out released",
    "secure": "Locked for protection", "release": "Unlocked", "require_age_check": "Age check asked for",
    "lift_age_check": "Age check lifted", "notify": "Message delivered",
}  # fmt: skip


def everybody(holders: list[Holder], query: dict[str, str], demo: bool) -> str:
    """The accounts something happened to, newest first."""
    wanted = query.get("account", "").strip()
    said = SAID.get(query.get("said", ""))
    cards = "".join(_card(holder) for holder in holders)
    empty = "<p class=empty>Nothing has happened to any account yet.</p>"
    if wanted:
        empty = f"<p class=empty>Nothing has happened to the account <bdi>{escape(wanted)}</bdi>.</p>"
    return _frame(
        "Accounts, as their owners see them",
        (f"<p class=said role=status>{escape(said)}</p>" if said else "")
        + '<form class=search action="/" method=get><label for=account>Account id</label>'
        f'<input id=account name=account value="{escape(wanted)}" autocomplete=off><button>Show</button></form>'
        + _section("Accounts", f"<div class=cards>{cards or empty}</div>")
        + (_buttons() if demo else ""),
    )


def one(holder: Holder) -> str:
    """One account's own page: how it stands, what it was told, what happened."""
    messages = "".join(_message(row) for row in reversed(holder.rows) if row["kind"] == "notify")
    happened = "".join(
        f"<tr><td>{_when(row['at'])}</td><td>{escape(DONE.get(row['kind'], row['kind']))}{_detail(row)}</td>"
        f"<td class=number>{row['seq']}</td></tr>"
        for row in reversed(holder.rows)
    )
    return _frame(
        f"Account {holder.id}",
        f'<p><a href="/">All accounts</a></p>{_standing(holder)}'
        + _section("Messages", messages or "<p class=empty>None.</p>")
        + _section(
            "What happened",
            "<table><thead><tr><th scope=col>When (UTC)</th><th scope=col>What</th>"
            f"<th scope=col class=number>Order</th></tr></thead><tbody>{happened}</tbody></table>",
        ),
    )


def _frame(title: str, body: str) -> str:
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>{escape(title)} · stand-in platform</title><link rel="stylesheet" href="/style.css"></head><body>'
        "<header><p class=brand>Stand-in platform</p>"
        "<p>Where decisions arrive. Everybody here is invented.</p></header>"
        f"<main><h1><bdi>{escape(title)}</bdi></h1>{body}</main></body></html>"
    )


def _section(title: str, body: str) -> str:
    name = title.split()[0].lower()
    return f"<section aria-labelledby={name}><h2 id={name}>{title}</h2>{body}</section>"


def _card(holder: Holder) -> str:
    where = f"/accounts/{quote(holder.platform, safe='')}/{quote(holder.id, safe='')}"
    notices = sum(row["kind"] == "notify" for row in holder.rows)
    words = f"{notices} message{'' if notices == 1 else 's'}, " if notices else ""
    last = f"<p class=meta>{words}last change {_when(holder.rows[-1]['at'])} UTC</p>" if holder.rows else ""
    link = f'<a href="{escape(where)}"><bdi>{escape(holder.id)}</bdi></a>'
    title = f"<h3>{link} <small>{escape(holder.platform)}</small></h3>"
    return f"<article class=card>{title}{_standing(holder)}{last}</article>"


def _standing(holder: Holder) -> str:
    until = holder.state["until"]
    lines = [
        (tone, text.format(until=_until(until.get(key)))) for key, (tone, text) in TOLD.items() if holder.state[key]
    ]
    for scope in holder.state["restricted"]:
        ends = _until(until.get(f"restricted:{scope}"))
        lines.append(("warn", f"{SCOPES.get(scope, scope)} is closed{ends}."))
    if holder.state["warned"]:
        times = holder.state["warned"]
        lines.append(("note", "Warned once." if times == 1 else f"Warned {times} times."))
    if holder.gone:
        lines.insert(0, ("note", "The owner has deleted this account."))
    if not lines:
        lines = [("good", "Everything works.")]
    return "<ul class=standing>" + "".join(f'<li class="{tone}">{escape(text)}</li>' for tone, text in lines) + "</ul>"


def _message(row: dict[str, Any]) -> str:
    told = row.get("notice")
    notice: dict[str, Any] = told if isinstance(told, dict) else {}
    language = str(notice.get("language") or "en")
    text = str(notice.get("text") or "")
    where = str(notice.get("appeal_url") or "")
    appeal = f"<p class=meta>Appeal: <bdi>{escape(where)}</bdi></p>" if where else ""
    meta = f"<p class=meta>{_when(row['at'])} UTC · {escape(str(notice.get('template') or ''))}</p>"
    return f'<article class=card><p dir=auto lang="{escape(language)}">{escape(text)}</p>{meta}{appeal}</article>'


def _detail(row: dict[str, Any]) -> str:
    parts = [str(row[name]) for name in ("scope", "policy") if row.get(name)]
    return (
        f" <small>{escape(' · '.join(parts))}{escape(_until(row.get('until')))}</small>"
        if parts or row.get("until")
        else ""
    )


def _until(value: object) -> str:
    return f" until {_day(str(value))}" if value else ""


def _when(at: str) -> str:
    return f'<time datetime="{escape(at)}">{escape(_day(at, seconds=True))}</time>'


def _day(at: str, *, seconds: bool = False) -> str:
    """A moment as people write it, its day in one piece; what is no moment is shown as it came."""
    try:
        moment = datetime.fromisoformat(at).astimezone(UTC)
    except ValueError:
        return at
    day = f"{moment.day}\u00a0{moment:%b\u00a0%Y}"
    return f"{day}, {moment:%H:%M:%S}" if seconds else day


def _buttons() -> str:
    made = "".join(
        f'<li><form method=post action="/try/{name}"><button aria-describedby="about-{name}">{escape(label)}</button>'
        f'</form><span id="about-{name}">{escape(does)}</span></li>'
        for name, label, does in BUTTONS
    )
    return _section("Try to break it", f"<ul class=buttons>{made}</ul>")


STYLE = Path(__file__).with_name("owners.css").read_text(encoding="utf-8")
