"""What sets share: copies across sets, test images among them, names that are known to overlap, leaking splits."""

from __future__ import annotations

import csv
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.helpers.cases import shown
from tests.helpers.real import DATA, needs_data
from unveil import cli
from unveil.audit import leaks
from unveil.audit.against import OtherSet, compared
from unveil.audit.records import Report, check
from unveil.core import digests, overlaps
from unveil.core.jsonl import read_jsonl, write_jsonl
from unveil.core.records import Finding, Record, Source
from unveil.pipelines import run
from unveil.train.loop import TrainingError

MIMIC = "02aa804e-bde0afdd-112c0b34-7bc16630-4e384014"


def picture(seed: int) -> np.ndarray:
    """64 x 64, smooth and asymmetric, unlike that of any other seed."""
    coarse = np.random.default_rng(seed).integers(0, 255, (6, 6), np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((64, 64), Image.Resampling.BICUBIC))


def record(folder: Path, name: str, array: np.ndarray, dataset: str = "mine", **known: Any) -> Record:
    folder.mkdir(exist_ok=True)
    Image.fromarray(np.ascontiguousarray(array)).save(folder / name)
    source = Source(dataset, file=name, sha256=digests.sha256(folder / name), benchmark=known.pop("benchmark", None))
    findings = (Finding("nodule", (1.0, 1.0, 9.0, 9.0)),)
    return Record(name, name, 64, 64, findings=findings, source=source, **known)


def look(mine: list[Record], others: list[Record], tmp_path: Path, copies: bool = True) -> Report:
    other = OtherSet(tmp_path / "b" / "records.jsonl", tuple(others))
    return check(mine, tmp_path / "a" / "records.jsonl", 1, copies, [other])


def issues(report: Report, *names: str) -> list[tuple[str, str, int, tuple[str, ...]]]:
    return [(i.name, i.severity, i.count, i.examples) for i in report.issues if i.name in names]


# ---------------------------------------------------------------------------------------------- copies across sets


def sets(tmp_path: Path) -> tuple[list[Record], list[Record]]:
    """Ours, all in train but the last: 0 the same file as a benchmark's test image, 1 mirrored of one of theirs in
    train, 2 turned of one in their test split, 3 of our own, 4 (test) the same file as another test image."""
    a, b = tmp_path / "a", tmp_path / "b"
    splits = ("train", "val", "train", "train", "test")
    turned = (picture(0), picture(1)[:, ::-1], np.rot90(picture(2)), picture(3), picture(4))
    ours = [record(a, f"{n}.png", p, split=s) for n, (p, s) in enumerate(zip(turned, splits, strict=True))]
    theirs = [
        record(b, "t0.png", picture(0), "vqa-rad", split="test", benchmark="vqa-rad"),
        record(b, "t1.png", picture(1), "vqa-rad", split="train"),
        record(b, "t2.png", picture(2), "vqa-rad", split="test"),
        record(b, "t4.png", picture(4), "vqa-rad", split="test", benchmark="vqa-rad"),
        record(b, "t5.png", picture(5), "vqa-rad", split="train"),
    ]
    return ours, theirs


def test_copies_in_another_set_are_found_whichever_way_they_are_turned(tmp_path: Path) -> None:
    """What a test split of theirs has is an error where we may learn from it; the rest is told."""
    report = look(*sets(tmp_path), tmp_path)
    assert issues(report, "copy_in_other_set") == [
        ("copy_in_other_set", "error", 2, ("0.png (train) = t0.png (test)", "2.png (train) = t2.png (test)")),
        ("copy_in_other_set", "info", 2, ("1.png (val) = t1.png (train)", "4.png (test) = t4.png (test)")),
    ]
    assert not report.ok and report.pairs == ()
    assert dict(report.benchmarks) == {"0.png": "vqa-rad", "2.png": "vqa-rad", "4.png": "vqa-rad"}
    assert "2 images are copies of test images of vqa-rad" in report.text()


