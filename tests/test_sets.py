"""All data sets of the table: each is told by its files, is described whole, and goes through the main job."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

import pytest

from unveil.core.jsonl import read_jsonl
from unveil.core.records import Record
from unveil.ingest.catalogue import Format
from unveil.ingest.runner import ingest
from unveil.ingest.sets import SETS
from unveil.pipelines import run

ALL = pytest.mark.parametrize("form", SETS, ids=lambda form: form.name)


def written(form: Format, folder: Path) -> Path:
    """A small folder in the set's layout, by the fixture of the same name."""
    import_module(f"tests.helpers.sets.{form.read.__module__.rpartition('.')[2]}").write(folder)
    return folder


@ALL
def test_its_files_tell_it(form: Format, tmp_path: Path) -> None:
    """No file of the fixture is renamed, and no option is needed; nothing of it is rejected."""
    summary = ingest(written(form, tmp_path / "set"), "auto", tmp_path / "out")
    rows = list(read_jsonl(summary.records_file, Record))
    assert summary.format == form.name and form.about is not None
    assert {row.source.dataset for row in rows} == {form.name}
    assert {(row.source.licence, row.source.access) for row in rows} == {(form.about.licence, form.about.access)}
    given = {
        "labels": any(row.findings for row in rows),
        "boxes": any(f.box for row in rows for f in row.findings),
        "masks": any(f.mask for row in rows for f in row.findings),
        "phrases": any(f.phrase for row in rows for f in row.findings),
        "questions": any(row.questions for row in rows),
        "choices": any(q.choices for row in rows for q in row.questions),
        "reports": any(row.report for row in rows),
        "patients": any(row.patient for row in rows),
        "splits": any(row.split for row in rows),
        "readers": any(row.readers for row in rows),
    }
    assert {name for name, there in given.items() if there} == set(form.about.gives)
    assert all(row.patient is None for row in rows) or "patients" in form.about.gives


@ALL
def test_its_row_is_whole(form: Format) -> None:
    about = form.about
    assert about and about.name == form.name and re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", form.name)
    assert about.source.startswith("https://") and about.citation and about.parts and about.gives
    assert all(note.endswith(".") for note in about.notes)


@ALL
def test_the_main_job_runs_on_it(form: Format, tmp_path: Path) -> None:
    """`unveil run --data DIR` and no other option, but for the folder that it writes to."""
    report = run.main(run.Config(data=written(form, tmp_path / "set"), out=tmp_path / "out", resamples=50))
    assert form.about and form.about.name in report.read_text()
