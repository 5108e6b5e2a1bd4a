"""A zip as data: what it holds is read as from a folder; what could harm the machine is refused unwritten."""

from __future__ import annotations

import stat
import warnings
import zipfile
from pathlib import Path

import pytest

from tests.helpers.annotated import WRITERS, every_format
from unveil.core.jsonl import read_jsonl
from unveil.core.records import Record, image_path
from unveil.ingest import archive
from unveil.ingest.reading import IngestError
from unveil.ingest.runner import ingest


def zipped(path: Path, folder: Path) -> Path:
    """All files below a folder, in a zip."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        for file in sorted(folder.rglob("*")):
            made.write(file, f"set/{file.relative_to(folder).as_posix()}")
    return path


def holding(path: Path, name: str, mode: int = stat.S_IFREG, method: int = zipfile.ZIP_STORED) -> Path:
    """A zip with a good file, and one of this name."""
    with zipfile.ZipFile(path, "w") as made:
        made.writestr("good.txt", "good")
        info = zipfile.ZipInfo(name)
        info.external_attr, info.compress_type = mode << 16, method
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a name that stands there twice
            made.writestr(info, "bad")
    return path


@every_format
def test_a_zip_is_read_as_its_folder(format: str, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    WRITERS[format](tmp_path / "data")
    plain = ingest(tmp_path / "data", format, tmp_path / "out")
    summary = ingest(zipped(tmp_path / "hosp.zip", tmp_path / "data"), "auto", tmp_path / "unzipped")
    expected = {Path(r.image).name: r for r in read_jsonl(plain.records_file, Record)}
    records = list(read_jsonl(summary.records_file, Record))
    assert summary.rejected == 0 and len(records) == len(expected) == 2
    for record in records:
        same = expected[Path(record.image).name]
        assert (record.findings, record.split, record.completeness) == (same.findings, same.split, same.completeness)
        assert record.id == f"hosp/set/{same.source.file}"
        assert image_path(record, summary.records_file).is_relative_to(tmp_path / "unzipped")
        assert not Path(record.image).is_absolute(), "the folder of the records can be moved, images and all"


def test_a_zip_is_unpacked_once_until_it_changes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "data").mkdir()
    WRITERS["csv"](tmp_path / "data")
    made = zipped(tmp_path / "a.zip", tmp_path / "data")
    for _ in range(2):
        ingest(made, "csv", tmp_path / "out")
    assert capsys.readouterr().err.count("unpacked 3 files of") == 1
    (tmp_path / "data/c.txt").write_text("another")
    summary = ingest(zipped(made, tmp_path / "data"), "csv", tmp_path / "out")
    record = next(read_jsonl(summary.records_file, Record))
    assert image_path(record, summary.records_file).with_name("c.txt").is_file()


def test_separators_of_windows_are_those_of_folders(tmp_path: Path) -> None:
    """As programs on .NET have long written them, against the standard."""
    archive.unpack(holding(tmp_path / "a.zip", "set\\images\\a.txt"), tmp_path / "out")
    assert (tmp_path / "out/set/images/a.txt").read_text() == "bad"


def test_a_folder_as_windows_writes_it_is_no_file(tmp_path: Path) -> None:
    """As a file it would stand where the folder of its images has to."""
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as made:
        for name in ("set\\", "set\\images\\", "set\\images\\a.txt"):
            made.writestr(name, "")
    assert archive.unpack(tmp_path / "a.zip", tmp_path / "out") == 1
    assert (tmp_path / "out/set/images/a.txt").is_file()


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("../outside.txt", "lead out"),
        ("a/../../outside.txt", "lead out"),
        ("/outside.txt", "lead out"),
        ("C:/outside.txt", "lead out"),
        ("C:outside.txt", "lead out"),
        ("..\\outside.txt", "lead out"),
        ("good.txt", "twice"),
    ],
)
def test_names_that_lead_elsewhere(name: str, why: str, tmp_path: Path) -> None:
    with pytest.raises(IngestError, match=f"a.zip is not unpacked: .*{why}"):
        archive.unpack(holding(tmp_path / "a.zip", name), tmp_path / "out/in")
    assert [path.name for path in tmp_path.iterdir()] == ["a.zip"] and not Path("/outside.txt").exists()


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR])
def test_links_and_devices(kind: int, tmp_path: Path) -> None:
    with pytest.raises(IngestError, match="'l': a link, or no regular file"):
        archive.unpack(holding(tmp_path / "a.zip", "l", kind), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_what_python_cannot_unpack_within_bounds(tmp_path: Path) -> None:
    with pytest.raises(IngestError, match="rare method; unpack the zip, and give its folder"):
        archive.unpack(holding(tmp_path / "a.zip", "l", method=zipfile.ZIP_LZMA), tmp_path / "out")


@pytest.mark.parametrize(
    ("offset", "value", "why"),
    [
        (8, 1, "'l': it needs a password; unpack"),
        (8, 1 << 6, "'l': it needs a password; unpack"),
        (8, 1 << 5, "'l': packed by a rare method; unpack"),
        (6, 131, r"packed in a rare way \(zip file version 13\.1\); unpack"),
    ],
)
def test_what_the_directory_says_that_python_cannot_unpack(offset: int, value: int, why: str, tmp_path: Path) -> None:
    """The directory stands at the end: 6 bytes behind its signature is the version that a program needs to have,
    8 bytes behind it are the flags, of which bits 0 and 6 tell of a password and bit 5 of a patch."""
    raw = holding(tmp_path / "a.zip", "l").read_bytes()
    at = raw.rindex(b"PK\x01\x02") + offset
    (tmp_path / "a.zip").write_bytes(raw[:at] + bytes([value]) + raw[at + 1 :])
    with pytest.raises(IngestError, match=rf"a\.zip.*{why} the zip, and give its folder"):
        archive.unpack(tmp_path / "a.zip", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_damaged_bzip2_stream_is_told_with_its_zip(tmp_path: Path) -> None:
    raw = holding(tmp_path / "a.zip", "l", method=zipfile.ZIP_BZIP2).read_bytes()
    at = raw.index(b"BZh") + 4  # the mark of a block
    (tmp_path / "a.zip").write_bytes(raw[:at] + bytes(6) + raw[at + 6 :])
    with pytest.raises(IngestError, match=r"a\.zip: no zip, or a damaged one \(Invalid data stream\); copy it again"):
        archive.unpack(tmp_path / "a.zip", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_bomb_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A million zeros take some thousand bytes: more than 100 times as much."""
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("zeros", bytes(1_000_000))
    assert archive.unpack(tmp_path / "a.zip", tmp_path / "small") == 1, "a million bytes harm nobody"
    monkeypatch.setattr(archive, "ALLOWED", 1000)
    with pytest.raises(IngestError, match=r"would grow to 0\.001 GB, more than 100 times its size; if you trust it"):
        archive.unpack(tmp_path / "a.zip", tmp_path / "out")
    monkeypatch.setattr(archive, "SPARE", 2**62)
    monkeypatch.setattr(archive, "ALLOWED", 2**30)
    with pytest.raises(IngestError, match=r"it needs 0\.001 GB, and .* has 0 left"):
        archive.unpack(tmp_path / "a.zip", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_size_that_is_stated_too_small_is_found_out(tmp_path: Path) -> None:
    """The directory at the end says that the file has 10 bytes: no more are read, and the check sum does not fit."""
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("zeros", bytes(1_000_000))
    raw = (tmp_path / "a.zip").read_bytes()
    at = raw.rindex(b"PK\x01\x02") + 24  # the size before packing: 24 bytes behind its signature
    (tmp_path / "a.zip").write_bytes(raw[:at] + (10).to_bytes(4, "little") + raw[at + 4 :])
    with pytest.raises(IngestError, match="no zip, or a damaged one"):
        archive.unpack(tmp_path / "a.zip", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_damaged_zip_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    WRITERS["csv"](tmp_path / "data")
    whole = zipped(tmp_path / "a.zip", tmp_path / "data").read_bytes()
    (tmp_path / "a.zip").write_bytes(whole[:60] + bytes([whole[60] ^ 255]) + whole[61:])
    (tmp_path / "b.zip").write_bytes(whole[:100])
    for name in ("a.zip", "b.zip"):
        with pytest.raises(IngestError, match=r"no zip, or a damaged one .*; copy it again"):
            archive.unpack(tmp_path / name, tmp_path / "out")
    assert not (tmp_path / "out").exists()