def test_without_the_search_equal_files_are_found(tmp_path: Path) -> None:
    report = look(*sets(tmp_path), tmp_path, copies=False)
    assert [(severity, n) for _, severity, n, _ in issues(report, "copy_in_other_set")] == [("error", 1), ("info", 1)]


def test_a_copy_without_a_split_may_be_learnt_from(tmp_path: Path) -> None:
    ours, theirs = sets(tmp_path)
    report = look([replace(ours[0], split=None)], theirs, tmp_path)
    assert [severity for _, severity, _, _ in issues(report, "copy_in_other_set")] == ["error"]


def test_the_command_marks_them_and_keeps_them_in_test(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """0, 2 and 4 are marked; so is a file that is the same as 0. The others have no share in test."""
    ours, theirs = sets(tmp_path)
    ours += [record(tmp_path / "a", "again.png", picture(0), split="train")]
    ours += [record(tmp_path / "a", f"{n}.png", picture(n), split="train") for n in range(10, 20)]
    write_jsonl(tmp_path / "a" / "records.jsonl", ours)
    write_jsonl(tmp_path / "b" / "records.jsonl", theirs)
    said = ["check", "--records", "a/records.jsonl", "--against", "b/records.jsonl", "--resplit", "a/safe.jsonl"]
    said = [str(tmp_path / word) if word.endswith(".jsonl") else word for word in said]
    assert cli.main([*said, "--workers", "1", "--json", str(tmp_path / "check.json")]) == 0
    dealt = {r.id: r for r in read_jsonl(tmp_path / "a" / "safe.jsonl", Record)}
    kept = {"0.png", "again.png", "2.png", "4.png"}
    assert {name for name, r in dealt.items() if r.source.benchmark == "vqa-rad"} == kept
    assert {name for name, r in dealt.items() if r.split == "test"} == kept
    assert dealt["0.png"].group == dealt["again.png"].group is not None
    assert Counter(r.split for r in dealt.values()) == {"train": 10, "val": 2, "test": 4}  # 12 are shared 7 to 1
    told = shown(capsys)
    assert "3 images of the published test split of vqa-rad stay in test" in told
    found = json.loads((tmp_path / "check.json").read_text())
    assert ["0.png", "vqa-rad"] in found["benchmarks"]
    assert cli.main([*said[:5], "--workers", "1"]) == 1


def test_the_set_itself_is_no_other(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_jsonl(tmp_path / "r.jsonl", [])
    assert cli.main(["check", "--records", str(tmp_path / "r.jsonl"), "--against", str(tmp_path / "r.jsonl")]) != 0
    assert "these are the records themselves" in shown(capsys)


def test_what_belongs_together_there_belongs_together_here(tmp_path: Path) -> None:
    """Two images of one patient of theirs, whom our set does not know (RSNA's images are NIH's)."""
    ours = [record(tmp_path / "a", f"{n}.png", picture(n), split="train") for n in range(3)]
    theirs = [
        record(tmp_path / "b", f"{n}.png", picture(n), "nih-chestxray14", patient=p)
        for n, p in enumerate(("p", "p", "q"))
    ]
    assert look(ours, theirs, tmp_path).tied == (("0.png", "1.png"),)


def test_an_image_that_cannot_be_read_there_is_told(tmp_path: Path) -> None:
    """By its DICOM id it is still known to be the same."""
    mine = record(tmp_path / "a", f"{MIMIC}.png", picture(0), split="train")
    gone = Record("r", f"p10/{MIMIC}.jpg", 9, 9, split="test", source=Source("ms-cxr", file=f"p10/{MIMIC}.jpg"))
    report = look([mine], [gone], tmp_path)
    assert [(n, s, c) for n, s, c, _ in issues(report, "unreadable_in_other_set", "copy_in_other_set")] == [
        ("copy_in_other_set", "error", 1), ("unreadable_in_other_set", "warning", 1)
    ]  # fmt: skip


def test_a_set_that_shares_nothing_is_told_to(tmp_path: Path) -> None:
    """Silence would look the same as a comparison that was not made."""
    ours, theirs = [record(tmp_path / "a", "0.png", picture(0))], [record(tmp_path / "b", "1.png", picture(1))]
    text = look(ours, theirs, tmp_path).text()
    assert f"not one copy was found of the 1 images of {tmp_path / 'b' / 'records.jsonl'}" in text
    assert "not one copy" not in look(*sets(tmp_path), tmp_path).text()


def test_many_equal_frames_make_no_pairs_of_each_with_each(tmp_path: Path) -> None:
    """300 black frames here, 300 there: each of ours is told once, and they are tied by being copies already."""
    ours = [Record(f"a{n}", "", 9, 9, split="train", source=Source("a")) for n in range(300)]
    theirs = tuple(Record(f"b{n}", "", 9, 9, split="test", source=Source("b")) for n in range(300))
    found = compared(ours, [OtherSet(tmp_path, theirs)], [range(600)], [None] * 300)
    assert [(i.name, i.count) for i in found.issues] == [("copy_in_other_set", 300)]
    assert len(found.benchmarks) == 300 and found.tied == ()


# --------------------------------------------------------------------------------------------------- known by name


@pytest.mark.parametrize(
    ("one", "other", "known"),
    [("rsna-pneumonia", "nih-chestxray14", True), ("tbx11k", "shenzhen", True), ("slake", "slake", True),
     ("ms-cxr", "chest-imagenome", True), ("nih-chestxray14", "medmnist", True), ("tbx11k", "montgomery", True),
     ("mimic-cxr-jpg", "ms-cxr", True), ("mimic-cxr-jpg", "chest-imagenome", True),
     ("montgomery", "shenzhen", False), ("vqa-rad", "vqa-rad", False)],
)  # fmt: skip
def test_sets_that_overlap_by_name(one: str, other: str, known: bool) -> None:
    assert len(list(overlaps.between({one}, {other}))) == len(list(overlaps.between({other}, {one}))) == known


def test_sets_that_should_share_images_and_show_none_are_told(tmp_path: Path) -> None:
    """In one file or in two; where a copy is found there is nothing to tell."""
    a, b = tmp_path / "a", tmp_path / "b"
    nih, rsna = record(a, "0.png", picture(0), "nih-chestxray14"), record(b, "1.png", picture(1), "rsna-pneumonia")
    [told] = issues(look([nih], [rsna], tmp_path), "known_overlap")
    assert told[1:] == ("warning", 1, ("nih-chestxray14 and rsna-pneumonia: RSNA annotated images of ChestX-ray14",))
    same = record(b, "2.png", picture(0)[:, ::-1], "rsna-pneumonia")
    assert issues(look([nih], [rsna, same], tmp_path), "known_overlap") == []
    both = [nih, record(a, "1.png", picture(1), "rsna-pneumonia")]
    assert len(issues(check(both, a / "r.jsonl", 1), "known_overlap")) == 1
    both += [record(a, "2.png", picture(0)[:, ::-1], "rsna-pneumonia")]
    assert issues(check(both, a / "r.jsonl", 1), "known_overlap") == []
    assert issues(check(both, a / "r.jsonl", 1, copies=False), "known_overlap") != []


# ------------------------------------------------------------------------------------------------- leaking splits


def test_how_many_test_images_are_in_train_too() -> None:
    """As VQA-RAD publishes it: 203 test images, of which 202 are in train, as the same file but for two copies; and 111
    more in train. The same image in two test records counts once."""
    train = [(f"{n}", "train") for n in range(200)] + [(f"other {n}", "train") for n in range(113)]
    test = [(f"{n}", "test") for n in range(203)] + [("0", "test")]
    rows = [Record(f"{n}", "", 9, 9, split=s) for n, (_, s) in enumerate([*train, *test])]  # type: ignore[arg-type]
    files = [name for name, _ in [*train, *test]]
    copies = [[n, 313 + n] for n in range(1, 200)] + [[0, 313, 516]] + [[200, 513], [201, 514]]
    assert leaks.shared(rows, copies, files) == ["of 203 test images 202 are in train too (200 as the same file)"]
    assert leaks.shared(rows[:313], [], files[:313]) == []


def test_the_check_says_so(tmp_path: Path) -> None:
    """Two test images: one is in train too, mirrored; the other is in none."""
    rows = [
        record(tmp_path, "0.png", picture(0), split="train"),
        record(tmp_path, "1.png", picture(0)[:, ::-1], split="test"),
        record(tmp_path, "2.png", picture(2), split="test"),
    ]
    text = check(rows, tmp_path / "r.jsonl", 1).text()
    assert "of 2 test images 1 are in train too (0 as the same file)" in text


def test_the_main_job_keeps_a_leaking_published_split_disjoint(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of a benchmark, image 0 is in test and, mirrored, in train; dealt anew both are in test, train and val have
    the rest. As published it is refused before anything is asked, unless told otherwise."""
    rows = [
        record(tmp_path / "data", "0.png", picture(0), "vqa-rad", split="test", benchmark="vqa-rad"),
        record(tmp_path / "data", "m.png", picture(0)[:, ::-1], "vqa-rad", split="train"),
        *(record(tmp_path / "data", f"{n}.png", picture(n), "vqa-rad", split="train") for n in range(1, 9)),
    ]
    write_jsonl(tmp_path / "data" / "records.jsonl", rows)
    config = run.Config(out=tmp_path)
    made = {r.id: r.split for r in read_jsonl(run._checked(config, tmp_path), Record)}
    assert {name for name, split in made.items() if split == "test"} == {"0.png", "m.png"}
    assert Counter(made.values()) == {"train": 7, "val": 1, "test": 2}
    assert "1 image of the published test split of vqa-rad stays in test" in shown(capsys)
    with pytest.raises(TrainingError, match="1 image of the test split of vqa-rad"):
        run._checked(replace(config, resplit="never"), tmp_path)
    allowed = replace(config, resplit="never", allow_benchmark_test=True)
    assert run._checked(allowed, tmp_path) == tmp_path / "data" / "records.jsonl"


def test_the_main_job_takes_test_images_out_of_training_without_a_leak(tmp_path: Path) -> None:
    """As its dry run foretells (test_preview): 0 is in no other split, and somebody's own split has it in train."""
    rows = [
        record(tmp_path / "data", "0.png", picture(0), "rad", split="train", benchmark="rad"),
        *(record(tmp_path / "data", f"{n}.png", picture(n), "rad", split="train") for n in range(1, 9)),
        record(tmp_path / "data", "9.png", picture(9), "rad", split="test"),
    ]
    write_jsonl(tmp_path / "data" / "records.jsonl", rows)
    config = run.Config(out=tmp_path)
    made = {r.id: r.split for r in read_jsonl(run._checked(config, tmp_path), Record)}
    assert [name for name, split in made.items() if split == "test"] == ["0.png"]
    with pytest.raises(TrainingError, match="1 image of the test split of rad"):
        run._checked(replace(config, resplit="never"), tmp_path)
    assert run._checked(replace(config, allow_benchmark_test=True), tmp_path) == tmp_path / "data" / "records.jsonl"


@needs_data
def test_the_published_split_of_vqa_rad_leaks() -> None:
    """The half of VQA-RAD that is at hand, one record for each image in each split: all 102 of test are in train."""
    folder = DATA / "vqa_rad"
    with (folder / "qa_images.csv").open() as lines:
        named = sorted({(row["exported_image"], row["split"]) for row in csv.DictReader(lines)})
    rows = [Record(f"{file}@{split}", file, 1, 1, split=split) for file, split in named]  # type: ignore[arg-type]
    files = [digests.sha256(folder / file) for file, _ in named]
    copies = [same for name in dict.fromkeys(files) if len(same := [i for i, f in enumerate(files) if f == name]) > 1]
    assert leaks.shared(rows, copies, files) == ["of 102 test images 102 are in train too"]
