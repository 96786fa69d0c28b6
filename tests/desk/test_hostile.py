"""Is what somebody wrote shown whole, visible and harmless?"""

from __future__ import annotations

import pytest
from django.template.loader import render_to_string
from hypothesis import given, settings
from hypothesis import strategies as st

from moderation.desk.hostile import LONGEST, defang, segments


def said(text):
    return [(part["kind"], part["text"]) for part in segments(text)]


def drawn(text):
    return render_to_string("parts/hostile.html", {"text": text})


def test_it_leaves_plain_text_alone():
    assert said("Hello, 你好, مرحبا 👋🏽\nline two") == [("text", "Hello, 你好, مرحبا 👋🏽\nline two")]


@pytest.mark.parametrize(
    "code", [0x200B, 0x200E, 0x202E, 0x2066, 0xFEFF, 0xE0041, 0x0000, 0x001B, 0x00AD, 0x2028, 0x3164, 0xE000]
)
def test_it_names_what_hides_or_turns_text(code):
    assert said(f"a{chr(code)}b") == [("text", "a"), ("mark", f"U+{code:04X}"), ("text", "b")]


def test_it_survives_a_lone_surrogate():
    assert ("mark", "U+D800") in said("a\ud800b")


def test_it_keeps_three_combining_marks_and_names_the_rest():
    marks = [part for part in segments("z" + "\u0301" * 50) if part["kind"] == "mark"]
    assert len(marks) == 47


@pytest.mark.parametrize(
    ("link", "shown"),
    [
        ("https://prize.example/c/9f", "hxxps://prize[.]example/c/9f"),
        ("HTTP://A.example", "hxxP://A[.]example"),
        ("www.prize.example/x?y=z.w", "www[.]prize[.]example/x?y=z.w"),
        ("javascript:alert(1)", "javascript[:]alert(1)"),
        ("someone@shop.example", "someone[at]shop[.]example"),
        ("data:text/html,x", "data[:]text/html,x"),
    ],
)
def test_it_makes_links_unfollowable(link, shown):
    kinds = said(f"see {link} now")
    assert [text for kind, text in kinds if kind == "link"] == [shown.replace("hxxP", "hxxp")] or defang(
        link
    ).lower() == shown.lower()
    assert all(link not in text for _, text in kinds)


@pytest.mark.parametrize(
    "text", ["note: this is fine. And so on", "2026-11-21T00:18:35.963668+00:00", "at 10:31.", "3.5:1"]
)
def test_a_colon_alone_makes_no_link(text):
    assert [kind for kind, _ in said(text)] == ["text"]


def test_an_unknown_scheme_before_a_host_is_a_link():
    assert said("myapp:pay.example") == [("link", "myapp[:]pay[.]example")]


def test_an_invisible_character_inside_a_link_is_named():
    assert ("mark", "U+200B") in said("https://pri\u200bze.example/x")


def test_a_letter_that_imitates_another_is_named():
    assert said("p\u0430ypal") == [("text", "p"), ("mark", "\u0430 U+0430"), ("text", "ypal")]


def test_a_text_in_one_script_is_left_alone():
    assert [
        kind
        for kind, _ in said(
            "\u041f\u0440\u0438\u0432\u0435\u0442, \u03ba\u03b1\u03bb\u03b7\u03bc\u03ad\u03c1\u03b1, caf\u00e9"
        )
    ] == ["text"]


def test_every_letter_of_a_link_that_is_not_ascii_is_named():
    marks = [text for kind, text in said("https://\u0430\u0440\u0440le.example") if kind == "mark"]
    assert marks == ["\u0430 U+0430", "\u0440 U+0440", "\u0440 U+0440"]


def test_markup_is_drawn_as_text():
    html = drawn("<script>alert(1)</script><img src=x onerror=alert(1)>")
    assert "<script" not in html
    assert "<img" not in html
    assert "&lt;script&gt;" in html


def test_a_very_long_text_is_cut_and_says_so():
    last = segments("a" * (LONGEST + 5))[-1]
    assert last["kind"] == "mark"
    assert last["text"].startswith("5 more")


HOSTILE_CHARACTERS = st.text(
    alphabet=st.one_of(
        st.characters(),
        st.sampled_from("\u202a\u202b\u202d\u202e\u2066\u2067\u200b\u200c\u200d\ufeff\x00\x1b<>\"'&{}`\\/:.@#?="),
        st.characters(min_codepoint=0xE0000, max_codepoint=0xE007F),
    ),
    max_size=300,
)


@settings(max_examples=1000, deadline=None)
@given(HOSTILE_CHARACTERS)
def test_whatever_is_written_nothing_acts_and_nothing_is_lost(text):
    parts = segments(text)
    html = drawn(text)
    outside = html.replace("&lt;", "").replace("&gt;", "")
    assert outside.count("<bdi") == 1
    assert outside.count("<") == outside.count("</") * 2
    plain = "".join(part["text"] for part in parts if part["kind"] == "text")
    assert all(character in text for character in plain)
    assert not any(0x202A <= ord(character) <= 0x202E or 0x2066 <= ord(character) <= 0x2069 for character in html)
