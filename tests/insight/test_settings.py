"""Are the settings readable as they are in force, by who may read them?"""

from __future__ import annotations

import pytest
from django.urls import reverse

from risk.strategy.models import Rule, Strategy, Version
from tests import make

pytestmark = pytest.mark.django_db


def test_it_shows_queues_routing_and_who_must_agree(signed_in, ada):
    make.ship_settings()

    page = signed_in(ada).get(reverse("queues")).content.decode()

    assert "Spam and phishing" in page
    assert "risk_type = &#x27;spam&#x27;" in page
    assert "second person always" in page


def test_it_says_that_every_ban_needs_a_second_person_as_it_does(signed_in, ada):
    make.ship_settings()

    workflows = signed_in(ada).get(reverse("queues")).context["workflows"]

    bans = [outcome["approval"] for row in workflows for outcome in row["outcomes"] if outcome["name"] == "ban"]
    assert len(bans) >= 7
    assert set(bans) == {"always"}


def test_it_shows_queues_of_a_lane_only_to_who_has_it(signed_in, ada, ruth):
    make.ship_settings()

    assert "Age and minors" not in signed_in(ada).get(reverse("queues")).content.decode()
    assert "Age and minors" in signed_in(ruth).get(reverse("queues")).content.decode()


def test_it_shows_policies_with_version_and_text(signed_in, ada):
    make.ship_settings()

    page = signed_in(ada).get(reverse("policies")).content.decode()

    assert "SPM-1.2 Deceptive links" in page
    assert "version 3" in page
    assert "Links must not lead to pages" in page


def test_it_shows_the_rules_of_a_live_strategy(signed_in, ben, person):
    strategy = Strategy.objects.create(risk_type="spam", title="Spam")
    version = Version.objects.create(strategy=strategy, number=4, severity="0.60", status="live", digest="0" * 64)
    Rule.objects.create(
        version=version, position=1, key="sp_many", group="content", points=20, when="links > 3 AND note < '<b>'",
        says="many links", digest="0" * 64,
    )  # fmt: skip
    make.tell(version, strategy)

    page = signed_in(ben).get(reverse("strategies")).content.decode()

    assert "version 4" in page
    assert "sp_many" in page
    assert "&lt;b&gt;" in page
    assert "+20" in page
    assert signed_in(person("vera", "auditor")).get(reverse("strategies")).status_code == 403


@pytest.mark.parametrize("page", ["queues", "policies", "strategies"])
def test_it_is_closed_without_a_role(page, signed_in, cleo):
    assert signed_in(cleo).get(reverse(page)).status_code == 403
