"""Libraries that fetch code as they are imported are kept from it."""

from __future__ import annotations

import importlib
import logging
import sys
from pathlib import Path

import pytest

from unveil.vlm import imports


@pytest.fixture
def stand_ins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose modules are imported in place of the libraries', of which none is there yet."""
    (tmp_path / "kernels.py").write_text("")
    (tmp_path / "bitsandbytes.py").write_text("""
import logging
try:
    import kernels
    fetched = True
except ImportError:
    fetched = False
    logging.getLogger("bitsandbytes.backends").warning("could not be fetched")
""")
    (tmp_path / "peft.py").write_text("import bitsandbytes")
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in ("kernels", "bitsandbytes", "peft"):
        monkeypatch.setitem(sys.modules, name, None)  # so that what was there is there again at the end
        del sys.modules[name]
    return tmp_path


def test_nothing_is_fetched_as_bitsandbytes_is_imported(stand_ins: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would be, where the package kernels is there, which others may go on to use."""
    assert importlib.import_module("bitsandbytes").fetched
    del sys.modules["bitsandbytes"]
    warned: list[str] = []
    monkeypatch.setattr(logging.Logger, "callHandlers", lambda _, record: warned.append(record.getMessage()))
    assert not imports.bitsandbytes().fetched and not warned
    assert importlib.import_module("kernels").__file__ == str(stand_ins / "kernels.py")
    del sys.modules["kernels"], sys.modules["bitsandbytes"]
    assert not imports.bitsandbytes().fetched and "kernels" not in sys.modules


def test_nor_as_peft_is_imported_which_imports_it(stand_ins: Path) -> None:
    assert not imports.peft().bitsandbytes.fetched
