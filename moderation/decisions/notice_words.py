"""In which words is an account holder told? Templates by language, filled from fixed names. Pure.

A template can only name what stands in `NAMES`: nothing there says which rule, score or signal led to the account.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from portal import described
from portal.described import BadDescription

from .effects import OUTCOMES, SCOPES

NAMES = (
    "until", "scope", "public_reason", "policy_id", "date", "found_by", "reference", "appeal_days",
    "appeal_url",
)  # fmt: skip
DAY_NAMES = ("day", "month", "year", "time")
FOUND_BY = ("automation", "report", "person")
NONE = "none"
LONGEST = 2000  # characters of a template
RULES = "rules"
_BRACES = re.compile(r"\{(\w+)\}")
_TEMPLATE = re.compile(r"[A-Z][A-Z0-9-]{0,31}")
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})?")
_REASON = "{public_reason}"


@dataclass(frozen=True)
class Template:
    """One message: its words, the version that what was sent names, and whether the way to appeal ends it."""

    version: int
    text: str
    closing: bool = True


@dataclass(frozen=True)
class Language:
    """The messages of one language, and the words that fill them."""

    name: str
    until: str
    open_end: str
    date: str
    months: tuple[str, ...]
    scopes: Mapping[str, str]
    found_by: Mapping[str, str]
    closing: str
    closing_with_link: str
    templates: Mapping[str, Template]
    reasons: Mapping[str, str] = field(default_factory=dict)

    def moment(self, form: str, at: datetime) -> str:
        """A time in this language, by UTC."""
        at = at.astimezone(UTC)
        words = {"day": str(at.day), "month": self.months[at.month - 1], "year": str(at.year), "time": f"{at:%H:%M}"}
        return filled(form, words)


@dataclass(frozen=True)
class Rules:
    """Which template tells of what: by policy and outcome, else by outcome; and what corrects it."""

    name: str
    fallback: str
    outcomes: Mapping[str, str]
    reversals: Mapping[str, str]
    policies: Mapping[str, Mapping[str, str]]

    def template_for(self, outcome: str, policy: str) -> tuple[str, str]:
        """The template's name, empty where nothing is told; and then why, in the words of the rules."""
        own = self.policies.get(policy, {})
        name = own.get(outcome) or self.outcomes.get(outcome, NONE)
        return ("", own.get("why", "")) if name == NONE else (name, "")

    def correction_of(self, outcome: str) -> str:
        """The template that corrects what was told of an outcome, or nothing."""
        name = self.reversals.get(outcome, self.reversals["default"])
        return "" if name == NONE else name


@dataclass(frozen=True)
class Facts:
    """What a message may say of its decision, before it is in any language."""

    policy: str
    public_reason: str
    found_by: str  # one of FOUND_BY
    reference: str
    appeal_days: int
    appeal_url: str
    date: datetime
    until: datetime | None = None
    scope: str = ""


def filled(template: str, values: Mapping[str, str]) -> str:
    """The template with its names filled, in one pass: what stands in a value is text and is never filled again."""
    return _BRACES.sub(lambda found: _plain(values[found[1]]), template)


def _plain(value: str) -> str:
    """One line of it: no control characters, which a reader could not see."""
    return " ".join("".join(one if one.isprintable() else " " for one in value).split())


def language_for(
    wanted: str, template: str, policy: str, *, languages: Mapping[str, Language], fallback: str
) -> Language:
    """The account's language where it has the template and, if that names it, the wording of the policy; else the
    fallback. `pt-BR` is told in `pt`. Languages are never mixed in one message."""
    for name in dict.fromkeys((wanted, wanted.partition("-")[0].lower())):
        found = languages.get(name)
        if found is None or template not in found.templates or found.name == fallback:
            continue
        if policy in found.reasons or _REASON not in found.templates[template].text:
            return found
    return languages[fallback]


def message(language: Language, template: str, facts: Facts) -> str:
    """The words as they are sent."""
    values = {
        "until": language.moment(language.until, facts.until) if facts.until else language.open_end,
        "scope": language.scopes.get(facts.scope, ""),
        "public_reason": language.reasons.get(facts.policy, facts.public_reason),
        "policy_id": facts.policy,
        "date": language.moment(language.date, facts.date),
        "found_by": language.found_by[facts.found_by],
        "reference": facts.reference,
        "appeal_days": str(facts.appeal_days),
        "appeal_url": facts.appeal_url,
    }
    told = language.templates[template]
    words = filled(told.text, values)
    if not told.closing:
        return words
    return f"{words}\n\n{filled(language.closing_with_link if facts.appeal_url else language.closing, values)}"


def parse(text: str, *, file: str) -> Language | Rules:
    """The language, or the rules, in a TOML text. Raises `BadDescription` with file, line and reason."""
    check = _Check(text, file=file)
    return check.rules() if file == f"{RULES}.toml" else check.language()


