"""Do personal values stay sealed, each in its place?"""

from __future__ import annotations

from uuid import uuid4

import pytest
from cryptography.exceptions import InvalidTag
from django.db import connection

from portal.privacy import actions
from portal.privacy.lookup import digest
from portal.privacy.masking import masked
from portal.privacy.models import VaultKey, VaultValue
from tests.make import tell


@pytest.mark.django_db
def test_it_gives_back_what_was_kept_and_stores_none_of_it():
    subject = uuid4()
    kept = actions.keep_many(
        [
            (subject, "account.handle", "lucky_deals", "identity"),
            (subject, "signal.text", "ünï\ud800code\x00", "content"),
        ]
    )

    assert actions.open_values([row.pk for row in kept]) == {kept[0].pk: "lucky_deals", kept[1].pk: "ünï\ud800code\x00"}
    with connection.cursor() as cursor:
        cursor.execute("SELECT string_agg(v::text, '') FROM portal_vaultvalue v")
        assert b"lucky_deals".hex() not in cursor.fetchone()[0]


@pytest.mark.django_db
def test_the_same_value_twice_has_two_commitments():
    one, two = actions.keep_many([(uuid4(), "account.email", "a@b.example", "identity")] * 2)

    assert bytes(one.commitment) != bytes(two.commitment)


@pytest.mark.django_db
def test_a_value_does_not_open_in_another_row():
    one, two = actions.keep_many(
        [(uuid4(), "account.email", "a@b.example", "identity"), (uuid4(), "account.email", "c@d.example", "identity")]
    )
    VaultValue.objects.filter(pk=one.pk).update(sealed=bytes(two.sealed), nonce=bytes(two.nonce))

    with pytest.raises(InvalidTag):
        actions.open_value(one.pk)


@pytest.mark.django_db
def test_an_erased_subject_is_gone_and_takes_nothing_new(noon):
    row = actions.keep(uuid4(), "account.email", "a@b.example", data_class="identity")
    tell(f"account:{row.subject_id}")
    VaultKey.objects.filter(pk=row.subject_id).update(wrapped=None, destroyed_at=noon)

    assert actions.open_value(row.pk) is None
    with pytest.raises(actions.Erased):
        actions.keep(row.subject_id, "account.email", "a@b.example", data_class="identity")


def test_lookups_fold_spelling_and_keep_kinds_apart():
    assert digest("handle", "@Lucky_Deals ") == digest("handle", "lucky_deals")
    assert digest("phone", "+1 202 555 0143") == digest("phone", "12025550143")
    assert digest("ip24", "192.0.2.7") == digest("ip24", "192.0.2.201")
    assert digest("ip", "192.0.2.7") != digest("ip", "192.0.2.201")
    assert digest("device", "x") != digest("payment", "x")


@pytest.mark.parametrize(
    ("kind", "value", "shown"),
    [
        ("handle", "lucky_deals", "lu•••eals"),
        ("handle", "lu_super_deals", "lu•••deals"),
        ("handle", "abc", "a•••"),
        ("email", "ada@mail.example", "a•••@m•••"),
        ("phone", "+1 202 555 0143", "•••43"),
        ("ip", "192.0.2.7", "192.•••"),
        ("passport", "X123", "•••"),
        ("handle", "", ""),
    ],
)
def test_masks_show_little(kind, value, shown):
    assert masked(kind, value) == shown
