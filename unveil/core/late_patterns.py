"""Regular expressions that are compiled at their first use: a command that reads no answer starts without them."""

from __future__ import annotations

import re
from functools import cached_property
from typing import Any, cast


class _Late:
    def __init__(self, pattern: str, flags: int):
        self.pattern, self.flags = pattern, flags

    @cached_property
    def compiled(self) -> re.Pattern[str]:
        return re.compile(self.pattern, self.flags)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        value = getattr(self.compiled, name)
        setattr(self, name, value)  # found at once from now on
        return value


def late(pattern: str, flags: int = re.I) -> re.Pattern[str]:
    """What ``re.compile`` gives, compiled at its first use."""
    return cast(re.Pattern[str], _Late(pattern, flags))
