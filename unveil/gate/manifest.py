"""The record of what left this machine, and the names under which items stand in it."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any

from unveil import __version__
from unveil.core import private, pseudonyms
from unveil.core.records import Record
from unveil.gate import GateError


class Manifest:
    """One line for each session and one for each of its requests, written through to the disk before that is sent.

    Items stand under pseudonyms. Whoever has ``unveil.key`` can tell which is which; it never leaves this machine.
    ``session`` gives what else a session's line is to hold, once the first request is about to leave: connection,
    settings of the gate, reviews; no path and no name of a patient.
    """

    def __init__(
        self,
        folder: Path,
        host: str,
        model: str,
        dry_run: bool = False,
        session: Callable[[], Mapping[str, Any]] = dict,
    ):
        self.path, self.host, self.model, self.dry_run = folder / "manifest.jsonl", host, model, dry_run
        self._lock = threading.Lock()
        self._session, self._more, self._begun = secrets.token_hex(4), session, False

    @cached_property
    def key(self) -> bytes:
        """What pseudonyms and surrogates are made with; made at first need."""
        try:
            return pseudonyms.key(self.path.parent)
        except pseudonyms.KeyFileError as error:
            raise GateError(str(error)) from error

    def pseudonym(self, name: str) -> str:
        """The same name under the same key gives the same pseudonym, and nobody without the key can find the name."""
        return pseudonyms.pseudonym(self.key, name)

    def write(
        self,
        item: str,
        record: Record | None,
        body: bytes,
        png: bytes | None,
        done: Mapping[str, int] = MappingProxyType({}),
    ) -> None:
        """Adds what is about to leave: all of the body but for the image, which stands there by its hash; and what the
        gate has ``done``."""
        sha256 = hashlib.sha256(png or b"").hexdigest()
        common = {
            "session": self._session,
            "dry_run": self.dry_run,
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
            "host": self.host,
            "model": self.model,
        }
        about = {
            "licence": record and record.source.licence,
            "access": record and record.source.access,
            "image": {"sha256": sha256, "bytes": len(png)} if png else None,
            "gate": dict(done),
            "body_sha256": hashlib.sha256(body).hexdigest(),
            "body": _without_image(json.loads(body), sha256),
        }
        with self._lock:
            try:
                names = {"item": self.pseudonym(item), "record": self.pseudonym(record.id) if record else None}
                lines = [{"kind": "request"} | names | common | about]
                if not self._begun:
                    lines.insert(0, {"kind": "session"} | common | {"unveil": __version__, **self._more()})
                with os.fdopen(private.opened(self.path, os.O_WRONLY | os.O_APPEND), "a", encoding="utf-8") as file:
                    file.writelines(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
                    file.flush()
                    os.fsync(file.fileno())
                self._begun = True
            except OSError as error:
                raise GateError(f"{item}: not sent, since {self.path} cannot be written: {error}") from error


def _without_image(value: Any, name: str) -> Any:
    """The body with the image's data replaced by its hash."""
    if isinstance(value, dict):
        return {k: f"(PNG, sha256 {name})" if k == "url" else _without_image(v, name) for k, v in value.items()}
    return [_without_image(v, name) for v in value] if isinstance(value, list) else value
