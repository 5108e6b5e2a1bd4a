"""Keyed hashes of names, and the file that holds the key."""

from __future__ import annotations

import hashlib
import hmac
from pathlib import Path

import pytest

from unveil.core import pseudonyms


def test_the_key_is_made_once_and_its_owners_alone(tmp_path: Path) -> None:
    key = pseudonyms.key(tmp_path / "new")
    file = tmp_path / "new" / pseudonyms.KEY_FILE
    assert key == pseudonyms.key(tmp_path / "new") == bytes.fromhex(file.read_text()) and len(key) == 32
    assert file.stat().st_mode & 0o777 == 0o600 and key != pseudonyms.key(tmp_path / "other")
    file.chmod(0o644)
    assert pseudonyms.key(tmp_path / "new") == key and file.stat().st_mode & 0o777 == 0o600


def test_a_file_that_holds_no_key(tmp_path: Path) -> None:
    (tmp_path / pseudonyms.KEY_FILE).write_text("4711")
    with pytest.raises(pseudonyms.KeyFileError, match=r"unveil\.key: not a key for pseudonyms; delete it"):
        pseudonyms.key(tmp_path)


def test_a_pseudonym_is_the_hmac_of_the_name() -> None:
    assert pseudonyms.pseudonym(b"k", "ä") == hmac.new(b"k", "ä".encode(), hashlib.sha256).hexdigest()
