"""Names that stand for others: a keyed hash (HMAC-SHA256), by which nobody without the key finds whose name it was."""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
from pathlib import Path

from unveil.core import private

#: The file of a folder's key; it never leaves this machine.
KEY_FILE = "unveil.key"


class KeyFileError(ValueError):
    """A file that should hold a key and does not; the message says what to do."""


def key(folder: Path) -> bytes:
    """The key of a folder: 32 bytes, made at first need, its owner's alone. Raises ``KeyFileError``."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / KEY_FILE
    try:
        descriptor = private.opened(path, os.O_WRONLY | os.O_EXCL)
    except FileExistsError:
        private.kept(path)
    else:
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_hex(32))
    text = path.read_text().strip()
    if not re.fullmatch("[0-9a-f]{64}", text):
        raise KeyFileError(f"{path}: not a key for pseudonyms; delete it, and a new one is made")
    return bytes.fromhex(text)


def pseudonym(key: bytes, name: str) -> str:
    """The same name under the same key gives the same 64 hexadecimal digits."""
    return hmac.new(key, name.encode(), hashlib.sha256).hexdigest()
