"""What does an event say?

One sentence per event, for people; the subjects in it are references a page can turn into links.

A sentence follows the name of who did it. `{case}`, `{account}`, `{decision}` … stand for the subject of that kind,
`{name}` for a fact. What stands in `[…]` falls away when something it names is not there, so that an event with fewer
facts still reads as a sentence.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .events import Event

# The words for a subject that an event lacks: a sentence never has a hole.
KINDS: dict[str, str] = {
    "account": "an account",
    "backend": "a backend",
    "batch": "a delivery",
    "bulk": "a group decision",
    "bulkitem": "an account of a group decision",
    "cap": "a limit",
    "case": "a case",
    "decision": "a decision",
    "enforcement": "an action",
    "evidence": "the evidence",
    "export": "an export",
    "finding": "something",
    "hold": "a legal hold",
    "key": "a key",
    "list": "a list",
    "log": "the log",
    "policy": "a policy",
    "queue": "a queue",
    "reveal": "a reveal",
    "signal": "a signal",
    "standing": "a standing",
    "strategy": "a strategy",
    "user": "somebody",
    "workflow": "a workflow",
}

SENTENCES: dict[Event, str] = {
    Event.ACCOUNT_ERASED: "erased the personal data of {account}[ ({legal_basis})][, request {ticket}]",
    Event.ACCOUNT_VIEWED: "looked at {account}[ ({purpose})]",
    Event.APPROVAL_DECLINED: "declined {decision}[ on {case}]",
    Event.APPROVAL_GIVEN: "approved {decision}[ on {case}]",
    Event.AUDIT_VIEWED: "read the log[; filter: {filter}]",
    Event.BACKEND_ADDED: "added {backend}",
    Event.BACKEND_PAUSED: "paused {backend}[: {why}]",
    Event.BACKEND_RESUMED: "let {backend} go on",
    Event.BULK_APPROVED: "approved {bulk}[ on {accounts} accounts]",
    Event.BULK_CONTINUED: "let {bulk} go on",
    Event.BULK_DECLINED: "declined {bulk}[ on {accounts} accounts]",
    Event.BULK_DONE: "finished {bulk}[ on {accounts} accounts]",
    Event.BULK_ITEM_DECIDED: "carried out {bulk} on {account}[: {decision}]",
    Event.BULK_ITEM_DROPPED: "dropped {account} from {bulk}: it was undone before its turn",
    Event.BULK_ITEM_FAILED: "could not carry out {bulk} on {account}[: {why}]",
    Event.BULK_ITEM_KEPT: "left {account} as it is while undoing {bulk}[: {why}]",
    Event.BULK_ITEM_LEFT_OUT: "left {account} out of {bulk}[: {why}]",
    Event.BULK_ITEM_NAMED: "named {account} in {bulk}",
    Event.BULK_ITEM_UNDONE: "took {bulk} back on {account}",
    Event.BULK_PAUSED: "paused {bulk}[: {why}]",
    Event.BULK_PREVIEWED: "looked at what a group decision would do[ to {accounts} accounts][; {left_out} left out]",
    Event.BULK_PROPOSED: (
        "proposed {bulk}[: {outcome}][ on {accounts} accounts][ for {reason_code}][; {left_out} left out]"
    ),
    Event.BULK_REPORTED: "took the report of {bulk}[ on {accounts} accounts]",
    Event.BULK_STOPPED: "stopped {bulk}[: {why}]",
    Event.BULK_UNDOING: "began to undo {bulk}[ on {accounts} accounts][ for {reason_code}]",
    Event.BULK_UNDONE: "finished undoing {bulk}",
    Event.BULK_WITHDRAWN: "withdrew {bulk}[ on {accounts} accounts]",
    Event.CAP_OPENED: "let {user} go beyond the limit of an hour[: {outcome}, {number} more][ until {until}]",
    Event.CASE_ANNOTATED: "wrote a note on {case}",
    Event.CASE_CLAIMED: "claimed {case}[ until {until}]",
    Event.CASE_DECIDED: "closed {case}[: {outcome}][ for {reason_code}]",
    Event.CASE_ESCALATED: "escalated {case}[ from {came_from}][ to {to}]",
    Event.CASE_EXTENDED: "kept {case} longer[, until {until}]",
    Event.CASE_HANDED_OFF: "handed {case} to child safety and sealed its evidence",
    Event.CASE_JOINED: (
        "added to {case}[: {signal}][, {risk_type}][ (priority {priority})][; moved it from {came_from} to {to}]"
    ),
    Event.CASE_MOVED: "moved {case}[ from {came_from}][ to {to}]",
    Event.CASE_OPENED: "opened {case} about {account}[ in the queue {queue}][, {risk_type}]",
    Event.CASE_PENDING: "set {case} to wait[ for {pending_for}][ until {until}][; then: {default}]",
    Event.CASE_REASSIGNED: "gave {case}[ to {user}]",
    Event.CASE_RELEASED: "gave {case} back to its queue",
    Event.CASE_REOPENED: "opened {case} again[: {why}]",
    Event.CASE_RETURNED: "returned {case} to its queue[: {why}]",
    Event.CASE_SKIPPED: "passed {case} on",
    Event.CASE_VIEWED: "looked at {case}",
    Event.CASE_WITHDRAWN: "withdrew {case}[: {why}]",
    Event.DECISION_HELD: (
        "decided[ {case}][: {outcome}][ under {policy}][ for {reason_code}][; in effect from {release_at}]"
    ),
    Event.DECISION_PROPOSED: (
        "proposed[ {outcome}][ on {case}][ under {policy}][ for {reason_code}];"
        " a second person must agree[ ({approval})]"
    ),
    Event.DECISION_RELEASED: "put {decision} into effect[ on {account}]",
    Event.DECISION_REVERSED: "reversed {decision}[ on {case}][ for {reason_code}]",
    Event.DECISION_UNDONE: "took back {decision}[ on {case}] before it took effect",
    Event.DECISION_WITHDRAWN: "withdrew the proposal {decision}[ on {case}][: {why}]",
    Event.DRAFT_SAVED: "saved a draft on {case}",
    Event.DRIFT_ENDED: "saw {account} stand[ at {backend}] as it should again",
    Event.DRIFT_FOUND: "found that {account} stands[ at {backend}] otherwise than it should[ ({verdict})][: {said}]",
    Event.ENFORCEMENT_APPLIED: (
        "saw[ {kind}] applied to {account}[ by {backend}][ at try {attempt}][, delivered {delivered_at}]"
    ),
    Event.ENFORCEMENT_ATTEMPTED: "sent[ {kind}] for {account}[ to {backend}][, try {attempt}]",
    Event.ENFORCEMENT_CANCELLED: "cancelled[ {kind}] for {account}[: {why}]",
    Event.ENFORCEMENT_LAPSED: "let[ {kind}] for {account} end without lifting it: a later action governs",
    Event.ENFORCEMENT_MOOT: "found {account} gone[; {kind} has nothing left to do]",
    Event.ENFORCEMENT_ORDERED: "ordered[ {kind}] for {account}[ from {backend}][ until {until}]",
    Event.ENFORCEMENT_RETRIED: "sent[ {kind}] for {account} again",
    Event.ENFORCEMENT_RETRYING: "could not get[ {kind}] applied to {account}[: {detail}][; next try {next_attempt_at}]",
    Event.ENFORCEMENT_SKIPPED: "skipped[ {kind}] for {account}[: {why}]",
    Event.ENFORCEMENT_STOPPED: "stopped trying[ {kind}] for {account}[: {detail}]",
    Event.ENFORCEMENT_SUPERSEDED: "dropped[ {kind}] for {account}: a later action overtook it before it was sent",
    Event.ENFORCEMENT_UNSURE: "cannot tell whether[ {kind}] was applied to {account}[: {detail}]",
    Event.EVIDENCE_COPIED: "took a copy of {evidence}[ of {case}][, SHA-256 {digest}]",
    Event.EVIDENCE_VIEWED: "looked at {evidence}[ of {case}][: {verdict}]",
    Event.EXPORT_CANCELLED: "cancelled {export}[ at {done} rows]",
    Event.EXPORT_DONE: "finished {export}[: {rows} rows][, SHA-256 {sha256}]",
    Event.EXPORT_DOWNLOADED: "took a copy of {export}[ by {road}][, SHA-256 {sha256}]",
    Event.EXPORT_EXPIRED: "deleted the file of {export}[: {why}]",
    Event.EXPORT_FAILED: "could not make {export}[: {why}]",
    Event.EXPORT_LINKED: "made a link to {export}[, good once until {until}]",
    Event.EXPORT_REQUESTED: "asked for {export} of the log[ as {formats}][; filter: {filter}]",
    Event.EXPORT_STARTED: "began to make {export}",
    Event.FINDING_RAISED: "reported[ {kind} on] {account}[: {detail}]",
    Event.FINDING_TAKEN: "took what was found on {account} to {case}",
    Event.HOLD_AGREED: "agreed to the legal hold[ {reference}] on {account}[; to be reviewed {review_at}]",
    Event.HOLD_ASKED: "asked {user} to agree to the legal hold[ {reference}] on {account}",
    Event.HOLD_DECLINED: "declined the legal hold[ {reference}] on {account}",
    Event.HOLD_KEPT: "kept the legal hold[ {reference}] on {account} whose release was asked for",
    Event.HOLD_RELEASED: "released the legal hold[ {reference}] on {account}",
    Event.HOLD_RELEASE_ASKED: "asked {user} to agree to the release of the legal hold[ {reference}] on {account}",
    Event.HOLD_REVIEWED: "reviewed the legal hold[ {reference}] on {account}[; again {review_at}]",
    Event.KEY_ISSUED: "issued {key}[ to {user}][ for {scopes}]",
    Event.KEY_RETIRED: "retired {key}[ of {user}]",
    Event.KINDS_PUBLISHED: "published[ {changed}] kinds of signal",
    Event.LIST_PUBLISHED: "published {list}[ version {version}][ with {entries} entries]",
    Event.LOG_EPOCH_OPENED: (
        "began the log anew[ as {origin}][ for {ticket}][; signed before: {before}][; still there of it: {kept}]"
    ),
    Event.LOG_HEADS: "stated the counts[ of {entries} names][ at {size} leaves] for {export}",
    Event.LOG_VERIFIED: "checked {log}[: {verdict}][, {size} leaves][, first bad position {position}][: {why}]",
    Event.NOTICE_DROPPED: "did not send the notice[ {template}] about {decision} to {account}[: {why}]",
    Event.NOTICE_WRITTEN: (
        "wrote what {account} is told of {decision}[: {template}][ version {version}][ in {language}]"
    ),
    Event.PII_REVEALED: "was shown[ {field}] of {account}[ on {case}][ ({purpose})]",
    Event.PII_REVEAL_REFUSED: "asked for[ {field}] of {account}[ on {case}] and was refused[: {why}]",
    Event.POLICY_ACKNOWLEDGED: "read {policy}[ version {version}]",
    Event.POLICY_PUBLISHED: "published {policy}[ version {version}]",
    Event.PROFILE_CHANGED: "changed their own settings[: {changed}]",
    Event.QUEUE_PUBLISHED: "published {queue}",
    Event.REASONS_PUBLISHED: "published[ {codes}] reason codes",
    Event.RECORD_EMPTIED: (
        "emptied what {account} had left[ in {case}][ in {decision}][ in {enforcement}][ in {finding}][ in {export}]"
        "[ in {signal}]"
    ),
    Event.RETENTION_APPLIED: "deleted[ {rows}] rows[ by the rule {rule}][, all older than {cut_off}]",
    Event.REVEAL_REVIEWED: "looked at {reveal}[ by {user}][ of {account}][: {verdict}]",
    Event.ROLE_GRANTED: "granted[ {role}] to {user}",
    Event.ROLE_REVOKED: "took[ {role}] from {user}",
    Event.SCORES_TAKEN: "took[ {scores}] new scores[ and {signals} signals] to[ {cases}] cases",
    Event.SCORES_WRITTEN: "scored[ {accounts}] accounts[; {changed} scores changed]",
    Event.SIGNALS_ACCEPTED: (
        "took in signals[ by the door {door}][: {accepted} new][, {duplicates} known before][, {rejected} refused]"
    ),
    Event.SIGN_IN_FAILED: "failed to sign in[ as {username}]",
    Event.SIGN_IN_SUCCEEDED: "signed in",
    Event.SIGN_OUT_SUCCEEDED: "signed out",
    Event.STANDING_LIFTED: "lifted the standing[ {outcome}] of {account}",
    Event.STANDING_RECORDED: "recorded[ {outcome}] as standing for {account}[ under {policy}][, strikes: {strikes}]",
    Event.STRATEGY_PUBLISHED: "published {strategy}[ ({risk_type} version {version})]",
    Event.USER_CREATED: "added {user}",
    Event.USER_DISABLED: "disabled {user}[: {why}]",
    Event.WORKFLOW_PUBLISHED: "published {workflow}",
}

# Reasons that the rooms write as one word.
CODES: dict[str, str] = {
    "account_erased": "an account in it was erased",
    "days_over": "its days are over",
    "erased": "it is erased",
    "joined": "it joined another case",
    "lease": "its lease ran out",
    "limit": "too many in an hour",
    "not_theirs": "not on this case, or not with these roles",
    "proposal": "nobody agreed in time",
}

_OPTIONAL = re.compile(r"\[([^\[\]]*)\]")
_NAME = re.compile(r"\{(\w+)\}")
_TIME = re.compile(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d)(:\d\d)?(\.\d+)?(Z|\+00:00)")


@dataclass(frozen=True)
class Part:
    """A piece of a sentence: plain text, or the audit name (`case:12`) of something a page may link to."""

    text: str = ""
    name: str = ""


def tell(type: str, subjects: Sequence[str], facts: Mapping[str, Any]) -> list[Part]:
    """What happened, as parts in order. An event this version does not know is told by its bare name and subject."""
    template = SENTENCES.get(type)  # type: ignore[call-overload]
    if template is None:
        return [Part(type.replace(".", " ").replace("_", " ") + " "), *_named(subjects[:1])]
    of = _by_kind(subjects)
    known = set(of) | {name for name, value in facts.items() if _word(value) not in ("", "0")}
    kept = _OPTIONAL.sub(lambda found: found[1] if known.issuperset(_NAME.findall(found[1])) else "", template)
    parts: list[Part] = []
    for piece in re.split(r"(\{\w+\})", kept):
        name = piece.strip("{}") if piece.startswith("{") else ""
        if not name:
            parts.append(Part(piece))
        elif name in of:
            parts.append(Part(name=of[name]))
        else:
            parts.append(Part(_word(facts.get(name)) or KINDS.get(name, "")))
    return [part for part in parts if part.text or part.name]


def sentence(type: str, by: str, subjects: Sequence[str], facts: Mapping[str, Any], say: Callable[[str], str]) -> str:
    """The whole sentence as text; `say` gives the words for an audit name."""
    rest = "".join(part.text or say(part.name) for part in tell(type, subjects, facts))
    return f"{say(by)} {rest}."


def plainly(name: str) -> str:
    """The words for an audit name when nobody knows better: `case:12` → "case 12"; a long id is cut."""
    kind, _, rest = name.partition(":")
    return f"{kind} {rest[:8]}…" if len(rest) == 36 else f"{kind} {rest}".strip()


def _named(names: Iterable[str]) -> list[Part]:
    return [Part(name=name) for name in names]


def _by_kind(subjects: Sequence[str]) -> dict[str, str]:
    """The first subject of each kind."""
    found: dict[str, str] = {}
    for name in subjects:
        kind = name.partition(":")[0]
        if kind in KINDS:
            found.setdefault(kind, name)
    return found


def _word(value: Any) -> str:
    """A fact as a word: times to the minute in UTC, codes without underscores, lists with commas."""
    if value is None or value == "" or value == [] or value == {}:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, dict):
        return ", ".join(f"{key} {_word(inner)}" for key, inner in value.items() if _word(inner))
    if isinstance(value, list):
        return ", ".join(filter(None, map(_word, value)))
    return CODES.get(value) or _TIME.sub(r"\1 \2 UTC", str(value)).replace("_", " ")
