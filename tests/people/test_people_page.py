"""Can an admin see and change who may do what, and never themselves?"""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from portal.people.models import ServiceKey, User

pytestmark = pytest.mark.django_db


@pytest.fixture
def sam(person):
    return person("sam", "admin")


@pytest.fixture
def client(sam):
    browser = Client()
    browser.force_login(sam)
    return browser


def test_it_lists_roles_with_since_when_and_by_whom(client, ada):
    page = client.get(reverse("people")).content.decode()

    assert "ada" in page
    assert "Reviewer" in page
    assert "by system" in page


def test_it_grants_and_takes_back(client, cleo):
    assert client.post(reverse("people-grant", args=[cleo.pk]), {"role": "reviewer"}).status_code == 302
    assert User.objects.get(pk=cleo.pk).role_names == {"reviewer"}

    assert client.post(reverse("people-revoke", args=[cleo.pk]), {"role": "reviewer"}).status_code == 302
    assert User.objects.get(pk=cleo.pk).role_names == set()


def test_it_refuses_ones_own_roles(client, sam):
    assert client.post(reverse("people-grant", args=[sam.pk]), {"role": "lead"}).status_code == 409
    assert client.post(reverse("people-revoke", args=[sam.pk]), {"role": "admin"}).status_code == 409
    assert client.post(reverse("people-disable", args=[sam.pk])).status_code == 409
    assert f'action="{reverse("people-grant", args=[sam.pk])}"' not in client.get(reverse("people")).content.decode()


def test_it_ends_somebodys_access_at_once(client, ada):
    browser = Client()
    browser.force_login(ada)
    assert browser.get(reverse("dashboard")).status_code == 200

    assert client.post(reverse("people-disable", args=[ada.pk])).status_code == 302

    assert browser.get(reverse("dashboard")).status_code == 302


def test_it_shows_a_new_key_once(client, system):
    answer = client.post(reverse("key-issue", args=[system.pk]), {"title": "signals of the app"})
    value = answer.context["value"]

    assert value in answer.content.decode()
    assert answer["Cache-Control"].count("no-store")
    assert value not in client.get(reverse("people")).content.decode()
    assert ServiceKey.objects.get().prefix == value[:8]


def test_it_gives_an_admin_no_key_of_a_person(client, ben):
    answer = client.post(reverse("key-issue", args=[ben.pk]), {"title": "x"})

    assert answer.status_code == 409
    assert not ServiceKey.objects.exists()


def test_it_retires_a_key(client, system):
    client.post(reverse("key-issue", args=[system.pk]), {"title": "x"})
    key = ServiceKey.objects.get()

    assert client.post(reverse("key-retire", args=[key.pk])).status_code == 302

    key.refresh_from_db()
    assert key.retired_at is not None


@pytest.mark.parametrize("role", ["reviewer", "lead", "auditor", "operator"])
def test_it_is_closed_to_others(role, person):
    browser = Client()
    browser.force_login(person("x", role))

    assert browser.get(reverse("people")).status_code == 403
