"""B14: 2 to 50 people decide one case at once, and several give the second word at once; one wins, the others are told.

The design races for 2,000 cases with up to 50 people each; here it is 500 of mostly small crowds, and 500 races of
approvers beside them.
"""

from __future__ import annotations

import collections
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from .b01_workers_die import settle
from .invariants import check
from .scene import Run, Scene
from .web import Answer, Visitor, Web, case_of

CROWDS = (2, 2, 2, 2, 2, 3, 3, 4, 4, 5, 5, 6, 8, 8, 13)
LARGE = 25  # each so many-th case is met by the largest crowd
KINDS = ("two leads agree", "one agrees, one declines", "the author agrees too", "the author takes it back")
WARN = {"outcome": "warn", "reason_code": "bulk_messages", "undo_seconds": 0}


@dataclass
class Word:
    """What one person says about a proposal, and what they were told."""

    verb: str  # agree, decline, undo
    person: Visitor
    door: str
    told: Answer | None = None

    def give(self, pk: Any) -> Answer:
        """By the page or by the API."""
        if self.verb == "undo":
            page, api, form = "undo", "undo", {}
        else:
            page, api = {"agree": "approve", "decline": "decline"}[self.verb], "approval"
            form = {"reason": "looked at it twice"}
        if self.door == "page":
            return self.person.page(f"/decisions/{pk}/{page}/", form)
        verdict = {"verdict": page, **form} if form else {}
        return self.person.api(f"/decisions/{pk}/{api}", verdict)

    @property
    def won(self) -> bool:
        """Whether they were told that their word counts."""
        return self.told is not None and self.told.status in (200, 302)


def play(run: Run) -> None:
    """First the races for cases, then those of the second word, while everything decided is carried out."""
    stage = run.stage()
    web = Web(stage)
    crowd = web.people(run.size["most"], "reviewer")
    leads = web.people(6, "lead", browser=True)
    for name in ("worker", "dispatcher"):
        stage.start(name)
    race_for_cases(run, web, crowd)
    race_of_words(run, web, leads)
    web.stop()
    run.hold("all was carried out", settle(stage, within=120))
    check(run, stage)