def whole(found: Mapping[str, Language | Rules]) -> tuple[Rules, dict[str, Language]]:
    """Rules and languages that fit each other. Raises `BadDescription`."""
    rules = found.get(RULES)
    if not isinstance(rules, Rules):
        raise BadDescription(f"{RULES}.toml", 1, "there are no rules that say which template tells of what")
    languages = {name: one for name, one in found.items() if isinstance(one, Language)}
    if rules.fallback not in languages:
        raise BadDescription(f"{RULES}.toml", 1, f"there is no language {rules.fallback}, which it falls back to")
    own = (name for named in rules.policies.values() for key, name in named.items() if key != "why")
    for name in (*rules.outcomes.values(), *rules.reversals.values(), *own):
        if name != NONE and name not in languages[rules.fallback].templates:
            raise BadDescription(f"{rules.fallback}.toml", 1, f"has no template {name}, which the rules name")
    return rules, languages


class _Check(described.Walk):
    """Walks the rules, or a language."""

    def rules(self) -> Rules:
        self.only(self.told, {"name", "fallback", "outcomes", "reversals", "policies"}, "")
        outcomes, reversals = self.names("outcomes", OUTCOMES), self.names("reversals", {*OUTCOMES, "default"})
        if "default" not in reversals:
            self.refuse("reversals", "needs a default: what corrects any other outcome")
        policies = self.table("policies", {})
        for policy in policies:
            self.names(f"policies.{policy}", {*OUTCOMES, "why"}, policies[policy])
            if NONE in policies[policy].values() and not policies[policy].get("why"):
                self.refuse(f"policies.{policy}", "that nobody is told needs a `why`: the law that allows it")
        return Rules(RULES, self.string("fallback"), outcomes, reversals, policies)

    def names(self, where: str, known: Any, table: Any = None) -> dict[str, str]:
        table = self.table(where) if table is None else table
        self.only(table, set(known), where)
        for key, name in table.items():
            if not isinstance(name, str) or (key != "why" and name != NONE and not _TEMPLATE.fullmatch(name)):
                self.refuse(f"{where}.{key}", 'is the name of a template, such as "N-BAN", or "none"')
        return dict(table)

    def language(self) -> Language:
        self.only(
            self.told,
            {"name", "until", "open_end", "date", "months", "scopes", "found_by", "closing", "reasons", "templates"},
            "",
        )
        name = self.string("name")
        if not _LANGUAGE.fullmatch(name):
            self.refuse("name", f"{name!r} is no language, such as en or pt-BR")
        months = self.told.get("months")
        if not isinstance(months, list) or len(months) != 12 or not all(isinstance(one, str) and one for one in months):
            self.refuse("months", "is a list of twelve names")
        closing = self.table("closing")
        self.only(closing, {"version", "text", "with_link"}, "closing")
        self.version("closing", closing)
        if "{appeal_url}" in str(closing.get("text")):
            self.refuse("closing.text", "is sent where there is no address to appeal at; put it into with_link")
        return Language(
            name=name,
            until=self.template("until", self.told.get("until"), DAY_NAMES),
            open_end=self.template("open_end", self.told.get("open_end"), ()),
            date=self.template("date", self.told.get("date"), DAY_NAMES),
            months=tuple(months),
            scopes=self.words("scopes", SCOPES),
            found_by=self.words("found_by", FOUND_BY),
            closing=self.template("closing.text", closing.get("text"), NAMES),
            closing_with_link=self.template("closing.with_link", closing.get("with_link"), NAMES),
            templates={key: self.one(f"templates.{key}", told) for key, told in self.table("templates").items()},
            reasons=self.words("reasons", None),
        )

    def one(self, where: str, told: Any) -> Template:
        if not _TEMPLATE.fullmatch(where.partition(".")[2]):
            self.refuse(where, "a template is named in capitals, digits and dashes, such as N-BAN")
        self.only(told, {"version", "text", "closing"}, where)
        if not isinstance(told.get("closing", True), bool):
            self.refuse(f"{where}.closing", "closing is true or false")
        text = self.template(f"{where}.text", told.get("text"), NAMES)
        return Template(self.version(where, told), text, told.get("closing", True))

    def version(self, where: str, told: dict[str, Any]) -> int:
        number = told.get("version")
        if isinstance(number, bool) or not isinstance(number, int) or not 1 <= number <= 1_000_000:
            self.refuse(f"{where}.version", "version is a whole number from 1; raise it with every change of the text")
        return int(number)

    def words(self, where: str, keys: tuple[str, ...] | None) -> dict[str, str]:
        table = self.table(where, {} if keys is None else None)
        if keys is not None:
            self.only(table, set(keys), where)
            for key in keys:
                if key not in table:
                    self.refuse(where, f"has no {key}")
        for key, value in table.items():
            self.template(f"{where}.{key}", value, ())
        return dict(table)

    def template(self, where: str, text: Any, known: tuple[str, ...]) -> str:
        if not isinstance(text, str) or not text.strip() or len(text) > LONGEST:
            self.refuse(where, f"{where.rpartition('.')[2]} is a text of at most {LONGEST} characters")
        for name in _BRACES.findall(text):
            if name not in known:
                self.refuse(where, f"knows no value {{{name}}}; there are {', '.join(known) or 'none here'}")
        if set(_BRACES.sub("", text)) & set("{}"):
            self.refuse(where, "has a brace that names no value")
        if any(not one.isprintable() for one in text):
            self.refuse(where, "is one line of printable text")
        return str(text)

    def string(self, key: str) -> str:
        value = self.told.get(key)
        if not isinstance(value, str) or not value:
            self.refuse(key, f"{key} is a text")
        return str(value)
