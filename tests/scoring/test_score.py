"""What happens when accounts are scored? A row where the answer changed, reasons that add up, each handed out once."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction

from portal.audit.models import AuditEvent
from risk.intake import actions as intake
from risk.intake.models import Account
from risk.scoring import actions
from risk.scoring.models import Score
from risk.strategy import actions as strategy
from tests.make import NOON, ROBOT, make_signal


@pytest.fixture
def shipped(system: Any) -> Any:
    strategy.ship(by=system, now=NOON)
    return system


def tell(*raw: dict[str, Any], by: Any, now: Any = NOON) -> None:
    receipt = intake.ingest(list(raw), by=by, now=now, door="api")
    assert not receipt.rejected


def latest(risk_type: str, name: str = "a") -> Score:
    return Score.objects.get(account__external_id=name, risk_type=risk_type, model="", latest=True)


def test_it_writes_a_score_with_reasons_that_add_up(shipped: Any) -> None:
    tell(make_signal(account="a", attributes=ROBOT), by=shipped)

    assert actions.score_stale(now=NOON) == 1

    score = latest("fake_account")
    rows = list(score.reasons.all())
    assert (score.raw, score.shown, score.band, score.opens, score.urgency) == (70, 70, "high", True, 420)
    assert sum(row.points for row in rows) == score.raw
    assert [(row.rule, row.points) for row in rows] == [
        ("fa_follows_nobody", 20),
        ("fa_no_picture", 20),
        ("fa_posts_no_likes", 17),
        ("fa_few_followers", 13),
    ]
    assert {row.title for row in rows} >= {"900 posts, gave 1 likes", "no picture"}
    assert score.snapshot["posts_count"] == 900
    assert score.missing["fa_device_4"] == ["accounts_on_device_30d"]
    assert Account.objects.get().stale_at is None


def test_it_writes_nothing_when_the_answer_is_the_same(shipped: Any) -> None:
    tell(make_signal(account="a", attributes=ROBOT), by=shipped)
    actions.score_stale(now=NOON)
    before = Score.objects.count(), AuditEvent.objects.count()

    tell(make_signal(account="a", attributes={"listed_count": 1}), by=shipped)
    actions.score_stale(now=NOON + timedelta(minutes=1))

    assert Score.objects.count() == before[0]
    assert not AuditEvent.objects.filter(type="scores.written").count() > 1
    assert actions.score_stale(now=NOON) == 0


def test_it_writes_no_score_for_a_type_of_which_nothing_was_told(shipped: Any) -> None:
    tell(make_signal(account="a", attributes=ROBOT), by=shipped)
    actions.score_stale(now=NOON)

    assert set(Score.objects.values_list("risk_type", flat=True)) == {"fake_account"}


def test_it_scores_an_account_that_is_told_and_harmless_at_nothing(shipped: Any) -> None:
    tell(make_signal(account="a", attributes={"followers_count": 900}), by=shipped)
    actions.score_stale(now=NOON)

    score = latest("fake_account")
    assert (score.raw, score.opens, score.reasons.count()) == (0, False, 0)


def test_it_replaces_the_latest_and_keeps_the_one_before(shipped: Any) -> None:
    tell(make_signal(account="a", attributes=ROBOT), by=shipped)
    actions.score_stale(now=NOON)
    tell(
        make_signal(account="a", at=NOON + timedelta(hours=1), attributes={"default_profile_image": False}),
        by=shipped,
        now=NOON + timedelta(hours=1),
    )
    actions.score_stale(now=NOON + timedelta(hours=1))

    assert list(Score.objects.order_by("id").values_list("raw", "latest")) == [(70, False), (50, True)]


def test_it_lets_points_of_a_burst_fade_from_when_it_last_held(shipped: Any) -> None:
    burst = {"posts": 60, "links": 0, "near_duplicates": 30, "new_domain_links": 0, "window_minutes": 30}
    tell(make_signal("post", account="a", data=burst), by=shipped)
    actions.score_stale(now=NOON)
    assert latest("spam").raw == 30  # 30 + 20 in one group, capped

    later = NOON + timedelta(days=2)
    tell(make_signal("login", account="a", at=later), by=shipped, now=later)
    actions.score_stale(now=later)

    faded = latest("spam")
    assert {row.rule: row.points for row in faded.reasons.all()} == {"sp_near_duplicates": 8, "sp_posts_day": 5}
    assert faded.raw == 13


def test_a_score_is_handed_out_once_and_again_only_when_it_is_news(shipped: Any) -> None:
    tell(make_signal(account="a", attributes=ROBOT), by=shipped)
    actions.score_stale(now=NOON)
    with transaction.atomic():
        assert [one.risk_type for one in actions.take(now=NOON)] == ["fake_account"]
    with transaction.atomic():
        assert actions.take(now=NOON) == []

    tell(
        make_signal(account="a", at=NOON + timedelta(minutes=2), attributes={"followers_count": 60}),
        by=shipped,
        now=NOON + timedelta(minutes=2),
    )
    actions.score_stale(now=NOON + timedelta(minutes=2))
    assert latest("fake_account").raw < 70
    with transaction.atomic():
        assert actions.take(now=NOON) == []  # fewer points are no news

    tell(
        make_signal(account="a", at=NOON + timedelta(minutes=3), attributes={"email": "x@mailbin.example"}),
        by=shipped,
        now=NOON + timedelta(minutes=3),
    )
    actions.score_stale(now=NOON + timedelta(minutes=3))
    with transaction.atomic():
        assert len(actions.take(now=NOON)) == 1


def test_a_verdict_made_elsewhere_stands_beside_ours_and_opens_from_eighty(shipped: Any) -> None:
    for points, model in ((71, "spamnet-4"), (80, "spamnet-5")):
        tell(
            make_signal("post", account="a", scores=[{"risk_type": "spam", "score": points, "model": model}]),
            by=shipped,
        )
    actions.score_stale(now=NOON)

    verdicts = {
        one.model: (one.raw, one.opens, one.version_id)
        for one in Score.objects.filter(risk_type="spam").exclude(model="")
    }
    assert verdicts == {"spamnet-4": (71, False, None), "spamnet-5": (80, True, None)}
    with transaction.atomic():
        assert [one.model for one in actions.take(now=NOON)] == ["spamnet-5"]


def test_the_same_verdict_told_again_is_handed_out_again(shipped: Any) -> None:
    for _ in range(2):
        tell(make_signal("post", account="a", scores=[{"risk_type": "spam", "score": 91, "model": "m"}]), by=shipped)
        actions.score_stale(now=NOON)
        with transaction.atomic():
            assert len(actions.take(now=NOON)) == 1


def test_an_age_score_is_never_urgent_and_reads_only_its_own_features(shipped: Any) -> None:
    tell(make_signal(account="a", attributes={**ROBOT, "birth_date": "2016-01-01"}), by=shipped)
    actions.score_stale(now=NOON)

    assert (latest("underage").raw, latest("underage").urgency) == (50, 0)
    assert "declared_age" not in latest("fake_account").snapshot


def test_it_needs_no_more_statements_for_a_hundred_accounts_than_for_two(
    shipped: Any, django_assert_max_num_queries: Any
) -> None:
    for count in (2, 100):
        tell(*[make_signal(account=f"q{count}-{at}", attributes=ROBOT) for at in range(count)], by=shipped)
        with django_assert_max_num_queries(24):
            assert actions.score_stale(now=NOON) == count


def test_two_scorers_share_the_work_and_write_each_score_once(real_commits: None) -> None:
    from django.db import connection

    from portal.people.models import User

    system = User.objects.service("system")
    strategy.ship(by=system, now=NOON)
    tell(*[make_signal(account=f"a{at}", attributes=ROBOT) for at in range(200)], by=system)
    done, errors = [], []

    def work() -> None:
        try:
            while scored := actions.score_stale(now=NOON, limit=20):
                done.append(scored)
        except Exception as error:
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert not errors
    assert sum(done) == 200
    assert Score.objects.count() == 200
