"""Is a backend's description refused with the line and the reason?"""

from __future__ import annotations

import textwrap

import pytest
from django.conf import settings

from moderation.enforcement.connector import FOLDER
from moderation.enforcement.description import MEANINGS, REQUEST, TOP, parse
from moderation.enforcement.filling import NAMES
from moderation.enforcement.kinds import KINDS, OPPOSITE
from portal.described import BadDescription

SHIPPED = (FOLDER / "platform.toml").read_text(encoding="utf-8")


def with_line(old: str, new: str) -> tuple[str, int]:
    """The shipped description with one line changed, and that line's number."""
    lines = SHIPPED.splitlines()
    [number] = [n for n, line in enumerate(lines, 1) if line.startswith(old)]
    lines[number - 1] = new
    return "\n".join(lines), number


def test_the_shipped_one_says_every_kind():
    description = parse(SHIPPED, file="platform.toml")

    assert set(description.requests) == set(KINDS)
    assert [description.meaning(status) for status in (200, 500, 404, 409, 401, 422, 302)] == [
        "applied", "later", "gone", "read", "pause", "never", "never",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("base = ", 'base = "https://example.org"', "name of a setting"),
        ("secret = ", "", "name of a setting"),
        ("secret = ", 'secret = "SECRET_KEY"', "ends in _SECRET, _TOKEN or _PASSWORD"),
        ("read = ", 'read = [{ status = 409, at = "error" }]', "`is` is a text"),
        ("read = ", 'read = [{ status = "4xx", at = "error", is = "x" }]', "needs `status`, `at` and `is`"),
        ("read = ", 'read = [{ status = 409, at = "error", has = "x" }]', "knows no has here"),
        ("seq = ", "first = 1", "first is true or false"),
        ("path = \"/v1/accounts", "path = 1", "a path starts with one slash"),
        ("auth = ", 'auth = "magic"', "auth is one of hmac, bearer, basic"),
        ("idempotent = ", 'idempotent = "perhaps"', "idempotent is one of"),
        ("at_once = ", "at_once = 0", "at_once is a number"),
        ("at_once = ", "at_once = true", "at_once is a number"),
        ("platforms = ", "platforms = []", "names the platforms"),
        ("method = ", 'method = "GET"', "method is one of"),
        ("path = \"/v1/actions", 'path = "v1/actions"', "starts with one slash"),
        ("path = \"/v1/actions", 'path = "/v1/../actions"', "climbs nowhere"),
        ("path = \"/v1/actions", 'path = "/v1/{nobody}"', "knows no value {nobody}"),
        ("X-Account-Seq", 'X-Account-Seq = "{seq + 1}"', "a brace that names no value"),
        ("X-Account-Seq", 'X-Account-Seq = "a\\nb"', "printable ASCII"),
        ("kind = ", 'kind = "{{kind}}"', "a brace that names no value"),
        ("kind = ", 'kind = 2026-11-20', "a body holds text"),
        ("gone = ", "gone = [404, 200]", "200 has a meaning already"),
        ("gone = ", 'gone = ["9xx"]', "is no status"),
        ("gone = ", "went = [404]", "knows no went"),
        ("[kinds.ban]", "[kinds.banish]", "knows no kind banish"),
        ("effect = ", "effects = 1", "knows no effects"),
    ],
)  # fmt: skip
def test_it_refuses_what_does_not_check_out_at_its_line(old, new, reason):
    text, number = with_line(old, new)

    with pytest.raises(BadDescription) as refused:
        parse(text, file="platform.toml")

    assert reason in str(refused.value)
    if new:  # what is missing altogether has no line of its own
        assert str(refused.value).startswith(f"platform.toml, line {number}: ")


def test_it_refuses_broken_toml_at_its_line():
    text, number = with_line("auth = ", 'auth = "hmac')

    with pytest.raises(BadDescription, match=f"platform.toml, line {number}: "):
        parse(text, file="platform.toml")


def test_it_wants_a_way_to_look_where_repeating_is_not_safe():
    text = SHIPPED.replace('idempotent = "key" ', 'idempotent = "none" ').replace("[read]\n", "[answers.read]\n")

    with pytest.raises(BadDescription):
        parse(text, file="platform.toml")


def test_an_answer_can_be_told_apart_by_its_body():
    text, _ = with_line("gone = ", 'gone = [410, { status = 404, at = "error.code", is = "no_account" }]')

    description = parse(text, file="platform.toml")

    told = [{"error": {"code": "no_account"}}, {"error": {"code": "no_path"}}, {"error": "no_account"}, None]
    assert [description.meaning(404, one) for one in told] == ["gone", "never", "never", "never"]
    assert description.meaning(410) == "gone"


def test_a_number_is_not_taken_for_yes():
    text, _ = with_line("gone = ", 'gone = [{ status = 404, at = "gone", is = true }]')

    description = parse(text, file="platform.toml")

    assert [description.meaning(404, {"gone": value}) for value in (True, 1)] == ["gone", "never"]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("[check]\nwho = 1", "knows no who here"),
        ("[check]\naccount = 1", "account is a text"),
        ('[check]\nanswers = ["4xx"]', "a list of statuses"),
    ],
)
def test_it_refuses_a_check_that_does_not_check_out(line, reason):
    text = SHIPPED + "\n" + line + "\n"

    with pytest.raises(BadDescription, match=f"line {len(text.splitlines())}: .*{reason}"):
        parse(text, file="platform.toml")


def test_the_worked_example_is_one():
    page = (settings.BASE_DIR / "docs/backends.md").read_text(encoding="utf-8")
    example = textwrap.dedent(page.partition("```toml\n")[2].partition("   ```")[0])

    description = parse(example, file="wings.toml")

    assert (description.name, list(description.requests)) == ("wings", ["suspend", "unsuspend"])
    said = f"wings.toml, line {description.line('kinds.suspend.reads')}: suspend: there is no account.suspended"
    assert said in page
    assert f"wings.toml, line {description.line('idempotent')}: idempotent is one of" in page


def test_the_page_has_every_key_kind_and_value():
    page = (settings.BASE_DIR / "docs/backends.md").read_text(encoding="utf-8")
    keys = {*TOP, *REQUEST, "reads", "seq", "first", "account", *MEANINGS} - {
        "read",
        "send",
        "check",
        "kinds",
        "answers",
    }

    assert [word for word in sorted(keys | set(KINDS)) if f"`{word}`" not in page] == []
    assert [name for name in NAMES if f"`{{{name}}}`" not in page] == []


def test_every_kind_of_the_homeserver_can_be_read_back_and_lifted():
    description = parse((FOLDER / "synapse.toml").read_text(encoding="utf-8"), file="synapse.toml")

    assert {OPPOSITE[kind] for kind in description.requests} == set(description.requests)
    assert all(request.reading for request in description.requests.values())
