"""How does somebody come in? With the right password, to a page of this site, and every try is written down."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.conf import settings
from django.core.cache import cache
from django.test import Client
from django.utils import timezone

from portal.audit.models import AuditEvent
from portal.people.models import User

PASSWORD = "correct horse battery staple"


@pytest.fixture
def ada(person):
    """Ada decides, and knows her password."""
    cache.clear()
    user = person("ada", "reviewer")
    user.set_password(PASSWORD)
    user.save()
    return user


def sign_in(client, password=PASSWORD, username="ada", **more):
    return client.post("/sign-in/", {"username": username, "password": password, **more})


def test_it_lets_in_with_the_right_password(client, ada):
    answer = sign_in(client)

    assert answer.status_code == 302
    assert answer["Location"] == "/"
    assert AuditEvent.objects.filter(type="sign_in.succeeded", by=ada.audit_name).count() == 1


def test_it_gives_the_session_a_new_id(client, ada):
    client.get("/sign-in/")
    session = client.session
    session["planted"] = "yes"
    session.save()
    before = session.session_key

    sign_in(client)

    assert client.session.session_key != before


def test_a_wrong_password_says_so_and_is_written_down(client, ada):
    answer = sign_in(client, "wrong")

    assert answer.status_code == 401
    assert "do not fit together" in answer.content.decode()
    assert "_auth_user_id" not in client.session
    event = AuditEvent.objects.get(type="sign_in.failed")
    assert event.subjects[0] == ada.audit_name


def test_an_unknown_name_gets_the_same_answer_and_is_never_written(client, ada):
    """What somebody types into the wrong field may be their password."""
    known, unknown = sign_in(client, "wrong"), sign_in(client, "wrong", username=PASSWORD)

    def message(answer):
        return answer.context["form"].non_field_errors()

    assert unknown.status_code == known.status_code == 401
    assert message(unknown) == message(known)
    assert all(PASSWORD.encode() not in bytes(event.payload) for event in AuditEvent.objects.all())


def test_too_many_wrong_passwords_lock_for_a_while_with_a_sentence(client, ada, settings):
    settings.AXES_FAILURE_LIMIT = 3
    for _ in range(3):
        answer = sign_in(client, "wrong")

    assert answer.status_code == 429
    assert "15 minutes" in answer.content.decode() or "quarter" in answer.content.decode()
    assert sign_in(client).status_code == 429, "the right password does not open a locked door"
    assert sign_in(Client(REMOTE_ADDR="192.0.2.9")).status_code == 302, "from elsewhere Ada is not locked out"


def test_a_disabled_person_stays_outside(client, ada):
    User.objects.filter(pk=ada.pk).update(is_active=False)

    assert sign_in(client).status_code == 401
    assert "_auth_user_id" not in client.session


@pytest.mark.parametrize(
    "goal",
    [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example",
        "http:evil.example",
        "javascript:alert(1)",
        " //evil.example",
        "https://testserver@evil.example/",
        "\t//evil.example",
    ],
)
def test_it_follows_no_address_of_another_site(client, ada, goal):
    assert sign_in(client, next=goal)["Location"] == "/"


def test_it_goes_on_to_the_page_that_was_asked_for(client, ada):
    asked = client.get("/search/?q=1")
    assert asked["Location"] == "/sign-in/?next=%2Fsearch%2F%3Fq%3D1"

    assert sign_in(client, next="/search/?q=1")["Location"] == "/search/?q=1"


@pytest.mark.parametrize(
    ("role", "page"),
    [
        ("reviewer", "/"),
        ("lead", "/"),
        ("analyst", "/dashboards/"),
        ("auditor", "/dashboards/"),
        ("privacy", "/log/"),
        ("operator", "/outbox/"),
        ("admin", "/people/"),
        (None, "/profile/"),
    ],
)
def test_everybody_begins_on_a_page_their_roles_open(client, person, role, page):
    user = person("somebody", *([role] if role else []))
    user.set_password(PASSWORD)
    user.save()

    answer = sign_in(client, username="somebody")

    assert answer["Location"] == page
    assert client.get(page).status_code == 200


def test_the_form_is_refused_without_its_token(ada):
    assert sign_in(Client(enforce_csrf_checks=True)).status_code == 403


def test_a_session_ends_after_its_absolute_age(client, ada):
    sign_in(client)
    session = client.session
    session["began"] = (timezone.now() - timedelta(seconds=settings.SESSION_ABSOLUTE_AGE + 1)).timestamp()
    session.save()

    assert client.get("/profile/")["Location"].startswith("/sign-in/")


def test_sign_out_ends_the_session_and_is_written_down(client, ada):
    sign_in(client)

    assert client.get("/sign-out/").status_code == 405, "a link from elsewhere signs nobody out"
    assert client.post("/sign-out/")["Location"] == "/sign-in/"
    assert client.get("/profile/")["Location"].startswith("/sign-in/")
    assert AuditEvent.objects.filter(type="sign_out.succeeded", by=ada.audit_name).count() == 1


def test_who_is_signed_in_is_not_asked_again(client, ada):
    sign_in(client)

    assert client.get("/sign-in/")["Location"] == "/"
