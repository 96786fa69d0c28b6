"""Who would be decided on, who is left out and why, and what became of each? Reads only."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import F, Q, QuerySet
from django.db.models.fields.tuple_lookups import Tuple, TupleLessThan

from moderation.cases.catalogue import routes
from moderation.cases.models import Case, Queue
from moderation.cases.routing import Facts, route
from moderation.decisions.models import Decision
from moderation.enforcement.models import Enforcement
from portal.privacy.models import Hold
from risk.intake.models import Account
from risk.scoring.models import Score

from .models import Bulk, BulkItem, BulkItemQuerySet

CLEARED = timedelta(days=180)  # a measure taken back
FOUND_FINE = timedelta(days=30)  # closed without action
JUST_DECIDED = timedelta(hours=24)
SAMPLE = 5
APPEALS = ("appeals", "appeals-minors")  # queues whose cases are complaints

# One sentence for protected, held, minors and in somebody's hands alike: who may not know of a hold or of that lane
# is not told here.
ALONE = "must be decided by itself"
UNKNOWN = "is not known"
BELOW = ("low", "watch")  # bands below review


@dataclass(frozen=True)
class Preview:
    """What a proposal would do: the accounts in their order, who is left out and why, and some to look at."""

    accounts: tuple[UUID, ...]
    left_out: dict[UUID, str]
    sample: tuple[UUID, ...]
    below: int  # of those decided on, how many are below review for this risk, or have no score

    @property
    def known(self) -> int:
        """How many of those asked for there are: ids that nobody has do not make a group larger."""
        return len(self.accounts) + sum(why != UNKNOWN for why in self.left_out.values())

    @property
    def mostly_below(self) -> bool:
        """Whether more than half are below review: then somebody must say why."""
        return 2 * self.below > len(self.accounts)

    @property
    def digest(self) -> bytes:
        """SHA-256 over the ids of the accounts, in order."""
        return hashlib.sha256("\n".join(map(str, self.accounts)).encode()).digest()

    @property
    def reasons(self) -> dict[str, int]:
        """How many are left out, by reason."""
        return dict(Counter(self.left_out.values()))


@dataclass(frozen=True)
class Sampled:
    """An account of the sample: how it is named, and its newest score for this risk, if any."""

    platform: str
    external_id: str
    handle: str  # masked
    score: int | None
    band: str
    why: str  # the strongest reason


def sampled(sample: Sequence[UUID], *, risk_type: str) -> list[Sampled]:
    """The accounts of a sample, in its order. Two queries."""
    accounts = Account.objects.in_bulk(sample)
    scores = Score.objects.filter(account__in=sample, risk_type=risk_type, latest=True, model="")
    of = {score.account_id: score for score in scores.prefetch_related("reasons")}
    found = []
    for pk in sample:
        account, score = accounts[pk], of.get(pk)
        strongest = max(score.reasons.all(), key=lambda reason: reason.points, default=None) if score else None
        found.append(
            Sampled(
                account.platform, account.external_id, account.handle_shown, score.shown if score else None,
                score.band if score else "", strongest.title if strongest else "",
            )
        )  # fmt: skip
    return found


def whole() -> QuerySet[Bulk]:
    """Group decisions with all that is shown of them."""
    return Bulk.objects.select_related("reason_code", "policy", "made_by", "approved_by", "undone_by", "undone_why")


def newest(*, after: tuple[datetime, UUID] | None = None) -> QuerySet[Bulk]:
    """The newest first; `after` is the (made_at, id) of the last one seen."""
    found = whole().order_by("-made_at", "-id")
    return found.filter(TupleLessThan(Tuple("made_at", "id"), after)) if after else found


def general_queue(risk_type: str) -> Queue | None:
    """Where cases of this kind go, where that is of the general lane: other lanes take no group decisions."""
    found = route(routes(), Facts(risk_type=risk_type, strategy_opens=True))
    return Queue.objects.filter(slug=found.to, lane="general").first() if found else None


def preview(accounts: Iterable[UUID], *, risk_type: str, now: datetime) -> Preview:
    """Sort the accounts asked for into those that would be decided on and those left out; each counts once.

    The sample is drawn by hash, so that it cannot be chosen and looks the same to the second person.
    """
    asked = list(dict.fromkeys(accounts))
    out = left_out(asked, risk_type=risk_type, now=now)
    kept = tuple(pk for pk in asked if pk not in out)
    drawn = sorted(kept, key=lambda pk: hashlib.sha256(b"sample" + pk.bytes).digest())[:SAMPLE]
    scored = Score.objects.filter(account__in=kept, risk_type=risk_type, latest=True, model="")
    below = len(kept) - scored.exclude(band__in=BELOW).values("account").distinct().count()
    return Preview(kept, out, tuple(drawn), below)


def left_out(accounts: Sequence[UUID], *, risk_type: str, now: datetime) -> dict[UUID, str]:
    """Why each of these is not decided on in a group; those that may be are not in it. Five queries, however many."""
    found = Account.objects.filter(pk__in=accounts)
    known = dict(found.values_list("pk", "erased_at"))
    out: dict[UUID, str] = {pk: "is not known" for pk in accounts if pk not in known}
    for pk, why in (
        *((pk, "was erased") for pk, erased in known.items() if erased),
        *((pk, ALONE) for pk in _apart(accounts)),
        *_cleared(accounts, now=now),
        *_at_work(accounts, risk_type=risk_type),
    ):
        out.setdefault(pk, why)
    return out


def _apart(accounts: Sequence[UUID]) -> set[UUID]:
    protected = Account.objects.filter(pk__in=accounts, attributes__is_protected=True).values_list("pk", flat=True)
    held = Hold.objects.in_force().filter(account__in=accounts).values_list("account", flat=True)
    lanes = Case.objects.open().filter(account__in=accounts).exclude(lane="general").values_list("account", flat=True)
    return {*protected, *held, *lanes}


def _cleared(accounts: Sequence[UUID], *, now: datetime) -> list[tuple[UUID, str]]:
    about = Decision.objects.filter(account__in=accounts)
    lifted = about.filter(status=Decision.Status.REVERSED, ended_at__gt=now - CLEARED)
    fine = about.filter(
        outcome="no_action", reverses__isnull=True, status=Decision.Status.RELEASED, made_at__gt=now - FOUND_FINE
    )
    standing = (Decision.Status.PROPOSED, Decision.Status.HELD, Decision.Status.RELEASED)
    fresh = about.filter(status__in=standing, made_at__gt=now - JUST_DECIDED)
    return [
        *((pk, "was cleared lately") for pk in lifted.values_list("account", flat=True)),
        *((pk, "was cleared lately") for pk in fine.values_list("account", flat=True)),
        *((pk, "was decided within a day") for pk in fresh.values_list("account", flat=True)),
    ]


def _at_work(accounts: Sequence[UUID], *, risk_type: str) -> list[tuple[UUID, str]]:
    busy = Case.objects.open().filter(account__in=accounts, lane="general")
    busy = busy.filter(~Q(status=Case.Status.WAITING) | ~Q(risk_type__in=("", risk_type)) | Q(must_review=True))
    return [(pk, ALONE) for pk in busy.values_list("account", flat=True)]


def complaints(bulk: Bulk) -> int:
    """How many accounts decided here came back as an appeal since, and since somebody last let it go on."""
    mine = BulkItem.objects.decided().filter(bulk=bulk)
    back = Q(account__cases__queue__slug__in=APPEALS, account__cases__opened_at__gte=F("settled_at"))
    if bulk.looked_at:
        back &= Q(account__cases__opened_at__gt=bulk.looked_at)
    return mine.filter(back).values("pk").distinct().count()


def unable(items: BulkItemQuerySet) -> int:
    """How many measures of these stopped on the way, or nobody knows whether they are in force."""
    mine = Enforcement.objects.filter(decision__in=items.decided().values("decision")).exclude(kind="notify")
    return mine.standing().count()
