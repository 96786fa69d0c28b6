"""Would a backend understand us? Asked without effect: a description's address, its secret and what it reads back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from portal import peer

from . import connector
from .call import Answer, Call, Meaning
from .description import Description

FINE, WRONG, CANNOT_TELL = 0, 1, 2


@dataclass(frozen=True)
class Found:
    """What was found, in words; `where` is the dotted path of the description it is about, or nothing."""

    verdict: int
    said: str
    where: str = ""


def try_out(description: Description, *, account: str, clock: datetime) -> list[Found]:
    """What a backend says to a look at an account: `account`, or one that nobody has. Nothing is sent that changes it.

    Verdicts are `FINE`, `WRONG` (the setting or the description must be changed) and `CANNOT_TELL`.
    """
    base = peer.value_of(description.peer.base)
    if not base:
        return [Found(WRONG, f"{description.peer.base} is not set", "base")]
    if complaint := peer.wrong_base(base):
        return [Found(WRONG, complaint, "base")]
    if not peer.value_of(description.peer.secret):
        return [Found(WRONG, f"{description.peer.secret} is not set", "secret")]
    if not description.read_path:
        return [Found(CANNOT_TELL, "there is no [read], so nothing can be asked without effect", "read")]
    asked = account or description.check_account
    platform = description.platforms[0] if description.platforms[0] != "*" else "main"
    call = Call(id="check", seq=0, platform=platform, account=asked, kind="check")
    told = connector.read(description, call, clock=clock)
    if isinstance(told, Answer):
        found = [_understood(description, told, asked, real=bool(account))]
    else:
        found = [Found(FINE, f"{base} can be read back"), *(_values(description, told) if account else ())]
    if found[0].verdict == FINE:
        found.append(_secret(description, call, clock=clock))
    return found


def _secret(description: Description, call: Call, *, clock: datetime) -> Found:
    """Whether reading says anything of the secret: only where a stranger hears something else."""
    told = connector.read(description, call, clock=clock, secret="reeve-check-a-strangers-secret")
    if isinstance(told, Answer) and told.meaning == Meaning.PAUSE:
        return Found(FINE, "the secret is right: with another it answers differently")
    return Found(FINE, "whether the secret is right shows with the first action only: a stranger reads the same")


def _understood(description: Description, answer: Answer, asked: str, *, real: bool) -> Found:
    """An answer that is no state: expected of an account that nobody has, and of no other."""
    if answer.meaning == Meaning.PAUSE:
        return Found(WRONG, f"it refuses us: {answer.detail}", "secret")
    if answer.unreached or not answer.status:
        return Found(CANNOT_TELL, answer.detail, "base")
    if 300 <= answer.status < 400:
        return Found(WRONG, f"{answer.detail}: redirects are not followed", "base")
    if answer.meaning == Meaning.GONE and not real:
        return Found(FINE, f"can be asked: it says of {asked} that there is no such account")
    if answer.status in description.check_answers and not real:
        return Found(FINE, f"can be asked: it answers {answer.status} for {asked}, as described")
    if answer.meaning == Meaning.LATER:
        return Found(CANNOT_TELL, answer.detail, "read.path")
    return Found(WRONG, f"{answer.detail} (asked for {asked})", "read.path")


def _values(description: Description, told: dict[str, object]) -> list[Found]:
    found = []
    for kind, request in description.requests.items():
        if request.reading is None:
            continue
        there = peer.value_at(told, request.reading.at)
        if there is None:
            found.append(
                Found(WRONG, f"{kind}: there is no {request.reading.at} in what was read", f"kinds.{kind}.reads")
            )
        else:
            found.append(Found(FINE, f"{kind}: {request.reading.at} is {there!r}"))
    return found
