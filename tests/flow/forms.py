"""What can a person without JavaScript send from a page? Its forms, filled in as the page gave them."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any


@dataclass
class Form:
    """One form: where it goes and what stands in it."""

    action: str
    method: str
    fields: dict[str, Any] = field(default_factory=dict)
    choices: dict[str, set[str]] = field(default_factory=dict)

    def send(self, client: Any, **said: Any) -> Any:
        """Fill in and send. What is a choice must be one the page offers."""
        for name, value in said.items():
            offered = self.choices.get(name)
            assert name in self.fields or offered, f"{self.action} has no field {name}: {sorted(self.fields)}"
            assert not offered or str(value) in offered, f"{name}={value} is not offered: {sorted(offered)}"
        return client.post(self.action, {**self.fields, **said}, follow=True)


class _Reader(HTMLParser):
    """Collects forms; a control outside its form names it by `form=`."""

    def __init__(self, here: str) -> None:
        super().__init__()
        self.here, self.forms, self.by_id = here, [], {}
        self.form: Form | None = None
        self.select: str | None = None
        self.area: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.form = Form(given.get("action") or self.here, given.get("method", "get").lower())
            self.forms.append(self.form)
            self.by_id[given.get("id", "")] = self.form
        goal = self.by_id.get(given["form"]) if "form" in given else self.form
        name = given.get("name", "")
        if goal is None or (not name and tag != "option"):
            return
        if tag == "input" and given.get("type", "text") in {"radio", "checkbox"}:
            goal.choices.setdefault(name, set()).add(given.get("value", "on"))
            if "checked" in given:
                goal.fields[name] = given.get("value", "on")
        elif tag == "input" and given.get("type") != "submit":
            goal.fields[name] = given.get("value", "")
        elif tag == "button":
            goal.choices.setdefault(name, set()).add(given.get("value", ""))
        elif tag == "select":
            self.select = name
        elif tag == "textarea":
            self.area, goal.fields[name] = name, ""
        elif tag == "option" and self.select:
            goal.choices.setdefault(self.select, set()).add(given.get("value", ""))
            if "selected" in given or self.select not in goal.fields:
                goal.fields[self.select] = given.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self.form = None
        elif tag == "select":
            self.select = None
        elif tag == "textarea":
            self.area = None

    def handle_data(self, data: str) -> None:
        if self.area and self.form:
            self.form.fields[self.area] += data


def forms_of(response: Any) -> list[Form]:
    """Every form of an answered page."""
    request = response.request
    reader = _Reader(request["PATH_INFO"])
    reader.feed(response.content.decode())
    return reader.forms


def form_to(response: Any, ending: str) -> Form:
    """The form of a page whose address ends so."""
    found = [
        form for form in forms_of(response) if form.method == "post" and form.action.split("?")[0].endswith(ending)
    ]
    assert found, f"no form to …{ending}: {sorted(form.action for form in forms_of(response))}"
    return found[0]
