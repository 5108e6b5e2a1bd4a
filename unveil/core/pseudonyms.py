"""Names that stand for others: a keyed hash (HMAC-SHA256), by which nobody without the key finds whose name it was."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from pathlib import Path

from unveil.core import files, private

#: The file of a folder's key; it never leaves this machine.
KEY_FILE = "unveil.key"


class KeyFileError(ValueError):
    """A file that should hold a key and does not; the message says what to do."""


def key(folder: Path) -> bytes:
    """The key of a folder: 32 bytes, made at first need, its owner's alone. Raises ``KeyFileError``.

    It appears whole or not at all, and once, however many processes need it first.
    """
    path = folder / KEY_FILE
    if not path.exists():
        _make(path)
    private.kept(path)
    text = path.read_text().strip()
    if not re.fullmatch("[0-9a-f]{64}", text):
        raise KeyFileError(
            f"{path}: not a key for pseudonyms; put back the one that was there\n"
            "where it is lost, delete the file: a new key gives everybody another pseudonym than all files of before"
        )
    return bytes.fromhex(text)


def _make(path: Path) -> None:
    from filelock import FileLock

    path.parent.mkdir(parents=True, exist_ok=True)
    lock = path.with_name(f".{path.name}.lock")
    with FileLock(lock):
        if not path.exists():  # nor has another process made it meanwhile
            with files.whole(path, private=True) as partial:
                partial.write_text(secrets.token_hex(32))
    lock.unlink(missing_ok=True)


def pseudonym(key: bytes, name: str) -> str:
    """The same name under the same key gives the same 64 hexadecimal digits."""
    return hmac.new(key, name.encode(), hashlib.sha256).hexdigest()


#: Digits by which an exported benchmark calls a question, of 64.
QUESTION_DIGITS = 16


def of_question(key: bytes, dialogue: str) -> str:
    """The pseudonym of a dialogue in an exported benchmark, by which predictions come back to it."""
    return pseudonym(key, f"dialogue:{dialogue}")[:QUESTION_DIGITS]
