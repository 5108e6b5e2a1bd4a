"""Tables whose columns are known beforehand: in any encoding, packed or not, and with quotation marks that are odd."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest

from unveil.ingest.folder import Folder
from unveil.ingest.reading import IngestError, Options
from unveil.ingest.rows import rows

TEXT = "ImageID,frase\na.png,pulmón\n"


@pytest.mark.parametrize("packed", [bytes, gzip.compress])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1"])
def test_the_encoding_that_is_asked_for_is_that_of_tables_in_no_other(
    encoding: str, packed: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    """UTF-8, marked or not, stays what it is where --encoding says latin-1 for the sake of another table."""
    (tmp_path / "t.csv").write_bytes(packed(TEXT.encode(encoding)))
    folder = Folder(tmp_path, Options(encoding="latin-1"))
    assert list(rows(folder, tmp_path / "t.csv", ["ImageID"])) == [(2, {"ImageID": "a.png", "frase": "pulmón"})]


def test_a_table_marked_as_utf_16_needs_no_option(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(TEXT.encode("utf-16"))
    assert [row["frase"] for _, row in rows(Folder(tmp_path), tmp_path / "t.csv", ["ImageID"])] == ["pulmón"]


@pytest.mark.parametrize("last", ["c.png,n", 'c.png,"n"'])
def test_a_quotation_mark_that_is_not_closed_swallows_no_rows(last: str, tmp_path: Path) -> None:
    """Before, b.png's row and c.png's were a part of a.png's label, whether or not a later mark closed it."""
    (tmp_path / "t.csv").write_text(f'image,label\na.png,"mass\nb.png,cyst\n{last}\n')
    with pytest.raises(IngestError, match=r"t\.csv: .*line 4: .*quotation mark not closed"):
        list(rows(Folder(tmp_path), tmp_path / "t.csv", ["image"]))
