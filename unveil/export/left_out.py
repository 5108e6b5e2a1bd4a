"""What an export does not write, and why: told at the end, and kept in run.json."""

from __future__ import annotations

from unveil.core import console
from unveil.core.untrusted import readable


class LeftOut:
    """Counts what is left out by its reason, each with its first example."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self._examples: dict[str, str] = {}

    def add(self, reason: str, example: str, n: int = 1) -> None:
        """``reason`` says of what and why, such as "images whose file cannot be read"."""
        self.counts[reason] = self.counts.get(reason, 0) + n
        self._examples.setdefault(reason, example)

    def say(self) -> None:
        for reason, n in self.counts.items():
            console.say(readable(f"  left out {n} {reason}, such as {self._examples[reason]}"))
