"""Can a cell run as a formula in a spreadsheet?"""

from __future__ import annotations

import csv
import io

import pytest

from moderation.insight.cells import csv_text, safe

STARTS = ["=", "+", "-", "@", "＝", "＋", "－", "＠", "−", "﹢", "﹣", "﹦", "﹫"]
BLANKS = " \t\r\n\x0b\x1f\u00a0\u200b\ufeff\u2028\u3000\u2060"
BEFORE = ["", *BLANKS, "   ", "\r\n", "x\n", "x\r\n "]
AFTER = [
    "1+1",
    "cmd|' /C calc'!A0",
    'HYPERLINK("http://x.example","a")',
    "SUM(1)*cmd|' /C calc'!A0",
    'IMPORTXML("http://x.example","//a")',
]
ODD = [
    "\tx",
    "\rx",
    "\x00=1",
    "\x00x",
    "a\x00=1",
    "-",
    "+",
    "=",
    "@",
    "-1-1",
    "--1",
    "+1",
    "-1e5",
    "=-1",
    "-0x10",
    "-1,000",
]
CORPUS = [before + start + after for before in BEFORE for start in STARTS for after in AFTER] + ODD
HARMLESS = ["", "a", "case 12", "SPM-1.2", "main:48211", "a=b", "a-b", "x@example.com", "1+1", '{"a": 1}', "'=1", "لا"]
NUMBERS = ["0", "1", "-1", "48211", "-5.25", "0.4500", "123456789012345", "-123456789.123456"]


def test_it_has_a_corpus_worth_the_name():
    assert len(set(CORPUS)) >= 500


def test_it_puts_a_quote_before_what_would_run():
    assert [payload for payload in CORPUS if safe(payload) != "'" + payload] == []


@pytest.mark.parametrize("text", HARMLESS)
def test_it_leaves_other_texts_alone(text: str):
    assert safe(text) == text


@pytest.mark.parametrize("number", NUMBERS)
def test_it_leaves_numbers_as_they_are(number: str):
    assert safe(number) == number
    assert float(safe(number)) == float(number)


def test_it_quotes_every_cell_so_that_no_other_separator_splits_one():
    text = csv_text(["a;b", "c"], [["x;=1+1", 'say "hi"'], ["two\nlines", None]])

    assert list(csv.reader(io.StringIO(text))) == [["a;b", "c"], ["x;=1+1", 'say "hi"'], ["two\nlines", ""]]
    assert all(line.startswith('"') for line in text.split("\r\n") if line)
