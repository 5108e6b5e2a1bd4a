"""The command that lists data sets, and says what of one is missing in a folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helpers.sets import kvasir_seg
from unveil.ingest.catalogue import Download
from unveil.ingest.datasets import Config, main, matcher, overview
from unveil.ingest.formats import FORMATS
from unveil.ingest.reading import IngestError


def test_every_row_is_listed(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Data sets and forms, each with what is read of it."""
    monkeypatch.setenv("COLUMNS", "300")  # nothing is wrapped
    assert main(Config())
    lines = capsys.readouterr().out.splitlines()
    for form in FORMATS.values():
        [line] = [line for line in lines if line.split()[:1] == [form.name]]
        assert form.about or form.help in line
    assert all(form.about or form.help for form in FORMATS.values())


def test_one_row_tells_where_from_and_how(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(Config("Kvasir-SEG"))
    said = capsys.readouterr().out
    assert "https://datasets.simula.no" in said and "unveil run --data DIR --format kvasir-seg" in said


def test_what_is_missing_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Masks may be left out; without the file of the boxes nothing can be read, and one of a like name is told."""
    kvasir_seg.write(tmp_path)
    assert main(Config("kvasir-seg", tmp_path))
    (tmp_path / "kavsir_bboxes.json").rename(tmp_path / "kavsir_bbox.json")
    assert not main(Config("kvasir-seg", tmp_path))
    said = capsys.readouterr().out
    assert "MISSING  **/kavsir_bboxes.json" in said and "is it kavsir_bbox.json?" in said


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (Config("kvasir"), "called 'kvasir': kvasir-seg?"),
        (Config("qqq"), "lists all"),
        (Config("coco", Path()), "is a form of annotation"),
        (Config(check=Path()), "needs the name"),
    ],
)
def test_what_cannot_be_told(config: Config, said: str) -> None:
    with pytest.raises(IngestError, match=said):
        main(config)


@pytest.mark.parametrize(
    ("pattern", "path", "fits"),
    [
        ("**/a.csv", "a.csv", True),
        ("**/a.csv", "x/y/A.CSV", True),
        ("a.csv", "x/a.csv", False),
        ("imgs/*.png", "imgs/x/1.png", False),
        ("{train,test}.json", "test.json", True),
        ("{train,test}.json", "val.json", False),
    ],
)
def test_patterns(pattern: str, path: str, fits: bool) -> None:
    assert bool(matcher(Download(pattern, "it")).fullmatch(path)) is fits


@pytest.mark.parametrize("width", [80, 100, 140])
def test_lines_fit_the_screen(width: int) -> None:
    """No line is longer than it, and no word of a row is lost."""
    lines = [line for part in overview(list(FORMATS.values()), width) for line in part.splitlines()]
    assert max(map(len, lines)) <= width
    assert {"dermoscopy", "patients,", "phrases,"} <= set(" ".join(lines).split())
