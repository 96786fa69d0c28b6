"""Who is erased? An account with personal values in every place that can hold one, put there by the real doors."""

from __future__ import annotations

from typing import Any

from django.db import transaction

from moderation.cases import actions as cases
from moderation.cases.models import Case, Queue
from moderation.decisions import actions as decisions
from moderation.enforcement.models import Attempt, Enforcement, Finding
from portal.people.models import User
from risk.intake import actions as intake
from risk.intake.models import Account
from risk.scoring import actions as scoring
from risk.scoring.models import Score
from tests.make import NOON, later, make_score, make_signal, ship_settings
from tests.make import tell as name_in_the_log


def planted(name: str) -> dict[str, str]:
    """Personal values that are found again wherever they stand: each holds the account's name and nothing common."""
    return {
        "id": f"pid-{name}-zq",
        "handle": f"hdl_{name}_zq_long",
        "display_name": f"Nm {name} Zqarov",
        "email": f"ml.{name}@zq-{name}.example",
        "phone": "+49170" + "".join(str(ord(char) % 10) for char in (name + "zqzqzq")[:8]),
        "bio": f"bio of {name} ✂ “zq”",
        "odd": f"odd value {name} zq",
        "text": f"wrote as {name} ünder zq",
        "device": f"dev-{name}-zq",
        "note": f"noted {name} zq",
        "answer": f"backend said {name} zq",
    }


def signals_of(name: str, *, about: str = "") -> list[dict[str, Any]]:
    """What is told of an account, with everything personal a signal can carry; `about` names whom it mentions."""
    values = planted(name)
    attributes = {key: values[key] for key in ("handle", "display_name", "email", "phone", "bio")}
    account = values["id"]
    links = [("device", values["device"]), ("email", values["email"]), ("phone", values["phone"])]
    signals = [
        make_signal("registration", account=account, links=links,
                    attributes={**attributes, "favourite": values["odd"], "country": "north", "lang": "de"},
                    external_id=f"reg-{account}"),
        make_signal("post", account=account, data={"posts": 40, "sample": values["text"], "unheard_of": values["odd"]}),
        make_signal("user_report", account=account,
                    data={"reason": "spam", "reporter": f"r-{name}", "text": values["text"]},
                    scores=[{"risk_type": "spam", "score": 85, "model": "net"}]),
    ]  # fmt: skip
    if about:
        other = planted(about)["id"]
        signals += [
            make_signal("claim", account=account, data={"campaign": "c", "referrer": other}),
            make_signal("user_report", account=account, data={"reason": "spam", "reporter": other}),
        ]
    return signals


def tell(name: str, *, about: str = "") -> dict[str, str]:
    """Tell intake of an account."""
    signals, system = signals_of(name, about=about), User.objects.service("system")
    receipt = intake.ingest(signals, by=system, now=later(minutes=1), door="seed")
    assert not receipt.rejected, receipt.rejected
    return planted(name)


def account_of(name: str) -> Account:
    """The account of that name, while it has one."""
    return Account.objects.get(platform="main", external_id=planted(name)["id"])


def decide(name: str, *, by: User, notes: bool = True) -> Any:
    """A case about it, decided and in effect: applied by the platform, which quoted it."""
    account, values = account_of(name), planted(name)
    scoring.score([account.pk], by=User.objects.service("system"), now=later(minutes=2))
    Score.objects.filter(account=account).update(taken_at=NOON)
    score = make_score(account, risk_type="spam", shown=60, now=later(minutes=3))
    case = cases.open_case(
        account, queue=Queue.objects.get(slug="spam"), lane="general", risk_type="spam", score=score,
        why=f"sends {values['odd']}", opened_by="score", by=User.objects.service("system"), now=later(minutes=3),
    )  # fmt: skip
    case = cases.claim(case, by=by, now=later(minutes=4), limits=False)
    if notes:
        cases.annotate(case, by=by, now=later(minutes=5), text=values["note"])
    decision = decisions.decide(
        Case.objects.select_related("queue", "account").get(pk=case.pk), by=by, now=later(minutes=6),
        outcome="warn", reason_code="bulk_messages", note=values["note"], version=case.version,
        request_key=f"key-{name}", undo_seconds=0, evidence=[f"test:reg-{values['id']}", values["text"]],
    )  # fmt: skip
    for action in Enforcement.objects.filter(decision=decision):
        with transaction.atomic():
            Attempt.objects.create(enforcement=action, number=1, at=NOON, outcome="later", detail=values["answer"])
            found = Finding.objects.create(account=account, enforcement=action, kind="stopped", detail=values["answer"])
            name_in_the_log(found, action)
            Enforcement.objects.filter(pk=action.pk).update(
                status="in_flight", lease_token=case_token(), lease_until=NOON
            )
            Enforcement.objects.filter(pk=action.pk).update(
                status="applied", detail=values["answer"], effect_id=f"eff-{values['id']}", settled_at=later(minutes=7)
            )
    return decision


def case_token() -> Any:
    """A lease of nobody."""
    from uuid import uuid4

    return uuid4()


def ship() -> None:
    """Settings and kinds of signal, once."""
    ship_settings()
    intake.ship(by=User.objects.service("system"), now=NOON)
