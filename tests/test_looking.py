"""Images are looked at beside the reading: in any number of processes with one result, and once, also after a kill."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.annotated import draw, truncate
from unveil.core import jsonl
from unveil.core.records import Record, Source
from unveil.ingest import looking, reading
from unveil.ingest.runner import JOURNAL, Summary, ingest

IMAGES = 40
#: An ingest that writes down what it looks at, is slow at it, and keeps in its journal all that it knows.
SLOW = """
import sys, time
from pathlib import Path
from unveil.ingest import looking
from unveil.ingest.runner import ingest

real = looking.look
def slow(path, decode):
    with open(sys.argv[2] + ".looked", "a") as log:
        log.write(Path(path).name + "\\n")
    time.sleep(0.01)
    return real(path, decode)

looking.look, looking.PART, looking.EVERY = slow, 4, 0
ingest(sys.argv[1], "csv", sys.argv[2])
"""


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A table of images of which number 7 is damaged."""
    for n in range(IMAGES):
        draw(tmp_path / f"data/{n:02d}.png", seed=n)
    truncate(tmp_path / "data/07.png")
    rows = [f"{n:02d}.png,mass,1,1,{5 + n % 9},9" for n in range(IMAGES) for _ in range(2)]
    (tmp_path / "data/rows.csv").write_text("\n".join(["image,label,x1,y1,x2,y2", *rows]))
    return tmp_path / "data"


def read(data: Path, out: str, **more: Any) -> tuple[Summary, list[Record], list[dict[str, Any]]]:
    summary = ingest(data, "csv", data.parent / out, **more)
    rejected = [json.loads(line) for line in summary.rejected_file.read_text().splitlines()]
    return summary, list(jsonl.read_jsonl(summary.records_file, Record)), rejected


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The images that are looked at here, in turn."""
    names: list[str] = []
    real = looking.look
    monkeypatch.setattr(looking, "look", lambda path, decode: (names.append(Path(path).name), real(path, decode))[1])
    return names


def test_the_result_is_the_same_for_any_number_of_workers(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both rows of the damaged image are lost, and told with it."""
    alone = read(data, "alone", workers=1)
    monkeypatch.setattr(looking, "POOL_FROM", 1)
    monkeypatch.setattr(looking, "PART", 3)
    several = read(data, "several", workers=2)
    assert several[1:] == alone[1:] and len(alone[1]) == IMAGES - 1
    [lost] = alone[2]
    assert (lost["file"], lost["rows"]) == ("07.png", 2) and "decoding failed" in lost["reason"]
    assert all(len(record.source.sha256 or "") == 64 for record in alone[1])
    assert not (data.parent / "alone" / JOURNAL).exists()


def test_what_was_looked_at_before_a_kill_is_not_looked_at_again(data: Path, seen: list[str]) -> None:
    """Killed after 20 of 40 images, at least 16 of which, four parts, are known; one of them has changed since."""
    out = data.parent / "out"
    process = subprocess.Popen([sys.executable, "-c", SLOW, data, out], stderr=subprocess.DEVNULL)
    log, limit = Path(f"{out}.looked"), time.monotonic() + 60
    while not log.is_file() or len(log.read_text().splitlines()) < 20:
        assert process.poll() is None and time.monotonic() < limit
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert (out / JOURNAL).is_file() and not (out / "records.jsonl").exists()
    draw(data / "00.png", seed=99)
    os.utime(data / "00.png", (1, 1))
    again = read(data, "out")
    known = {f"{n:02d}.png" for n in range(IMAGES)} - set(seen)
    assert len(known) >= 14 and known <= set(log.read_text().split()) and {"00.png", "07.png"} <= set(seen)
    assert again[1:] == read(data, "undisturbed")[1:]
    assert not (out / JOURNAL).exists() and not (out / "records.jsonl.read").exists()


def test_a_run_that_was_refused_leaves_what_it_knows(data: Path, seen: list[str]) -> None:
    """One row in fifty may be rejected, and one in forty is. Only what was decoded counts as decoded."""
    with pytest.raises(reading.IngestError, match="--allow-rejected"):
        read(data, "out", options=reading.Options(allow_rejected=0.02))
    assert len(seen) == IMAGES
    seen.clear()
    read(data, "out")
    assert seen == ["07.png"]
    with pytest.raises(reading.IngestError, match="--readers"):
        read(data, "out", options=reading.Options(decode=False, readers="wbf"))
    seen.clear()
    read(data, "out", options=reading.Options(decode=False))
    assert len(seen) == IMAGES
    (data.parent / "out" / JOURNAL).write_bytes(b"no database")
    read(data, "out")


def test_an_image_that_comes_again_is_not_looked_at_again(tmp_path: Path, seen: list[str]) -> None:
    """As one that two files annotate does, long after the first time."""
    image = draw(tmp_path / "a.png")
    record = Record("a", str(image), 40, 20, source=Source("set", sha256=""))
    journal = looking.Journal(tmp_path / "journal", decode=True)
    parts = looking.PART * [record]
    looks = [look for _, look in looking.looked([*parts, *parts], 1, True, 1, journal)]
    journal.close(remove=True)
    assert seen == ["a.png"] and len(looks) == 2 * looking.PART and len({look.sha256 for look in looks}) == 1


def test_what_a_reader_raises_comes_after_what_it_gave(tmp_path: Path) -> None:
    def items() -> Any:
        yield reading.Rejected("a", None, "bad")
        raise reading.IngestError("stop")

    journal = looking.Journal(tmp_path / "journal", decode=False)
    found = looking.looked(items(), 1, False, 1, journal)
    assert next(found).file == "a"
    with pytest.raises(reading.IngestError, match="stop"):
        next(found)
    journal.close(remove=True)
