"""Replies on disk, so that nobody is asked or paid twice."""

from __future__ import annotations

import os
import sqlite3
import threading
from pathlib import Path

from unveil.core import private
from unveil.core.files import said
from unveil.experts.requests import ExpertError, Raw, Request


class Store:
    """Replies on disk by key, in SQLite, written through before they are used. One file may serve several jobs."""

    def __init__(self, path: Path):
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        try:
            for end in ("", "-wal", "-shm"):
                private.kept(path.with_name(path.name + end))
            if not path.exists():  # SQLite's own files get the rights of this one
                os.close(private.opened(path, os.O_RDWR))
        except OSError as error:
            raise ExpertError(f"cannot keep replies here: {said(error, path)}") from error
        try:
            self._file = sqlite3.connect(path, check_same_thread=False, timeout=60)
            self._file.execute("PRAGMA journal_mode=WAL")
            self._file.execute("PRAGMA synchronous=FULL")
            self._file.execute(
                "CREATE TABLE IF NOT EXISTS replies (key TEXT PRIMARY KEY, task TEXT, item TEXT, text TEXT,"
                " tokens_in INTEGER, tokens_out INTEGER, cut INTEGER)"
            )
        except sqlite3.Error as error:
            raise ExpertError(f"{path}: cannot keep replies here: {error}") from error

    def get(self, key: str) -> Raw | None:
        try:
            with self._lock:
                found = self._file.execute("SELECT text, tokens_in, tokens_out, cut FROM replies WHERE key = ?", [key])
                row = found.fetchone()
        except sqlite3.Error as error:
            raise ExpertError(f"{self.path}: kept replies cannot be read: {error}") from error
        return Raw(row[0], row[1], row[2], bool(row[3])) if row else None

    def put(self, key: str, request: Request, raw: Raw) -> None:
        row = (key, request.task, request.id, raw.text, raw.tokens_in, raw.tokens_out, raw.cut)
        try:
            with self._lock, self._file:
                self._file.execute("INSERT OR REPLACE INTO replies VALUES (?, ?, ?, ?, ?, ?, ?)", row)
        except sqlite3.Error as error:  # a full disk, above all
            raise ExpertError(f"{request.id}: its reply could not be kept in {self.path}: {error}") from error

    def close(self) -> None:
        self._file.close()
