"""What a user can read of the roles that columns have is what the code knows of them."""

from __future__ import annotations

import pytest

from scripts import columns as table
from unveil.core.options import sentences
from unveil.ingest.columns import MEANINGS, ROLES
from unveil.ingest.reading import Options


def test_the_page_is_what_would_be_written() -> None:
    """Made anew by `python -m scripts.columns`."""
    text = table.find_page().read_text()
    assert table.page(text) == text
    with pytest.raises(ValueError, match="marks around the table are missing"):
        table.page("# Data")


def test_every_role_is_explained_and_named_in_the_help() -> None:
    words = sentences(Options)["columns"].replace(",", " ").replace("=", " ").split()
    assert MEANINGS.keys() == ROLES.keys() and not ROLES.keys() - {word.strip(".;") for word in words}
