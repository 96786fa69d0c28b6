"""Does the application's log, and a report of an error, say where and what kind, and nobody's data?"""

from __future__ import annotations

import logging
import sys

import pytest
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import IntegrityError, OperationalError
from django.test import RequestFactory
from django.views.debug import get_default_exception_reporter_filter, get_exception_reporter_class

from portal.logs import Line, hushed, words_of
from portal.refusal import Refused

SECRET = "lucky_deals@mail.example"


def line(message, *args, error=None):
    """The line as the handler of the settings would write it."""
    info = (type(error), error, error.__traceback__) if error else None
    record = logging.LogRecord("house", logging.ERROR, __file__, 1, message, args, info)
    return Line("%(levelname)s %(message)s").format(record)


def raised(error, cause=None):
    """The error as somebody caught it, on the way from another one."""
    private = SECRET  # noqa: F841 - what a report would show of this frame
    try:
        try:
            raise cause or KeyError("nothing")
        except Exception:
            raise error  # noqa: B904 - the context is what is tested
    except type(error) as caught:
        return caught


def test_the_settings_use_them():
    assert settings.LOGGING["formatters"]["line"]["()"] == "portal.logs.Line"
    assert type(get_default_exception_reporter_filter()).__name__ == "Reports"


def test_a_traceback_shows_places_and_kinds_without_words():
    text = line("it broke", error=raised(ValueError(f"Invalid isoformat string: '{SECRET} 1999'"), KeyError("lucky")))

    assert "ValueError (its words are left out)" in text
    assert "KeyError" in text
    assert "in raised" in text
    assert "lucky" not in text


@pytest.mark.parametrize(
    "error",
    [
        OperationalError("the server closed the connection"),
        ImproperlyConfigured("VAULT_KEY is not set"),
        ConnectionResetError("reset by peer"),
        Refused("Somebody else was first."),
    ],
)
def test_errors_that_speak_of_machines_keep_their_words(error):
    assert str(error).split()[-1].strip(".]") in line("it broke", error=raised(error))


def test_a_constraint_is_named_and_the_row_is_not():
    error = IntegrityError(
        'duplicate key value violates unique constraint "one_row_per_account"\n'
        f"DETAIL:  Key (external_id)=({SECRET}) already exists."
    )

    assert "one_row_per_account" in words_of(error)
    assert SECRET not in line("not stored", error=raised(error))


def test_an_error_given_as_a_word_is_told_by_its_kind():
    assert line("waiting: %s", ValueError(SECRET)) == "ERROR waiting: ValueError (its words are left out)"


def test_a_failed_task_tells_no_arguments():
    told = {
        "name": "moderation.cases.tasks.take_new", "id": "1", "description": "raised unexpected",
        "exc": f"ValueError('{SECRET}')", "traceback": SECRET, "args": f"('{SECRET}',)", "kwargs": "{}",
    }  # fmt: skip
    record = logging.LogRecord("celery.app.trace", logging.ERROR, __file__, 1,
                               "Task %(name)s[%(id)s] %(description)s: %(exc)s", (told,), None)  # fmt: skip

    text = Line("%(message)s").format(record)

    assert text == "Task moderation.cases.tasks.take_new[1] raised unexpected: •••"


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        (f"for {SECRET}: no", "for •••@•••: no"),
        ("from 203.0.113.9 twice", "from ••• twice"),
        ("on 127.0.0.1:8000, version 2.8.7", "on 127.0.0.1:8000, version 2.8.7"),
        ("called +1 202 555 0143 back", "called +••• back"),
        ("Internal Server Error: /accounts/main/lucky deals/", "Internal Server Error: /accounts/main/•••"),
        ("at 2026-11-20T12:00:00+00:00 it rang", "at 2026-11-20T12:00:00+00:00 it rang"),
    ],
)
def test_what_looks_like_somebody_is_masked(said, shown):
    assert hushed(said) == shown


def test_a_report_holds_no_body_no_cookie_and_no_variable():
    request = RequestFactory().post(
        f"/search/?q={SECRET}", {"q": SECRET}, headers={"Cookie": f"session={SECRET}", "User-Agent": SECRET}
    )
    try:
        raise raised(ValueError(SECRET), KeyError(SECRET))
    except ValueError:
        report = get_exception_reporter_class(request)(request, *sys.exc_info())
    text, html = report.get_traceback_text(), report.get_traceback_html()

    for told in (text, html):
        assert "ValueError" in told
        assert SECRET not in told
        assert "lucky_deals" not in told
