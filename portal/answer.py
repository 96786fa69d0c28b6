"""What does a POST answer?

The partial for htmx, a redirect to the thing for a plain form; a refusal as a notice or a page.
"""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from portal.refusal import Refused


def answer(request: HttpRequest, template: str, *, to: Any, say: str = "", **context: Any) -> HttpResponse:
    """Reply to a POST that worked.

    For htmx: `template` (a page's `#partial`) rendered with `context`. For a plain form: a redirect to `to` (an object
    with `get_absolute_url`, a URL name or a path). `say` is a sentence for the notice area either way.
    """
    if getattr(request, "htmx", False):
        if say:
            context["say"] = say
        return render(request, template, context)
    if say:
        messages.success(request, say)
    return redirect(to)


def refuse(request: HttpRequest, refused: Refused) -> HttpResponse:
    """Reply to a POST that the house refused: 409 or 422 with the sentence."""
    context = {"sentence": refused.sentence, "state": refused.state}
    template = "409.html#notice" if getattr(request, "htmx", False) else "409.html"
    return render(request, template, context, status=refused.status)
