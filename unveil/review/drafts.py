"""What reviewers have begun and not saved, kept on the disk: a page that was closed goes on where it was."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

from unveil.core import console, files
from unveil.core.untrusted import JsonError, read_json

#: Drafts of all reviewers together; the oldest go.
MOST = 200


class Drafts:
    """Drafts by reviewer and item, in a file beside that of decisions; its owner's alone."""

    def __init__(self, path: Path) -> None:
        self.path, self._lock = path, threading.Lock()
        self._kept: dict[str, Any] = {}
        if path.is_file():
            try:
                kept = read_json(path)
                self._kept = kept if isinstance(kept, dict) else {}
            except JsonError as error:
                console.say(f"note: {path} cannot be read ({error}): what was begun and not saved is lost")

    def get(self, reviewer: str, item: str) -> Any:
        """The draft of an item; None where there is none."""
        return self._kept.get(_key(reviewer, item))

    def put(self, reviewer: str, item: str, draft: Any) -> None:
        """Keeps a draft, or with None forgets it. Raises ``WriteError``."""
        with self._lock:
            key, kept = _key(reviewer, item), dict(self._kept)
            if kept.pop(key, None) is None and draft is None:
                return
            if draft is not None:
                kept[key] = draft
            kept = dict(list(kept.items())[-MOST:])
            files.write_text(self.path, json.dumps(kept, ensure_ascii=False), private=True)
            self._kept = kept


def _key(reviewer: str, item: str) -> str:
    return json.dumps([reviewer, item], ensure_ascii=False)


def drafts_of(path: Path) -> Path:
    """Where drafts lie beside a file of decisions."""
    return path.with_name(f"{path.name}.drafts.json")
