"""Does a link hand the file out once, in time, to who made it, and say what became of it?"""

from __future__ import annotations

import hashlib
import logging
import re
import threading
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from moderation.insight import actions, exports, history
from moderation.insight.models import Export, ExportLink
from portal.audit.models import AuditEvent
from portal.refusal import Refused


@pytest.fixture(autouse=True)
def data_dir(tmp_path: Any, settings: Any) -> None:
    settings.DATA_DIR = tmp_path


@pytest.fixture
def made(vera: Any) -> Export:
    """An export of Vera's with a file, whatever is in it."""
    asked = history.read({}, wanted_by=vera)
    export = actions.request_export(asked, formats=["jsonl"], purpose="check", by=vera, now=timezone.now())
    actions.start_export(export, now=timezone.now())
    export.refresh_from_db()
    body = b"a bundle"
    (exports.folder() / "file.zip").write_bytes(body)
    sha256 = hashlib.sha256(body).hexdigest()
    actions.finish_export(
        export, now=timezone.now(), path="file.zip", rows=3, size=len(body), sha256=sha256, checkpoint=9
    )
    export.refresh_from_db()
    return export


def link_of(client: Client, export: Export) -> str:
    """Press "Make a link" and copy what is shown, without the machine's name."""
    page = client.post(reverse("export-link", args=[export.pk])).content.decode()
    [found] = re.findall(rf"{re.escape(settings.BASE_URL)}(/exports/taking/\?t=[\w-]+)", unescape(page))
    return str(found)


def told(export: Export) -> list[str]:
    mine = AuditEvent.objects.filter(subjects__contains=[export.audit_name]).order_by("id")
    return list(mine.values_list("type", flat=True))


@pytest.mark.django_db
def test_it_gives_the_file_once(signed_in, vera, made):
    client = signed_in(vera)
    link = link_of(client, made)

    first, second = client.get(link), client.get(link)

    assert b"".join(first.streaming_content) == b"a bundle"
    assert first["Referrer-Policy"] == "no-referrer"
    assert first["Cache-Control"] == "no-store"
    assert second.status_code == 410
    assert "it works once" in second.content.decode()
    assert "make another link" in second.content.decode()
    assert told(made)[-2:] == ["export.linked", "export.downloaded"]


@pytest.mark.django_db
def test_it_ends_by_itself(signed_in, vera, made, monkeypatch):
    client = signed_in(vera)
    link = link_of(client, made)
    ExportLink.objects.update(until=timezone.now() - timedelta(seconds=1))

    answer = client.get(link)

    assert answer.status_code == 410
    assert "ended on" in answer.content.decode()
    assert told(made)[-1] == "export.linked"


@pytest.mark.django_db
def test_it_is_good_for_the_minutes_it_says(vera, made):
    now = timezone.now()
    soon, late = (actions.make_link(made, by=vera, now=now) for _ in "ab")
    minutes = timedelta(minutes=settings.EXPORT_LINK_MINUTES)

    assert actions.take_link(soon, by=vera, now=now + minutes - timedelta(seconds=1)) == made
    with pytest.raises(Refused, match="unused"):
        actions.take_link(late, by=vera, now=now + minutes)


@pytest.mark.django_db
def test_it_is_worth_nothing_to_anybody_else(signed_in, vera, ben, made):
    link = link_of(signed_in(vera), made)

    assert Client().get(link).status_code == 302
    assert signed_in(ben).get(link).status_code == 404
    assert signed_in(ben).post(reverse("export-link", args=[made.pk])).status_code == 404
    assert signed_in(vera).get(link).status_code == 200


@pytest.mark.django_db
def test_it_is_worth_nothing_after_the_right_is_gone(signed_in, vera, system, made):
    from portal.people import actions as people

    client = signed_in(vera)
    link = link_of(client, made)
    people.revoke(vera, "auditor", by=system, now=timezone.now())

    assert client.get(link).status_code == 403


@pytest.mark.django_db
def test_its_token_stands_nowhere(signed_in, vera, ben, made, caplog):
    caplog.set_level(logging.DEBUG)
    link = link_of(signed_in(vera), made)
    token = link.partition("=")[2]
    signed_in(ben).get(link)
    signed_in(vera).get(link)
    signed_in(vera).get(link)

    assert len(token) == 43  # 32 bytes
    assert bytes(ExportLink.objects.get().digest) == hashlib.sha256(token.encode()).digest()
    assert token not in caplog.text
    assert all(token.encode() not in bytes(payload) for payload in AuditEvent.objects.values_list("payload", flat=True))


@pytest.mark.django_db
def test_a_file_that_is_gone_uses_no_link_up(signed_in, vera, made):
    token = actions.make_link(made, by=vera, now=timezone.now())
    (exports.folder() / made.path).unlink()

    with pytest.raises(Refused, match="deleted"):
        actions.take_link(token, by=vera, now=timezone.now())
    with pytest.raises(Refused, match="deleted"):
        actions.make_link(made, by=vera, now=timezone.now())
    assert ExportLink.objects.get().taken_at is None


def test_of_two_takers_at_once_one_gets_it(real_commits, vera, made):
    token = actions.make_link(made, by=vera, now=timezone.now())
    barrier, got = threading.Barrier(8), []

    def take() -> None:
        barrier.wait(20)
        try:
            actions.take_link(token, by=vera, now=timezone.now())
            got.append("file")
        except Refused as refused:
            got.append(str(refused.state))
        finally:
            connection.close()

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(got) == ["file", *["used"] * 7]
    assert told(made).count("export.downloaded") == 1


@pytest.mark.django_db
def test_the_page_lists_every_copy_with_its_road(signed_in, vera, made):
    client = signed_in(vera)
    client.get(link_of(client, made))
    client.get(reverse("export-file", args=[made.pk]))
    actions.expire_exports(now=timezone.now() + timedelta(days=settings.EXPORT_FILE_DAYS, minutes=1))

    page = client.get(reverse("export", args=[made.pk])).content.decode()
    words = " ".join(unescape(re.sub(r"<[^>]+>", " ", page)).split()).replace(" ,", ",").replace(" :", ":")

    said = [
        "vera asked for", "system began to make", "system finished", "vera made a link to", "by link, SHA-256",
        "by page, SHA-256", "system deleted the file of",
    ]  # fmt: skip
    places = [words.find(piece) for piece in said]
    assert -1 not in places, words
    assert places == sorted(places)
