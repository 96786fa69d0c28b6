"""Does the desk behave as its person wants?"""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.django_db
WANTED = {"duty": "break", "undo_seconds": "30", "scheme": "dark"}


def test_keys_are_turned_off_and_colours_chosen(ada, at_desk):
    client = at_desk(ada)
    client.post("/profile/", WANTED)

    html = client.get("/profile/").content.decode()
    assert 'data-keys="off"' in html
    assert 'data-scheme="dark"' in html
    ada.refresh_from_db()
    assert (ada.undo_seconds, ada.keys_on, ada.duty) == (30, False, "break")


def test_more_than_a_minute_to_undo_is_refused(ada, at_desk):
    answer = at_desk(ada).post("/profile/", {**WANTED, "undo_seconds": "61"})

    assert answer.status_code == 422
    ada.refresh_from_db()
    assert ada.undo_seconds == 10


def test_everybody_has_a_profile(cleo, at_desk):
    assert at_desk(cleo).get("/profile/").status_code == 200
