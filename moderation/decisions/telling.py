"""Is the account holder told of a decision, and in which words? For the sending, and before it for who decides."""

from __future__ import annotations

from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from moderation.cases.models import Case
from moderation.enforcement import actions as enforcement
from moderation.enforcement import notices
from moderation.enforcement.connector import able_on
from moderation.enforcement.models import Enforcement, Notice
from portal import described
from portal.described import BadDescription
from portal.people.models import User

from . import notice_words
from .effects import OUTCOMES
from .models import Decision, Policy
from .notice_words import Facts, Language, Rules

FOLDER = Path(__file__).parent / "notices"
REPORTS = (
    "user_report", "age_report", "live_report", "block", "legal_notice", "trusted_notice", "authority_order",
    "owner_report",
)  # fmt: skip
BY_MACHINE = ("score", "drift", "account", "age_statement", "age_check_result", "enforcement")

# Why nobody is told, as kept with the decision.
BY_PERSON, BY_RULES, BY_BACKEND, BY_NATURE = "person", "rules", "backend", "nature"
UNTOLD = {
    BY_PERSON: "The account holder is not told: the person who decided said so, with a note.",
    BY_RULES: "The account holder is not told: {why}.",
    BY_BACKEND: "The account holder is not told: the platform takes no messages from here.",
    BY_NATURE: "There is nothing to tell the account holder.",
}


@cache
def _of(folder: str) -> tuple[Rules, dict[str, Language]]:
    try:
        return notice_words.whole(described.load(Path(folder), "", setting="NOTICES_DIR", parse=notice_words.parse))
    except BadDescription as bad:
        raise ImproperlyConfigured(str(bad)) from None


def templates() -> tuple[Rules, dict[str, Language]]:
    """The rules and languages in use: those of the folder NOTICES_DIR, else the shipped ones.

    Raises `ImproperlyConfigured` with the file, line and reason of a bad one.
    """
    own = settings.NOTICES_DIR
    if own and not Path(own).is_dir():
        raise ImproperlyConfigured(f"NOTICES_DIR: {own} is no folder")
    return _of(own or str(FOLDER))


def untold(*, outcome: str, policy: str, platform: str, notify: bool = True) -> tuple[str, str]:
    """Why nobody is told of such a decision, as its code and in words; both empty where somebody is."""
    rules, _ = templates()
    name, law = rules.template_for(outcome, policy)
    code = ""
    if not OUTCOMES[outcome].sends or (not name and not law):
        code = BY_NATURE
    elif not name:
        code = BY_RULES
    elif "notify" not in (able_on(platform) or ()):
        code = BY_BACKEND
    elif not notify:
        code = BY_PERSON
    return code, said_of(code, outcome=outcome, policy=policy)


def said_of(code: str, *, outcome: str, policy: str) -> str:
    """Why nobody was told, in words."""
    why = templates()[0].template_for(outcome, policy)[1] or "the rules say so"
    return UNTOLD[code].format(why=why) if code else ""


def words(
    case: Case, *, outcome: str, policy: Policy | None, until: datetime | None, scope: str, date: datetime,
    reference: str, template: str = "",
) -> dict[str, Any]:  # fmt: skip
    """What the account holder is told: template, version, language, text, appeal_url."""
    rules, languages = templates()
    code = policy.code if policy else ""
    template = template or rules.template_for(outcome, code)[0]
    wanted = case.account.lang
    language = notice_words.language_for(wanted, template, code, languages=languages, fallback=rules.fallback)
    url = settings.APPEAL_URL.replace("{decision}", reference) if settings.APPEAL_URL else ""
    facts = Facts(
        policy=code, public_reason=policy.public if policy else "", found_by=found_by(case), reference=reference,
        appeal_days=settings.APPEAL_DAYS, appeal_url=url, date=date, until=until, scope=scope,
    )  # fmt: skip
    told = language.templates[template]
    return {
        "template": template,
        "version": told.version,
        "language": language.name,
        "text": notice_words.message(language, template, facts),
        "appeal_url": url if told.closing else "",
    }


def found_by(case: Case) -> str:
    """Who pointed to the account: a machine, a report or a person; never which rule or which report."""
    if case.opened_by in REPORTS:
        return "report"
    return "automation" if not case.opened_by or case.opened_by in BY_MACHINE else "person"


def why_untold(decision: Decision) -> str:
    """Why nobody is told of this decision, as its code; empty where somebody is."""
    policy = decision.policy.code if decision.policy else ""
    platform = decision.account.platform
    return untold(outcome=decision.outcome, policy=policy, platform=platform, notify=decision.notify)[0]


def tell_of(decision: Decision, effect: Enforcement, *, by: User, now: datetime) -> None:
    """Write what follows the effect of a decision."""
    said = words(
        decision.case, outcome=decision.outcome, policy=decision.policy, until=decision.until, scope=decision.scope,
        date=now, reference=str(decision.pk),
    )  # fmt: skip
    _write(decision, said, effect=effect, by=by, now=now)


def correct(decision: Decision, first: Decision, lift: Enforcement | None, *, by: User, now: datetime) -> None:
    """Tell whoever was told of the first decision that it is taken back; who was not told hears nothing.

    Behind the lift, where there is one; else at once. What was not sent yet is not sent any more.
    """
    notice = Notice.objects.select_for_update(of=("self",), no_key=True).filter(decision=first).first()
    template = templates()[0].correction_of(first.outcome)
    if notice is None or notice.dropped_at or not template:
        return
    if notice.order is None and lift is None:
        notices.drop(notice, why=notices.OVERTAKEN, by=by, now=now, at=now)
        return
    said = words(
        first.case, outcome=first.outcome, policy=first.policy, until=first.until, scope=first.scope,
        date=first.released_at or now, reference=str(first.pk), template=template,
    )  # fmt: skip
    written = _write(decision, said, effect=lift, by=by, now=now, corrects=notice)
    if lift is None and notice.order is not None:
        enforcement.send_notice(written, by=by, now=now, after=notice.order, also=(f"case:{decision.case_id}",))


def _write(
    decision: Decision, said: dict[str, Any], *, effect: Enforcement | None, by: User, now: datetime,
    corrects: Notice | None = None,
) -> Notice:  # fmt: skip
    return notices.write(
        decision_id=decision.pk, account=decision.account, effect=effect, words=said, by=by, now=now,
        corrects=corrects, also=(f"case:{decision.case_id}",),
    )  # fmt: skip
