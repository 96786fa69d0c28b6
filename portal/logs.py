"""What may a line of the application's log say, and a report of an error? Where and what kind, never whose data.

The text of an exception often quotes what it choked on, a variable holds a whole person, and a database names the row
that did not fit. So a traceback shows places and the kinds of errors; words stand beside it only where the kind of
error speaks of machines and not of data. As a second net, what looks like an e-mail, an address of a machine outside, a
phone number or an account in a URL is masked in every line.
"""

from __future__ import annotations

import copy
import ipaddress
import logging
import re
import traceback
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any

from django.http import HttpRequest
from django.views.debug import ExceptionReporter, SafeExceptionReporterFilter

DOTS = "•••"
# Errors whose words speak of connections, settings and state; of every other kind the words are left out.
TELL = {"ConnectionError", "ImproperlyConfigured", "OSError", "OperationalError", "Refused", "SoftTimeLimitExceeded"}
# The first line of these names a table and a constraint; the lines after it quote the row.
FIRST_LINE = {"IntegrityError", "InternalError"}
CELERY = {"exc", "traceback", "args", "kwargs"}  # what Celery adds to the line of a failed task

_MAIL = re.compile(r"[\w.+%-]+@[\w-]+(\.[\w-]+)+")
_PHONE = re.compile(r"(?<![\w.:+-])\+\d[\d ()./-]{6,}\d(?![\w:-])")
_IP = re.compile(r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?![\w.]*\w)")
_ACCOUNT = re.compile(r"(/accounts/[^/\s?]+/)[^\n?\"']+")


class Line(logging.Formatter):
    """A line as the log shows it: errors by kind and place, values masked."""

    def format(self, record: logging.LogRecord) -> str:
        """The whole entry; the record itself is left as it is for others."""
        safe = copy.copy(record)
        safe.args, safe.exc_text = _told(record.args), None
        return hushed(super().format(safe))

    def formatException(self, ei: Any) -> str:
        """The places of an error and of what it came from, without the words that may quote a value."""
        return "\n".join(_traceback(ei[1])) if ei and ei[1] is not None else ""


def words_of(error: BaseException) -> str:
    """The kind of an error, with its words where they cannot quote anybody's data."""
    kind = f"{type(error).__module__}.{type(error).__qualname__}".removeprefix("builtins.")
    families = {base.__name__ for base in type(error).__mro__}
    said = str(error).strip().splitlines()
    if said and families & TELL:
        return f"{kind}: {said[0]}"
    if said and families & FIRST_LINE:
        return f"{kind}: {said[0]}"
    return f"{kind} (its words are left out)" if said else kind


def hushed(text: str) -> str:
    """A line with what looks like a personal value masked."""
    text = _MAIL.sub(DOTS + "@" + DOTS, text)
    text = _ACCOUNT.sub(r"\1" + DOTS, text)
    text = _PHONE.sub("+" + DOTS, text)
    return _IP.sub(lambda found: found[0] if _ours(found[0]) else DOTS, text)


class Reports(SafeExceptionReporterFilter):
    """For error reports: no body, no cookie, no header of a person, no variable."""

    def is_active(self, request: HttpRequest | None) -> bool:
        """Always, also where DEBUG is on."""
        return True

    def get_post_parameters(self, request: HttpRequest | None) -> dict[str, Any]:
        """The names of what was sent, never what."""
        return dict.fromkeys(request.POST, self.cleansed_substitute) if request is not None else {}

    def get_traceback_frame_variables(self, request: HttpRequest, tb_frame: Any) -> Any:
        """The names of the variables, never what was in them."""
        return [(name, self.cleansed_substitute) for name in tb_frame.f_locals]

    def get_safe_cookies(self, request: HttpRequest) -> dict[str, Any]:
        """The names of the cookies."""
        return dict.fromkeys(getattr(request, "COOKIES", {}), self.cleansed_substitute)

    def get_safe_request_meta(self, request: HttpRequest) -> dict[str, Any]:
        """Method, path and server; the rest says who somebody is."""
        kept = {"REQUEST_METHOD", "SERVER_NAME", "SERVER_PORT", "CONTENT_TYPE", "CONTENT_LENGTH"}
        return {name: value for name, value in getattr(request, "META", {}).items() if name in kept}


class Report(ExceptionReporter):
    """An error report whose own words quote nothing either."""

    def get_traceback_data(self) -> dict[str, Any]:
        """What Django would tell, with the words of the errors left out."""
        data = super().get_traceback_data()
        data["exception_value"] = words_of(self.exc_value) if self.exc_value else ""
        data.pop("exception_notes", None)
        data.pop("unicode_hint", None)
        for frame in data.get("frames", ()):
            cause = frame.get("exc_cause")
            frame["exc_cause"] = words_of(cause) if isinstance(cause, BaseException) else None
        for name in ("filtered_GET_items", "request_GET_items"):
            if name in data:
                data[name] = [(key, DOTS) for key, _ in data[name]]
        data["request_insecure_uri"] = hushed(str(data.get("request_insecure_uri") or ""))
        return data


def _told(args: Any) -> Any:
    """The arguments of a line, errors among them by kind; what Celery says of a failed task without its words."""
    if isinstance(args, Mapping):
        return {name: DOTS if name in CELERY else _one(value) for name, value in args.items()}
    return tuple(_one(value) for value in args) if isinstance(args, tuple) else args


def _one(value: Any) -> Any:
    return words_of(value) if isinstance(value, BaseException) else value


def _traceback(error: BaseException | None) -> Iterator[str]:
    chain: list[BaseException] = []
    while error is not None and error not in chain:
        chain.append(error)
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    for place, one in enumerate(reversed(chain)):
        if place:
            yield "which led to:"
        yield from _places(one.__traceback__)
        yield words_of(one)


def _places(tb: TracebackType | None) -> Iterator[str]:
    for frame in traceback.extract_tb(tb):
        yield f'  File "{frame.filename}", line {frame.lineno}, in {frame.name}'


def _ours(address: str) -> bool:
    """Whether an address is of this machine or its neighbours, or is none at all, such as a version."""
    try:
        return not ipaddress.ip_address(address).is_global and not _is_example(address)
    except ValueError:
        return True


def _is_example(address: str) -> bool:
    """The nets of RFC 5737: not global, and what tests and stories use for people."""
    return address.startswith(("192.0.2.", "198.51.100.", "203.0.113."))
