"""Files of what left and of what came: their owner's alone, and a line for each session."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from unveil import __version__
from unveil.core import private
from unveil.core.records import Record, Source
from unveil.experts.requests import Raw, Request, Turn
from unveil.experts.store import Store
from unveil.gate.manifest import Manifest

RECORD = Record("drawn/a", "a.png", 48, 32, source=Source("drawn", licence="CC0-1.0", access="open"))
BODY = json.dumps({"messages": []}).encode()

pytestmark = pytest.mark.skipif(os.name == "nt", reason="files have no such rights there")


def rights(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture(params=[0o000, 0o022, 0o077, 0o777], ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[None]:
    before = os.umask(request.param)
    yield
    os.umask(before)


def test_files_are_their_owners_alone_whatever_the_umask(umask: None, tmp_path: Path) -> None:
    """With the rights of the store go those of the files beside it, in which replies stand first."""
    Manifest(tmp_path, "h", "m").write("i", RECORD, BODY, None)
    store = Store(tmp_path / "replies.sqlite")
    store.put("k", Request("i", "t", (Turn("user", "Q?"),)), Raw("A."))
    found = {path.name: rights(path) for path in tmp_path.iterdir()}
    store.close()
    names = {"manifest.jsonl", "unveil.key", "replies.sqlite", "replies.sqlite-wal", "replies.sqlite-shm"}
    assert found == dict.fromkeys(names, 0o600)


def test_files_that_others_could_read_are_closed_to_them_and_that_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Manifest(tmp_path, "h", "m").write("i", RECORD, BODY, None)
    store = Store(tmp_path / "replies.sqlite")
    store.put("k", Request("i", "t", (Turn("user", "Q?"),)), Raw("A."))
    for path in tmp_path.iterdir():
        path.chmod(0o644)
    again = Store(tmp_path / "replies.sqlite")
    Manifest(tmp_path, "h", "m").write("i", RECORD, BODY, None)
    assert {rights(path) for path in tmp_path.iterdir()} == {0o600}
    said = " ".join(capsys.readouterr().err.split())
    assert said.count("could be read by others (0644); from now on it is yours alone") == 5
    assert again.get("k") == Raw("A.") and store.get("k") == Raw("A.")
    again.close()
    store.close()


def test_what_is_its_owners_alone_is_left_as_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "x"
    path.write_text("x")
    path.chmod(0o400)
    private.kept(path)
    private.kept(tmp_path / "nothing")
    assert rights(path) == 0o400 and not capsys.readouterr().err


def test_a_session_has_a_line_of_its_own_before_its_requests(tmp_path: Path) -> None:
    """Two runs in one folder; what a session is to hold is asked for when something is about to leave, and once."""
    times = []

    def more() -> dict[str, object]:
        times.append(1)
        return {"addresses": ["192.0.2.1"], "gate": {"pixels_reviewed": {"sha256": "0f", "reviewer": "A. B."}}}

    first = Manifest(tmp_path, "h:1", "m", session=more)
    assert not times
    for item in ("i", "j"):
        first.write(item, RECORD, BODY, None)
    Manifest(tmp_path, "h:2", "n").write("i", None, BODY, None)
    lines = [json.loads(line) for line in (tmp_path / "manifest.jsonl").read_text().splitlines()]
    assert [line["kind"] for line in lines] == ["session", "request", "request", "session", "request"]
    assert len(times) == 1 and lines[0]["gate"]["pixels_reviewed"]["reviewer"] == "A. B."
    assert (lines[0]["host"], lines[0]["model"], lines[0]["unveil"]) == ("h:1", "m", __version__)
    assert lines[0]["session"] == lines[1]["session"] == lines[2]["session"] != lines[3]["session"]
    assert lines[3]["session"] == lines[4]["session"] and lines[0]["at"][:2] == "20"
