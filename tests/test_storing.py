"""`unveil ingest --store`: the same records in every form, and never two forms of them beside one another."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helpers.annotated import draw
from unveil.core import jsonl, provenance
from unveil.core.records import Record
from unveil.ingest import ingest, rejections
from unveil.ingest.reading import Rejected
from unveil.ingest.spilled import Spilled
from unveil.ingest.storing import Kind


@pytest.fixture
def data(tmp_path: Path) -> Path:
    for n in range(3):
        draw(tmp_path / f"data/{n}.png", seed=n)
    rows = "".join(f"{n}.png,mass,1,1,5,{6 + n}\n" for n in range(3))
    (tmp_path / "data/rows.csv").write_text(f"image,label,x1,y1,x2,y2\n{rows}")
    return tmp_path / "data"


def test_every_form_holds_the_same_and_takes_the_place_of_the_others(data: Path) -> None:
    out = data.parent / "out"
    before: list[Record] = []
    forms: list[tuple[Kind, list[str]]] = [
        ("jsonl", ["records.jsonl"]),
        ("shards", ["records-00001.jsonl", "records-00002.jsonl"]),
        ("parquet", ["records.parquet"]),
        ("jsonl", ["records.jsonl"]),
    ]
    for kind, names in forms:
        config = ingest.Config(data=data, out=out, store=kind, shard_rows=2)
        if before:
            with pytest.raises(provenance.OutputError, match=f"store .*-> {kind}"):
                ingest.main(config)
        file = ingest.main(ingest.Config(data=data, out=out, store=kind, shard_rows=2, restart=True))
        found = list(jsonl.read_jsonl(file, Record))
        assert len(found) == 3 and found == (before or found)
        before = found
        assert sorted(path.name for path in out.iterdir() if "records" in path.name) == names
        made = {path.name: path.stat().st_mtime_ns for path in out.iterdir()}
        assert ingest.main(config) == file  # which is there already
        assert {path.name: path.stat().st_mtime_ns for path in out.iterdir()} == made


def test_drawn_images_are_stored_likewise(tmp_path: Path) -> None:
    config = ingest.Config(
        out=tmp_path, format="synthetic", patients=5, size=64, store="shards", shard_rows=5, workers=1
    )
    records = list(jsonl.read_jsonl(ingest.main(config), Record))
    assert len(records) > 5 and (tmp_path / "records-00002.jsonl").is_file()
    assert not list(tmp_path.glob("records.jsonl*"))


def test_rows_wait_for_their_owner() -> None:
    """In the order in which they were put, half characters and all; those of nobody by themselves."""
    rows = Spilled()
    assert not rows
    for n in range(2500):
        rows.put(n % 3 if n % 7 else None, n, f"row \udc80 {n}")
    assert len(rows) == 2500
    assert list(rows.owners()) == [1, 2, 0]
    assert [row for row, _ in rows.of(1)] == [n for n in range(2500) if n % 3 == 1 and n % 7]
    assert next(rows.of(None)) == (0, "row \udc80 0") and rows.number(None) == 358
    rows.move(2, None)
    assert rows.number(2) == 0 and [row for row, _ in rows.of(None)][:4] == [0, 2, 5, 7]


def test_a_million_reasons_are_told_apart_no_further(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of words of the data as reasons, two kinds are kept and all are counted."""
    monkeypatch.setattr(rejections, "MOST_REASONS", 2)
    tally = rejections.Tally(Rejected("a", n, f"reason {'abcdefgh'[n % 8]}") for n in range(80))
    assert [(reason.entries, reason.first.row) for reason in tally.reasons()] == [(60, 2), (10, 0), (10, 1)]
    assert (tally.rows, tally.entries) == (80, 80)
