"""Who comes to the web? People with a key of the API and a browser that is signed in, many of them at one moment.

The web is the real process behind a real port; every thread keeps a connection of its own.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import requests

from tests.faults.stage import Stage, until

PASSWORD = "a long sentence nobody guesses"
PATIENCE = 60  # seconds for one answer


@dataclass
class Answer:
    """What somebody was told: `told` is the JSON of the API, `text` a page."""

    status: int
    text: str
    told: Any
    to: str  # where a page sends its reader next


class Visitor:
    """One person: `api()` sends with their key, `page()` from their browser."""

    def __init__(self, web: Web, user: Any, key: str) -> None:
        self.web, self.user, self.key = web, user, key
        self.cookies: dict[str, str] = {}

    def api(self, path: str, told: dict[str, Any] | None = None, *, once: str = "") -> Answer:
        """POST to the API; `once` is the Idempotency-Key."""
        headers = {"Authorization": f"Bearer {self.key}"} | ({"Idempotency-Key": once} if once else {})
        return self.web.send("POST", f"/api/v1{path}", headers=headers, json=told or {})

    def page(self, path: str, form: dict[str, Any] | None = None) -> Answer:
        """GET a page, or POST a form from it, as a browser without JavaScript does."""
        if form is None:
            return self.web.send("GET", path, cookies=self.cookies)
        form = {"csrfmiddlewaretoken": self.cookies.get("csrf", ""), **form}
        return self.web.send("POST", path, data=form, cookies=self.cookies)

    def form(self, path: str, ending: str) -> dict[str, Any]:
        """What stands in the form of a page whose address ends so."""
        from tests.flow.forms import form_to

        answer = self.page(path)
        page = SimpleNamespace(request={"PATH_INFO": path}, content=answer.text.encode())
        return dict(form_to(page, ending).fields)

    def sign_in(self) -> None:
        """Once, with name and password; the browser keeps what it is given."""
        with requests.Session() as browser:
            browser.get(f"{self.web.url}/sign-in/", timeout=PATIENCE)
            said = {"username": self.user.username, "password": PASSWORD, "next": "/"}
            said["csrfmiddlewaretoken"] = browser.cookies["csrf"]
            answer = browser.post(f"{self.web.url}/sign-in/", said, timeout=PATIENCE, allow_redirects=False)
            if answer.status_code != 302:
                raise RuntimeError(f"{self.user} was not let in: {answer.status_code}")
            self.cookies = dict(browser.cookies)


class Web:
    """The web process of a stage, started and there."""

    def __init__(self, stage: Stage) -> None:
        self.url, self.own = f"http://127.0.0.1:{stage.web_port}", threading.local()
        self.hands = ThreadPoolExecutor(max_workers=128)
        stage.start("web")
        if not until(self._there, within=60):
            raise RuntimeError("the web did not start; see its log")

    def people(self, count: int, role: str, *, browser: bool = False) -> list[Visitor]:
        """So many people of a role whose decisions take effect at once; with `browser` they are signed in too."""
        from django.utils import timezone

        from portal.people import actions
        from portal.people.models import User

        system, now, found = User.objects.service("system"), timezone.now(), []
        for number in range(count):
            password = PASSWORD if browser else None
            user = actions.create_user(f"{role}-{number}", by=system, now=now, password=password, languages=("en",))
            actions.grant(user, role, by=system, now=now)
            actions.change_profile(user, by=user, now=now, undo_seconds=0)
            _, key = actions.issue_key(user, by=system, now=now, title="races")
            found.append(Visitor(self, User.objects.get(pk=user.pk), key))
            if browser:
                found[-1].sign_in()
        return found

    def send(self, method: str, path: str, **said: Any) -> Answer:
        """One request on this thread's connection; nothing is followed."""
        if not hasattr(self.own, "session"):
            self.own.session = requests.Session()
            self.own.session.trust_env = False
        self.own.session.cookies.clear()
        reply = self.own.session.request(method, self.url + path, timeout=PATIENCE, allow_redirects=False, **said)
        is_json = "json" in reply.headers.get("Content-Type", "")
        return Answer(
            reply.status_code, reply.text, reply.json() if is_json else None, reply.headers.get("Location", "")
        )

    def together(self, acts: Sequence[Callable[[], Answer]]) -> list[Answer]:
        """All of them at one moment, each on its own connection; what each was told, in order."""
        gate = threading.Barrier(len(acts))

        def act(one: Callable[[], Answer]) -> Answer:
            gate.wait(timeout=PATIENCE)
            return one()

        return list(self.hands.map(act, acts))

    def stop(self) -> None:
        """No more hands."""
        self.hands.shutdown()

    def _there(self) -> bool:
        try:
            return requests.get(f"{self.url}/livez", timeout=5).status_code == 200
        except requests.RequestException:
            return False


def case_of(person: Visitor | None) -> Any:
    """A case that waits, or is in somebody's hands; whole at once, for the house that runs takes new scores itself."""
    from django.db import transaction
    from django.utils import timezone

    from tests.make import make_case

    with transaction.atomic():
        return make_case(at="claimed" if person else "waiting", by=person and person.user, now=timezone.now())
