"""What did the search walk, and what did it see? Each promise with its figures."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass
class Told:
    """What was walked and what was seen."""

    pages: Counter[str] = field(default_factory=Counter)
    statuses: Counter[int] = field(default_factory=Counter)
    doors: dict[str, Counter[int]] = field(default_factory=dict)  # every door of the site → how it answered
    leaks: list[str] = field(default_factory=list)
    seen: Counter[str] = field(default_factory=Counter)  # values found where they may stand: the search can see
    reveals: Counter[str] = field(default_factory=Counter)
    lost: list[str] = field(default_factory=list)  # requests of the tour that were refused
    lines: int = 0  # of the application's log

    def holds(self, pages: int) -> dict[str, tuple[bool, str]]:
        """Each promise with its figures."""
        walked = sum(self.pages.values())
        lines = {
            "pages, answers and files searched": (
                walked >= pages,
                ", ".join(f"{kind} {n}" for kind, n in [*self.pages.items(), ("lines of log", self.lines)]),
            ),
            "every page and API route among them": (
                not self.shut() and not self.lost,
                f"{len(self.doors)} doors, {len(self.shut())} that never opened: {', '.join(self.shut()) or 'none'}",
            ),
            "personal values without a reveal": (not self.leaks, f"{len(self.leaks)} found"),
            "the search can see": (
                self.seen["content"] > 0 and self.seen["staff"] > 0 and self.reveals["shown"] > 0,
                f"content {self.seen['content']}, staff {self.seen['staff']}, revealed {self.reveals['shown']} times",
            ),
            "reveals with faults between log and page": (
                self.reveals["unlogged"] == 0,
                f"{self.reveals['asked']} asked, {self.reveals['broken']} broken on the way, "
                f"{self.reveals['unlogged']} shown without an earlier row",
            ),
            "nothing broke by itself": (self.statuses[500] == self.reveals["errors"], f"500: {self.statuses[500]}"),
        }
        return lines

    def shut(self) -> list[str]:
        """The doors of which no answer was searched but refusals."""
        return sorted(name for name, said in self.doors.items() if not any(n < 400 for n in said))
