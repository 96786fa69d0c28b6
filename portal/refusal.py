"""How does the house say no? One exception, in words fit for the person."""

from __future__ import annotations


class Refused(Exception):
    """The house said no: the sentence says what happened, what was kept and what to do.

    `state` is the current state of the thing that was acted on, so that a machine can see which race it lost.
    `status` is the HTTP answer: 409 for state or race, 422 for the same key with another body.
    """

    def __init__(self, sentence: str, *, state: str | None = None, status: int = 409) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.state = state
        self.status = status
