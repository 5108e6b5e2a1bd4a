"""Pickles: plain values come out, and of all others nothing is ever carried out."""

from __future__ import annotations

import pickle
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest

from unveil.ingest.pickles import plain
from unveil.ingest.reading import IngestError

ROWS = [{"image": "train_0001", "question": "Is it?", "answer": "yes", "id": 2**40}, {"image": "é", "answer": "n"}]


@pytest.mark.parametrize("protocol", range(6))
def test_plain_values_of_every_protocol(protocol: int, tmp_path: Path) -> None:
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(ROWS, protocol))
    assert plain(tmp_path / "a.pkl") == ROWS


class Canary:
    """Unpickled by the usual loader, it writes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("protocol", [0, 2, 5])
def test_a_malicious_pickle_is_refused_and_its_canary_not_written(protocol: int, tmp_path: Path) -> None:
    file, canary = tmp_path / "a.pkl", tmp_path / "canary"
    file.write_bytes(pickle.dumps([*ROWS, Canary(canary)], protocol))
    with pytest.raises(IngestError, match=r"a\.pkl: this pickle is not opened: \w*GLOBAL"):
        plain(file)
    assert not canary.exists()


@pytest.mark.parametrize("value", [OrderedDict(a=1), (1, 2), {1, 2}, 1.5, b"bytes", None, True])
def test_nothing_but_lists_dicts_texts_and_whole_numbers(value: object, tmp_path: Path) -> None:
    (tmp_path / "a.pkl").write_bytes(pickle.dumps([value], 4))
    with pytest.raises(IngestError, match="only lists, dicts, texts and whole numbers"):
        plain(tmp_path / "a.pkl")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "no pickle, or a damaged one"),
        (b"nonsense", "no pickle, or a damaged one"),
        (pickle.dumps(ROWS)[:40], "no pickle, or a damaged one"),
        (b"]r\xff\xff\xff\x7f.", "it would need memory"),
        (b"cbuiltins\nexec\n.", "GLOBAL"),
        (b"\x80\x02\x82\x01.", "EXT1"),
        (b"Pname\n.", "PERSID"),
        (b"version https://git-lfs.github.com/spec/v1\n", "a pointer of Git LFS"),
    ],
)
def test_damaged_and_hostile_files_say_what_they_are(content: bytes, said: str, tmp_path: Path) -> None:
    """Among them one that keeps a value under number 2^31 - 1, for which room would be laid out."""
    (tmp_path / "a.pkl").write_bytes(content)
    with pytest.raises(IngestError, match=said):
        plain(tmp_path / "a.pkl")


def test_lists_within_lists_are_not_written_out(tmp_path: Path) -> None:
    """Sixty lists of which each holds the one before it twice are some hundred bytes, and 2^60 values in a message."""
    shared: list[object] = []
    for _ in range(60):
        shared = [shared, shared]
    deep: list[object] = []
    for _ in range(70):
        deep = [deep]
    for value, why in ((shared, "several places"), (deep, "nested more than 64 deep")):
        path = tmp_path / "a.pkl"
        path.write_bytes(pickle.dumps([{"image": "a", "question": value, "answer": "yes"}]))
        with pytest.raises(IngestError, match=why):
            plain(path)
