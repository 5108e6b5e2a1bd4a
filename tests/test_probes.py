"""Pairs of questions about what is there and what is not: who is asked for, what is known to be absent, and by hand."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from tests.helpers.outcomes import record
from unveil import cli
from unveil.core.jsonl import read_jsonl, write_jsonl
from unveil.core.records import Dialogue, Record
from unveil.curate.probes import Way, known, probes

#: Of the training images three have mass, two cyst, one scar; cyst is twice with mass, scar once with nodule alone.
TRAIN = (("mass", "cyst"), ("mass", "cyst"), ("mass",), ("scar", "nodule"))


def image(name: str, *labels: str, split: str = "test", complete: bool = True, **more) -> Record:
    return replace(record(*((n, None) for n in labels), name=name, complete=complete), split=split, **more)  # type: ignore[arg-type]


RECORDS = [image(f"t{i}", *labels, split="train") for i, labels in enumerate(TRAIN)]


def asked(*more: Record, ways: tuple[Way, ...] = ("adversarial",), pairs: int = 1, seed: int = 0) -> list[Dialogue]:
    return list(probes([*RECORDS, *more], ways, pairs, seed))


def test_a_pair_asks_for_what_is_there_and_for_what_is_not() -> None:
    there, absent = asked(image("a", "cyst"))
    assert (there.question, there.answer, there.target) == ("Is there a cyst in this image?", "Yes", "cyst")
    assert (absent.question, absent.answer) == ("Is there a mass in this image?", "No")
    assert there.pair == absent.pair == "adversarial/a/0" and there.kind == "closed" and there.split == "test"
    assert [d.id for d in (there, absent)] == ["a/probe/adversarial/0/present", "a/probe/adversarial/0/absent"]


@pytest.mark.parametrize(("way", "expected"), [("popular", "mass"), ("adversarial", "scar")])
def test_what_is_absent_is_what_many_images_have_or_what_goes_with_what_is_there(way: Way, expected: str) -> None:
    """Mass is in most images; beside a nodule a scar was seen once, and nothing else ever."""
    assert asked(image("a", "nodule"), ways=(way,))[1].target == expected


def test_what_is_absent_at_random_follows_the_seed() -> None:
    drawn = {asked(image("a", "nodule"), ways=("random",), seed=seed)[1].target for seed in range(20)}
    assert drawn == {"mass", "cyst", "scar"}
    assert asked(image("a", "nodule"), ways=("random",)) == asked(image("a", "nodule"), ways=("random",))


def test_as_many_yes_as_no_and_no_name_twice() -> None:
    made = asked(image("a", "nodule", "scar"), ways=("random", "popular", "adversarial"), pairs=3)
    assert Counter(d.answer for d in made) == {"Yes": 6, "No": 6}, "two pairs of each way: two names are there"
    for way in ("random", "popular", "adversarial"):
        of_way = [d.target for d in made if (d.pair or "").startswith(way)]
        assert len(set(of_way)) == len(of_way) == 4


def test_a_label_that_says_that_nothing_is_there_is_not_asked_for() -> None:
    """Neither of an image that has it, whose finding it is not, nor as what another image lacks."""
    skipped: Counter[str] = Counter()
    rows = [*RECORDS, image("n", "Normal", split="train"), image("a", "No finding"), image("b", "cyst")]
    made = list(probes(rows, ("random", "popular"), 9, skipped=skipped))
    assert {d.target for d in made} <= {"mass", "cyst", "scar", "nodule"} and {d.record for d in made} == {"b"}
    assert skipped == {"nothing is there": 1}


def test_nobody_says_what_is_absent_where_the_annotation_is_not_exhaustive() -> None:
    skipped: Counter[str] = Counter()
    rows = [*RECORDS, image("a", "nodule", complete=False), image("b")]
    assert not list(probes(rows, skipped=skipped))
    assert skipped == {"nothing is known to be absent": 1, "nothing is there": 1}


def test_a_report_says_what_is_absent_by_denying_it() -> None:
    one = image("a", "nodule", complete=False, report="A nodule and a cyst. No mass.")
    assert known(one, ["cyst", "mass", "nodule", "scar"]).absent == ("mass",)
    told = image("b", complete=False, report="Small effusion. No pneumothorax.")
    assert known(told, []).present == ("pleural effusion",) and known(told, []).absent == ("pneumothorax",)


def test_a_name_within_a_present_one_is_not_absent() -> None:
    """ "Nodule" is no absent name where there is a lung nodule, nor what the report finds beside the annotations."""
    one = image("a", "lung nodule", report="A scar. No cyst.")
    assert known(one, ["lung nodule", "nodule", "scar", "cyst"]).absent == ("cyst",)


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_jsonl(tmp_path / "r.jsonl", [*RECORDS, image("a", "cyst"), image("b")])
    words = ["curate", "probes", "--records", str(tmp_path / "r.jsonl"), "--out", str(tmp_path / "p.jsonl")]
    assert cli.main(words) == 0
    told = capsys.readouterr().err
    assert "3 pairs in" in told and "left out 1 x nothing is there" in told
    assert len(list(read_jsonl(tmp_path / "p.jsonl", Dialogue))) == 6
    assert cli.main([*words, "--split", "val", "--restart"])
    assert "no pair of questions could be made: no image is in val" in capsys.readouterr().err
