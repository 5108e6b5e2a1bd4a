"""The command that tries the gate: what it says, writes, and what its page shows. Nothing is ever sent."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conftest import draw
from tests.helpers.nobody import NOBODY
from unveil import cli
from unveil.core.jsonl import write_jsonl
from unveil.core.records import Dialogue, Finding, Pair, Prediction, Record, Source
from unveil.gate import gate
from unveil.gate.burned_in import BurnedIn

OPEN = Source("drawn", licence="CC0-1.0", access="open")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Records, dialogues, pairs and predictions about one image; some of their texts name somebody."""
    draw(tmp_path / "a.png", (48, 32), 0)
    record = Record("drawn/a", "a.png", 48, 32, patient="QUOX^ZEBEDIAH", source=OPEN, findings=(Finding("nodule"),))
    write_jsonl(tmp_path / "records.jsonl", [record])
    asked = ("drawn/a", "a.png", "train", "open")
    write_jsonl(
        tmp_path / "dialogues.jsonl",
        [
            Dialogue("d0", *asked, "Is anything abnormal in this image?", "Yes."),  # type: ignore[arg-type]
            Dialogue("d1", *asked, "What did zebediah have?", "Seen by Dr. Roe on 3 April 2019."),  # type: ignore[arg-type]
        ],
    )
    pair = Pair("p", *asked, "What is it?", "nodule.", "MRN 4815162, seen twice.")  # type: ignore[arg-type]
    write_jsonl(tmp_path / "pairs.jsonl", [pair])
    said = Prediction("d0", "drawn/a", "open", "It was <b>Dr. Roe</b>.", "pixels", (48, 32), "m")
    write_jsonl(tmp_path / "predictions.jsonl", [said])
    return tmp_path


def lists(folder: Path, name: str) -> list[dict]:
    return [json.loads(line) for line in (folder / name).read_text().splitlines()][1:]


def test_free_texts_are_told_with_what_is_found_in_them(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["gate", str(data / "dialogues.jsonl"), "--records", str(data / "records.jsonl"), "--no-images"]
    assert cli.main(words) == 1
    told = " ".join(capsys.readouterr().err.split())
    assert "2 texts of our own words" in told and "2 free texts: 2 held" in told
    found = {line["text"]: line["found"] for line in lists(data / "dialogues.jsonl.gate", "texts.jsonl")}
    assert [f.split(" (")[0] for f in found["What did zebediah have?"]] == ["identifier of the record"]
    assert {f.split(" (")[0] for f in found["Seen by Dr. Roe on 3 April 2019."]} >= {"date"}
    page = (data / "dialogues.jsonl.gate" / "gate.html").read_text()
    assert "What would leave of dialogues.jsonl" in page and "<script" not in page


@pytest.mark.parametrize("name", ["records.jsonl", "pairs.jsonl", "predictions.jsonl", "a.png", "."])
def test_it_takes_what_there_is(name: str, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a finder all is decided, so that only what rules find is replaced; nothing keeps the command at 1."""
    monkeypatch.setattr(gate, "read_image", lambda png, how: BurnedIn(()))
    out = ["--out", str(data / "tried"), "--names", NOBODY, "--identifiers", "redact"]
    assert cli.main(["gate", str(data / name), *out]) == 0
    assert len(lists(data / "tried", "images.jsonl")) == (name != "predictions.jsonl")


def test_what_stands_in_a_text_is_shown_and_not_run(data: Path) -> None:
    cli.main(["gate", str(data / "predictions.jsonl")])
    page = (data / "predictions.jsonl.gate" / "gate.html").read_text()
    assert "<b>Dr" not in page and "&lt;b&gt;" in page


def test_an_image_that_cannot_be_read_is_held(data: Path) -> None:
    (data / "a.png").write_bytes(b"no image")
    assert cli.main(["gate", str(data / "records.jsonl")]) == 1
    assert "a.png" in (data / "records.jsonl.gate" / "gate.html").read_text()


def test_a_data_set_that_must_not_leave_is_told_first(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record = Record("m/a", "a.png", 48, 32, source=Source("MIMIC-CXR", licence="x", access="open"))
    write_jsonl(data / "records.jsonl", [record])
    assert cli.main(["gate", str(data / "records.jsonl"), "--no-images"]) == 1
    assert "must not leave: MIMIC-CXR" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("none.jsonl", None, "no such file"),
        ("x.jsonl", '{"a": 1}\n', "x.jsonl:1: .*neither a record nor a dialogue"),
        ("x.txt", "", "no text and no image"),
        ("x.jsonl", '{"question": 3}\n', "x.jsonl:1"),
        ("x.txt", "caf\xe9", "not UTF-8"),
    ],
)
def test_bad_input_is_named(
    name: str, content: str | None, why: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import re

    if content is not None:
        (tmp_path / name).write_bytes(content.encode("latin-1"))
    assert cli.main(["gate", str(tmp_path / name)]) == 1
    told = " ".join(capsys.readouterr().err.split())
    assert re.search(why, told) and "Traceback" not in told


def test_a_review_that_somebody_has_begun_is_not_written_over(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Lists and page are their owner's alone; the same command again makes them anew only while nobody has decided."""
    words = ["gate", str(data / "predictions.jsonl")]
    folder = data / "predictions.jsonl.gate"
    assert cli.main(words) == cli.main(words) == 1
    assert {(folder / name).stat().st_mode & 0o777 for name in ("texts.jsonl", "images.jsonl", "gate.html")} == {0o600}
    head, *rest = (folder / "texts.jsonl").read_text().splitlines()
    done = "\n".join([head, *(line.replace('"decision": ""', '"decision": "send"') for line in rest)]) + "\n"
    (folder / "texts.jsonl").write_text(done)
    capsys.readouterr()
    assert cli.main([*words, "--restart"]) == 1
    assert "a review that somebody has begun" in " ".join(capsys.readouterr().err.split())
    assert (folder / "texts.jsonl").read_text() == done
