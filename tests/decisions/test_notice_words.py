"""Are the words right, in the right language, and is a template refused that could say too much?"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from moderation.decisions import notice_words, telling
from moderation.decisions.effects import OUTCOMES, SCOPES
from moderation.decisions.models import Policy
from moderation.decisions.notice_words import NAMES, Facts, filled, language_for, message, parse
from portal.described import BadDescription
from tests.make import NOON, ship_settings

FACTS = Facts(
    policy="SPM-1.1", public_reason="the account sent many alike messages", found_by="automation", reference="d-1",
    appeal_days=184, appeal_url="", date=NOON, until=NOON + timedelta(days=7), scope="messages",
)  # fmt: skip
ENGLISH = (telling.FOLDER / "en.toml").read_text(encoding="utf-8")
RULES = (telling.FOLDER / "rules.toml").read_text(encoding="utf-8")


def english(**facts: Any) -> str:
    _, languages = telling.templates()
    return message(languages["en"], "N-SUSPEND", replace(FACTS, **facts))


def test_it_says_what_why_until_when_how_it_was_found_and_how_to_appeal():
    words = english()

    assert words.startswith("Your account is suspended until 27 November 2026, 12:00 UTC. The reason: the account sent")
    assert "(SPM-1.1)" in words
    assert "Our automated checks pointed to the account, and a person decided." in words
    assert "within 184 days" in words
    assert "d-1" in words


def test_an_address_to_appeal_at_is_named_where_there_is_one():
    assert "by answering it" in english()
    assert "https://x.example/appeal/d-1" in english(appeal_url="https://x.example/appeal/d-1")


def test_a_time_is_told_by_utc_whatever_its_zone():
    there = datetime(2026, 12, 31, 23, 30, tzinfo=timezone(timedelta(hours=-5)))

    assert "until 1 January 2027, 04:30 UTC" in english(until=there)


def test_a_value_is_text_and_is_never_filled_again():
    assert "{reference}" in english(public_reason="it says {reference}")


def test_what_cannot_be_seen_in_a_value_is_not_sent():
    assert filled("a {scope} b", {"scope": "x\n\u202ey\x00"}) == "a x y b"


@pytest.mark.parametrize(
    ("lang", "template", "policy", "language"),
    [
        ("pt", "N-BAN", "SPM-1.1", "pt"),
        ("pt-BR", "N-BAN", "SPM-1.1", "pt"),
        ("PT", "N-BAN", "SPM-1.1", "pt"),
        ("pt", "N-BAN", "MON-1.1", "en"),  # the wording of that policy is not there in it
        ("pt", "N-UNDONE", "MON-1.1", "pt"),  # which does not name the reason
        ("ar", "N-BAN", "SPM-1.1", "en"),  # the template is not
        ("", "N-BAN", "SPM-1.1", "en"),
        ("xx", "N-BAN", "SPM-1.1", "en"),
    ],
)
def test_it_speaks_the_accounts_language_where_all_of_it_is_there(lang, template, policy, language):
    _, languages = telling.templates()

    assert language_for(lang, template, policy, languages=languages, fallback="en").name == language


def test_every_shipped_template_of_every_language_can_be_filled():
    _, languages = telling.templates()

    for language in languages.values():
        for template in language.templates:
            for scope in SCOPES:
                for until in (None, NOON):
                    words = message(
                        language, template, FACTS.__class__(**{**FACTS.__dict__, "scope": scope, "until": until})
                    )
                    assert not set(words) & set("{}"), (language.name, template)
                    assert len(words) < 2000


def test_every_outcome_that_does_something_is_told_and_corrected():
    rules, languages = telling.templates()

    for outcome, effect in OUTCOMES.items():
        assert bool(rules.template_for(outcome, "")[0]) == bool(effect.sends)
        assert rules.correction_of(outcome) in languages["en"].templates


def test_no_name_says_how_an_account_was_detected():
    said = {"rule", "score", "points", "strategy", "signal", "model", "feature", "reporter", "handle", "evidence"}

    assert not {name for name in NAMES if any(word in name for word in said)}


@pytest.mark.django_db
def test_the_wording_of_every_translated_policy_is_of_a_policy_in_force():
    ship_settings()
    known = set(Policy.objects.filter(in_force=True).values_list("code", flat=True))
    rules, languages = telling.templates()

    assert not {code for language in languages.values() for code in language.reasons} - known
    assert not set(rules.policies) - known


def where(text: str, words: str) -> int:
    """The line on which these words begin."""
    return text[: text.index(words)].count("\n") + 1


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("found that {public_reason}", "found by {rule_name}", "knows no value {rule_name}; there are until, scope"),
        ("found that {public_reason}", "found at {points} points", "knows no value {points}"),
        ("found that {public_reason}", "found {account.handle}", "has a brace that names no value"),
        ("found that {public_reason}", "found {{public_reason}}", "has a brace that names no value"),
        ("found that {public_reason}", "found %s" + "x" * 2000, "a text of at most 2000 characters"),
        ("found that {public_reason}", "found\\u202e", "one line of printable text"),
    ],
)
def test_a_template_that_does_not_check_out_is_refused_with_its_line(old, new, reason):
    with pytest.raises(BadDescription) as refused:
        parse(ENGLISH.replace(old, new, 1), file="en.toml")

    assert refused.value.line == where(ENGLISH, 'text = "We looked at your account')
    assert reason in str(refused.value)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("[templates.N-WARN]\nversion = 1", "[templates.N-WARN]", "version is a whole number from 1"),
        ("[templates.N-WARN]", "[templates.warn]", "is named in capitals"),
        ('live = "going live"\n', "", "has no live"),
        ('automation = "', 'machine = "', "knows no machine here"),
        ('name = "en"', 'name = "English"', "is no language"),
        ("with_link = ", "link = ", "knows no link here"),
        ('"December"]', "]", "twelve names"),
        ('open_end = "until further notice"', 'open_end = "{until}"', "knows no value {until}; there are none here"),
        ("by answering it; name", "at {appeal_url}; name", "no address to appeal at"),
        ("closing = false", "closing = 0", "true or false"),
    ],
)
def test_a_language_that_is_not_whole_is_refused(old, new, reason):
    assert old in ENGLISH

    with pytest.raises(BadDescription, match=reason.replace("{", r"\{").replace("}", r"\}")):
        parse(ENGLISH.replace(old, new, 1), file="en.toml")


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ('ban = "N-BAN"', 'ban = "close it"', "is the name of a template"),
        ('ban = "N-BAN"', 'banish = "N-BAN"', "knows no banish here"),
        ('default = "N-UNDONE"', "", "needs a default"),
        ("why = ", "# ", "needs a `why`"),
    ],
)
def test_rules_that_do_not_check_out_are_refused(old, new, reason):
    with pytest.raises(BadDescription, match=reason):
        parse(RULES.replace(old, new, 1), file="rules.toml")


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"en.toml": ENGLISH.replace("[templates.N-BAN]", "[templates.N-SHUT]")}, "has no template N-BAN"),
        ({"rules.toml": RULES.replace('fallback = "en"', 'fallback = "fr"')}, "no language fr"),
        ({"rules.toml": None}, "there are no rules"),
        ({"en.toml": ENGLISH.replace("{public_reason}", "{score}", 1)}, r"en.toml, line \d+: knows no value \{score\}"),
    ],
)
def test_a_folder_of_ones_own_is_checked_as_a_whole(tmp_path: Path, settings, changed, reason):
    for name, text in ({"en.toml": ENGLISH, "rules.toml": RULES} | changed).items():
        if text is not None:
            (tmp_path / name).write_text(text, encoding="utf-8")
    settings.NOTICES_DIR = str(tmp_path)

    with pytest.raises(ImproperlyConfigured, match=reason):
        telling.templates()


def test_a_folder_of_ones_own_replaces_the_shipped_words(tmp_path: Path, settings):
    (tmp_path / "en.toml").write_text(ENGLISH.replace("Your account is closed", "We closed it"), encoding="utf-8")
    (tmp_path / "rules.toml").write_text(RULES, encoding="utf-8")
    settings.NOTICES_DIR = str(tmp_path)

    _, languages = telling.templates()

    assert set(languages) == {"en"}
    assert languages["en"].templates["N-BAN"].text.startswith("We closed it")
    settings.NOTICES_DIR = str(tmp_path / "nowhere")
    with pytest.raises(ImproperlyConfigured, match="is no folder"):
        telling.templates()


def test_it_is_pure():
    assert "Pure" in (notice_words.__doc__ or "")
