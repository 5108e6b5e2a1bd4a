"""Keyed hashes of names, and the file that holds the key."""

from __future__ import annotations

import hashlib
import hmac
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

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
    with pytest.raises(pseudonyms.KeyFileError, match=r"unveil\.key: not a key for pseudonyms; put back .*\n.*lost"):
        pseudonyms.key(tmp_path)


def test_all_who_need_it_first_have_one_key(tmp_path: Path) -> None:
    """Eight threads at a time, twenty times: nobody reads a part of it, and nothing else stays."""
    for turn in range(20):
        folder, start = tmp_path / f"{turn}", Barrier(8)

        def needs(_: int, folder: Path = folder, start: Barrier = start) -> bytes:
            start.wait()
            return pseudonyms.key(folder)

        with ThreadPoolExecutor(8) as pool:
            assert len(set(pool.map(needs, range(8)))) == 1
        assert [file.name for file in folder.iterdir()] == [pseudonyms.KEY_FILE]


def test_a_process_that_is_killed_leaves_no_part_of_a_key(tmp_path: Path) -> None:
    """On its way to write it: another one then makes it."""
    code = "import os, secrets, sys\nfrom pathlib import Path\nfrom unveil.core import pseudonyms\n"
    code += "secrets.token_hex = lambda n: '0' * n if n < 32 else os._exit(9)\npseudonyms.key(Path(sys.argv[1]))\n"
    assert subprocess.run([sys.executable, "-c", code, str(tmp_path)]).returncode == 9
    assert not (tmp_path / pseudonyms.KEY_FILE).exists() and len(pseudonyms.key(tmp_path)) == 32


def test_a_pseudonym_is_the_hmac_of_the_name() -> None:
    assert pseudonyms.pseudonym(b"k", "ä") == hmac.new(b"k", "ä".encode(), hashlib.sha256).hexdigest()
