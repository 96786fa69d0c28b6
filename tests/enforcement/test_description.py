"""Is a backend's description refused with the line and the reason?"""

from __future__ import annotations

import pytest

from moderation.enforcement.connector import FOLDER
from moderation.enforcement.description import BadDescription, parse
from moderation.enforcement.kinds import KINDS

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
