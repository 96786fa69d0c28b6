"""What do the owners of accounts see on the stand-in platform? Pages without a script, in the system's own font."""

from __future__ import annotations

from html import escape
from typing import Any
from urllib.parse import quote

from portal.local.ledger import Holder

SAID = {
    "away": "The platform refuses every connection for 60 seconds from now. This page is away as well: come back to it then.",
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
    "restore_reach": "Reach restored", "restrict": "Restricted", "unrestrict": "Restriction lifted", "suspend": "Suspended",
    "unsuspend": "Suspension ended", "ban": "Closed", "unban": "Opened again", "demonetize": "Earnings stopped",
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
        + f"<section aria-labelledby=accounts><h2 id=accounts>Accounts</h2><div class=cards>{cards or empty}</div></section>"
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
        f"<section aria-labelledby=messages><h2 id=messages>Messages</h2>{messages or '<p class=empty>None.</p>'}</section>"
        "<section aria-labelledby=happened><h2 id=happened>What happened</h2><table><thead><tr><th scope=col>When (UTC)</th>"
        f"<th scope=col>What</th><th scope=col class=number>Order</th></tr></thead><tbody>{happened}</tbody></table></section>",
    )


def _frame(title: str, body: str) -> str:
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>{escape(title)} · stand-in platform</title><link rel="stylesheet" href="/style.css"></head><body>'
        "<header><p class=brand>Stand-in platform</p><p>Where decisions arrive. Everybody here is invented.</p></header>"
        f"<main><h1><bdi>{escape(title)}</bdi></h1>{body}</main></body></html>"
    )


def _card(holder: Holder) -> str:
    where = f"/accounts/{quote(holder.platform, safe='')}/{quote(holder.id, safe='')}"
    notices = sum(row["kind"] == "notify" for row in holder.rows)
    words = f"{notices} message{'' if notices == 1 else 's'}, " if notices else ""
    last = f"<p class=meta>{words}last change {_when(holder.rows[-1]['at'])} UTC</p>" if holder.rows else ""
    name = f'<h3><a href="{escape(where)}"><bdi>{escape(holder.id)}</bdi></a> <small>{escape(holder.platform)}</small></h3>'
    return f"<article class=card>{name}{_standing(holder)}{last}</article>"


def _standing(holder: Holder) -> str:
    until = holder.state["until"]
    lines = [
        (tone, text.format(until=_until(until.get(key)))) for key, (tone, text) in TOLD.items() if holder.state[key]
    ]
    for scope in holder.state["restricted"]:
        ends = _until(until.get(f"restricted:{scope}"))
        lines.append(("warn", f"{SCOPES.get(scope, scope)} is closed{ends}."))
    if holder.state["warned"]:
        lines.append(("note", f"Warned {holder.state['warned']} time{'' if holder.state['warned'] == 1 else 's'}."))
    if holder.gone:
        lines.insert(0, ("note", "The owner has deleted this account."))
    if not lines:
        lines = [("good", "Everything works.")]
    return "<ul class=standing>" + "".join(f'<li class="{tone}">{escape(text)}</li>' for tone, text in lines) + "</ul>"


def _message(row: dict[str, Any]) -> str:
    notice = row.get("notice") if isinstance(row.get("notice"), dict) else {}
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
    return f" until {str(value)[:16].replace('T', ' ')}" if value else ""


def _when(at: str) -> str:
    return f'<time datetime="{escape(at)}">{escape(at[:19].replace("T", " "))}</time>'


def _buttons() -> str:
    made = "".join(
        f'<li><form method=post action="/try/{name}"><button aria-describedby="about-{name}">{escape(label)}</button>'
        f'</form><span id="about-{name}">{escape(does)}</span></li>'
        for name, label, does in BUTTONS
    )
    return f"<section aria-labelledby=break><h2 id=break>Try to break it</h2><ul class=buttons>{made}</ul></section>"


STYLE = """
:root { color-scheme: light dark; --ink: light-dark(#1d2330, #e6e9f0); --soft: light-dark(#545d70, #a6afc0);
  --page: light-dark(#f4f5f8, #12151c); --card: light-dark(#ffffff, #1b202a); --line: light-dark(#d5d9e2, #343b4a);
  --link: light-dark(#1f4fbf, #9db9ff); --bad: light-dark(#a3152b, #ff9aa8); --warn: light-dark(#7a4a00, #f2c069);
  --good: light-dark(#1c6636, #8fd6a6); }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink); font: 1rem/1.5 system-ui, sans-serif; }
header, main { max-width: 68rem; margin: 0 auto; padding: 0 1.25rem; }
header { padding-top: 1rem; color: var(--soft); display: flex; flex-wrap: wrap; gap: 0 1rem; }
header p { margin: 0; }
.brand { font-weight: 650; color: var(--ink); }
main { padding-bottom: 3rem; }
h1 { font-size: 1.6rem; line-height: 1.2; margin: 1.5rem 0 1rem; overflow-wrap: anywhere; }
h2 { font-size: 1.15rem; margin: 2rem 0 .75rem; }
h3 { font-size: 1rem; margin: 0 0 .5rem; overflow-wrap: anywhere; }
a { color: var(--link); }
small, .meta, .empty { color: var(--soft); font-size: .875rem; font-weight: 400; }
.meta { margin: .5rem 0 0; overflow-wrap: anywhere; }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(19rem, 100%), 1fr)); gap: .75rem; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: .5rem; padding: 1rem; margin-bottom: .75rem; }
.cards .card { margin: 0; }
.card p:first-child { margin-top: 0; white-space: pre-wrap; overflow-wrap: anywhere; }
.standing { list-style: none; margin: 0; padding: 0; }
.standing li { padding-left: .75rem; border-left: 3px solid currentcolor; margin: .25rem 0; }
.bad { color: var(--bad); } .warn { color: var(--warn); } .good { color: var(--good); } .note { color: var(--soft); }
table { border-collapse: collapse; width: 100%; background: var(--card); border: 1px solid var(--line); }
th, td { text-align: left; padding: .45rem .75rem; border-bottom: 1px solid var(--line); vertical-align: top; }
.number { text-align: right; font-variant-numeric: tabular-nums; }
.search { display: flex; flex-wrap: wrap; gap: .5rem; align-items: center; }
input, button { font: inherit; color: inherit; background: var(--card); border: 1px solid var(--soft); border-radius: .35rem;
  padding: .4rem .75rem; min-height: 2.75rem; }
button { cursor: pointer; font-weight: 600; }
button:hover { border-color: var(--link); color: var(--link); }
:focus-visible { outline: 3px solid var(--link); outline-offset: 2px; }
.said { background: var(--card); border-left: 4px solid var(--link); padding: .75rem 1rem; }
.buttons { list-style: none; margin: 0; padding: 0; display: grid; gap: .5rem; }
.buttons li { display: flex; flex-wrap: wrap; gap: .25rem 1rem; align-items: center; }
"""
