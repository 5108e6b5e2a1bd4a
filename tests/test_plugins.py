"""A file of the user's own is run as it stands there."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests.helpers.plugging import forgotten
from unveil.core import plugins


def test_a_file_that_was_changed_within_a_second_is_run_as_it_is_now(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bytecode that Python keeps is told apart by size and second alone; nothing is left beside the file."""
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    file, found = tmp_path / "own.py", []
    with forgotten():
        for value in (1, 2):
            file.write_text(f"VALUE = {value}\n")
            os.utime(file, (1e9, 1e9))
            found.append(plugins.module_of(file).VALUE)
    assert found == [1, 2] and list(tmp_path.iterdir()) == [file]