def race_for_cases(run: Run, web: Web, crowd: list[Visitor]) -> None:
    """Half of the cases wait and everybody claims and decides; half are held by one, who decides in several tabs."""
    from moderation.decisions.models import Decision

    dice, told, odd, made = run.dice(1), collections.Counter[str](), [], 0
    for number in range(run.size["cases"]):
        came = dice.sample(crowd, run.size["most"] if number % LARGE == 0 else dice.choice(CROWDS))
        held = number % 2 == 1
        case = case_of(came[0] if held else None)
        version = case.version
        if held:
            tabs = came + came[:1] * (len(came) // 2)
            acts = [partial(decide, who, case.pk, version, f"tab-{n}") for n, who in enumerate(tabs)]
        else:
            acts = [partial(claim_and_decide, who, case.pk) for who in came]
        answers = web.together(acts)
        counts = collections.Counter(answer.status for answer in answers)
        told.update({f"{status}": count for status, count in counts.items()})
        by = list(Decision.objects.filter(case=case).values_list("made_by", flat=True))
        made += len(by) == 1
        right = counts[201] == 1 and counts[409] == len(answers) - 1 and by == [winner(acts, answers)]
        odd += [] if right else [f"case {case.pk}: {dict(counts)}, {len(by)} made"]
        run.history.add("raced", case=case.pk, people=len(came), held=held, told=dict(counts))
        note(run, answers)
    run.hold("one winner for each case", not odd and made == run.size["cases"],
             f"{made} of {run.size['cases']} cases decided once" + "".join(f"; {one}" for one in odd[:3]))  # fmt: skip
    figures = ", ".join(f"{n} × {status}" for status, n in sorted(told.items()))
    run.hold("everybody else is told 409", set(told) <= {"201", "409"}, figures)


def decide(who: Visitor, case: int, version: int, key: str) -> Answer:
    """Decide, whether one holds the case or not."""
    return who.api(f"/cases/{case}/decisions", {**WARN, "version": version}, once=f"{key}-{case}-{who.user.pk}")


def claim_and_decide(who: Visitor, case: int) -> Answer:
    """Take the case and decide it; who did not get it tries to decide all the same."""
    got = who.api(f"/cases/{case}/claim")
    version = got.told["version"] if got.status == 200 else 1
    answer = decide(who, case, version, "claimed")
    return answer if got.status in (200, 409) else got


def winner(acts: list[partial[Answer]], answers: list[Answer]) -> Any:
    """Whose answer was yes."""
    return next((act.args[0].user.pk for act, answer in zip(acts, answers, strict=True) if answer.status == 201), None)


def note(run: Run, answers: list[Answer]) -> None:
    """What was answered as ordered must be there at the end."""
    for answer in answers:
        if answer.status in (200, 201) and answer.told:
            for action in answer.told.get("enforcements", ()):
                run.history.add("ordered", action=action["id"])


def race_of_words(run: Run, web: Web, leads: list[Visitor]) -> None:
    """Proposals of leads, about which other leads, and their authors, speak at one moment."""
    dice, odd, told = run.dice(2), [], collections.Counter[str]()
    own = own_refused = 0
    for number in range(run.size["words"]):
        kind = KINDS[number % len(KINDS)]
        author, *others = dice.sample(leads, dice.choice((3, 3, 3, 4, 5, len(leads))))
        decision = propose(author)
        words = speakers(kind, author, others, door=lambda: dice.choice(("page", "api")))
        dice.shuffle(words)
        early = [Word("agree", author, door) for door in ("page", "api")] if kind == KINDS[2] else []
        for word in early:  # before anybody else has spoken, so that only the rule refuses them
            word.told = word.give(decision.pk)
        answers = web.together([partial(word.give, decision.pk) for word in words])
        for word, answer in zip(words, answers, strict=True):
            word.told = answer
            told[f"{word.verb} {'yes' if word.won else answer.status}"] += 1
        mine = [word for word in words if word.person is author and word.verb == "agree"]
        own += len(mine) + len(early)
        own_refused += sum(word.told is not None and word.told.status == 409 for word in (*mine, *early))
        odd += [f"{kind}: {why}" for why in wrong(decision, words)]
        run.history.add(
            "spoken", decision=decision.pk, kind=kind, told=[(w.verb, w.door, w.told.status) for w in words if w.told]
        )
        note(run, answers)
    figures = ", ".join(f"{n} × {what}" for what, n in sorted(told.items()))
    run.hold("one word counts for each proposal", not odd, figures + "".join(f"; {one}" for one in odd[:3]))
    run.hold("no author's own word counts", own == own_refused > 0, f"{own_refused} of {own} refused with 409")


def propose(author: Visitor) -> Any:
    """A ban that somebody proposed, past their limit of an hour."""
    from django.utils import timezone

    from moderation.decisions import actions
    from tests.make import BAN

    now, case = timezone.now(), case_of(author)
    return actions.decide(
        case, by=author.user, now=now, version=case.version, request_key=f"ban-{case.pk}", limits=False, **BAN
    )


def speakers(kind: str, author: Visitor, others: list[Visitor], *, door: Callable[[], str]) -> list[Word]:
    """Who says what: always at least two people."""
    if kind == "two leads agree":
        return [Word("agree", who, door()) for who in others]
    if kind == "one agrees, one declines":
        return [Word(("agree", "decline")[n % 2], who, door()) for n, who in enumerate(others)]
    agree = [Word("agree", who, door()) for who in others]
    if kind == "the author agrees too":
        return [*agree, Word("agree", author, "page"), Word("agree", author, "api")]
    return [*agree, Word("undo", author, door())]


def wrong(decision: Any, words: list[Word]) -> list[str]:
    """What was answered beside what stands: one said yes to, the others 409, and the rows say the same."""
    from moderation.decisions.models import Approval, Decision
    from moderation.enforcement.models import Enforcement

    won = [word for word in words if word.won]
    others = [word.told.status for word in words if word.told and not word.won]
    if len(won) != 1 or any(status != 409 for status in others):
        return [f"{len(won)} were told yes, the others {others}"]
    decision = Decision.objects.get(pk=decision.pk)
    given = list(Approval.objects.filter(decision=decision).values_list("verdict", "by"))
    ordered = Enforcement.objects.filter(decision=decision, kind="ban").count()
    verb, person = won[0].verb, won[0].person.user.pk
    wanted: dict[str, tuple[str, list[tuple[str, Any]], int]] = {
        "agree": ("released", [("approve", person)], 1),
        "decline": ("declined", [("decline", person)], 0),
        "undo": ("undone", [], 0),
    }
    stands = (decision.status, given, ordered)
    return [] if stands == wanted[verb] else [f"{verb} was told yes, and it stands {stands}"]


SCENE = Scene(
    "B14",
    "two decide at once",
    play,
    small={"cases": 12, "most": 13, "words": 12},
    full={"cases": 500, "most": 50, "words": 500},
)
