"""Pairs of lesion neglect: what is hidden is what the answer speaks of, and what cannot be hidden is counted."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.conftest import draw
from unveil import cli
from unveil.core import image_files, pixels
from unveil.core.geometry import encode_mask
from unveil.core.jsonl import write_jsonl
from unveil.core.lesion_noise import LesionMap, NoiseError, apply
from unveil.core.pairs import read_pairs
from unveil.core.records import Dialogue, Finding, Record, Source
from unveil.curate.mau import MauOptions, mau
from unveil.curate.noise import hidden

NODULE, CYST = Finding("nodule", (10.25, 8.0, 26.0, 20.0)), Finding("cyst", (30.0, 30.0, 50.0, 44.0))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four images of 60 x 50 pixels with a nodule and a cyst, a cyst, nothing, and both once more in the test split."""
    found = ((NODULE, CYST), (CYST,), (), (NODULE, CYST))
    splits = ("train", "val", "train", "test")
    records = []
    for i, (findings, split) in enumerate(zip(found, splits, strict=True)):
        draw(tmp_path / f"{i}.png", (60, 50), i)
        record = Record(f"r{i}", f"{i}.png", 60, 50, findings=findings, split=split, completeness="exhaustive")  # type: ignore[arg-type]
        records.append(record)
    write_jsonl(tmp_path / "records.jsonl", records)
    write_jsonl(tmp_path / "dialogues.jsonl", mau(records, MauOptions()))
    return tmp_path


def curate(folder: Path, *words: object) -> int:
    base = ["--records", folder / "records.jsonl", "--dialogues", folder / "dialogues.jsonl"]
    return cli.main(
        ["curate", "noise", *map(str, base), "--out", str(folder / "out" / "pairs.jsonl"), *map(str, words)]
    )


def test_the_command_hides_what_each_answer_speaks_of(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert curate(folder) == 0
    pairs = {pair.id: pair for pair in read_pairs(folder / "out" / "pairs.jsonl")}
    both = {"r0/diagnosis/hidden", "r0/localisation/nodule/hidden", "r0/localisation/cyst/hidden"}
    regions = {name for name in pairs if "/recognition/" in name}
    assert both <= set(pairs) and len(regions) == 3
    assert not any(name.startswith(("r2", "r3")) for name in pairs), "nothing there; test split"
    maps = {name: pair.rejected_noise.map.boxes for name, pair in pairs.items() if pair.rejected_noise}
    assert maps["r0/diagnosis/hidden"] == (NODULE.box, CYST.box)
    assert maps["r0/localisation/nodule/hidden"] == (NODULE.box,)
    assert maps["r0/localisation/cyst/hidden"] == maps["r1/diagnosis/hidden"] == (CYST.box,)
    assert {maps[name] for name in regions} == {(NODULE.box,), (CYST.box,)}
    for pair in pairs.values():
        assert pair.chosen == pair.rejected and pair.weight == 1.0 and pair.other
        array = pixels.to_rgb(image_files.read(folder / "out" / pair.image))
        changed = (apply(array, pair.rejected_noise) != array).any(2)  # type: ignore[arg-type]
        assert changed.any() and not changed[:7].any(), "no finding reaches up there"
    told = " ".join(capsys.readouterr().err.split())
    assert "test split" in told and "the answer names nothing that could be hidden" in told
    about = json.loads((folder / "out" / "pairs.jsonl.run.json").read_text())
    assert about["command"] == "curate noise" and sum(about["left_out"].values()) > 0


def test_the_same_seed_gives_the_same_file(folder: Path) -> None:
    file = folder / "out" / "pairs.jsonl"
    files = []
    for seed in (0, 0, 1):
        assert curate(folder, "--seed", seed, "--restart") == 0
        files.append(file.read_bytes())
    assert files[0] == files[1] != files[2]


def test_the_whole_image_on_request(folder: Path) -> None:
    assert curate(folder, "--map", "whole", "--kinds", "diagnosis") == 0
    maps = [pair.rejected_noise.map for pair in read_pairs(folder / "out" / "pairs.jsonl") if pair.rejected_noise]
    assert maps == [LesionMap(whole=True)] * 2


def test_the_whole_image_of_questions_that_came_with_it(folder: Path) -> None:
    """Global noise needs no place: questions and answers without any box have pairs too."""
    record = Record("r", "0.png", 60, 50, split="train", source=Source("x"))
    asked = Dialogue("r/q0", "r", "0.png", "train", "open", "Which organ is this?", "The liver.")
    file, skipped = folder / "records.jsonl", Counter[str]()
    [pair] = hidden([record], [asked], file, whole=True, skipped=skipped)
    assert pair.rejected_noise and pair.rejected_noise.map.whole and not skipped
    assert not list(hidden([record], [asked], file, skipped=skipped)) and sum(skipped.values()) == 1


@pytest.mark.parametrize(
    ("said", "language", "hides"),
    [
        ("A focal consolidation.", None, True),
        ("No focal consolidation.", None, False),
        ("Focale Verdichtung.", "de", True),
    ],
)
def test_a_report_of_an_image_that_nobody_has_annotated(
    said: str, language: str | None, hides: bool, folder: Path
) -> None:
    """Such are those of IU X-Ray: what noise hides is told by a source of maps, and whether there is anything by the
    report; where nobody can read it, it counts as one that finds something."""
    record = Record("r", "0.png", 60, 50, split="train", source=Source("x"), report=said)
    asked = Dialogue("r/report", "r", "0.png", "train", "report", "Write the report.", said, language=language)
    found = hidden([record], [asked], folder / "records.jsonl", source=lambda *_: (np.eye(9), 1.0))
    assert bool(list(found)) == hides


def one(finding: Finding, folder: Path, **options: Any) -> tuple[list[Any], Counter[str]]:
    record = Record("r", "0.png", 60, 50, findings=(finding,), split="train", source=Source("x"))
    dialogue = Dialogue("r/diagnosis", "r", "0.png", "train", "diagnosis", "Diagnosis?", "Abnormal.")
    skipped: Counter[str] = Counter()
    return list(hidden([record], [dialogue], folder / "records.jsonl", skipped=skipped, **options)), skipped


def test_a_mask_goes_before_its_box(folder: Path) -> None:
    mask = encode_mask(np.eye(50, 60, dtype=bool))
    (pair,), _ = one(Finding("nodule", (0, 0, 50, 50), mask), folder)
    assert pair.rejected_noise.map == LesionMap(masks=(mask,)) and pair.rejected_noise.share == round(50 / 3000, 6)


def test_a_mask_of_another_size_is_named_with_its_dialogue(folder: Path) -> None:
    mask = encode_mask(np.ones((60, 50), bool))
    with pytest.raises(
        NoiseError, match=r"^r/diagnosis: the map is of an image of \[50, 60\] pixels, not of \[60, 50\]"
    ):
        one(Finding("nodule", None, mask), folder)


def test_a_map_over_most_of_the_image_is_set_aside(folder: Path) -> None:
    """As in the paper's released artefacts, whose \"local\" noise covered at least half of the image."""
    large = Finding("mass", (0, 0, 60, 26))
    assert one(large, folder) == ([], Counter({"the map covers more than 50% of the image": 1}))
    (pair,), _ = one(large, folder, most=0.6)
    assert pair.rejected_noise.share == 0.52


def test_a_function_of_the_users_own(folder: Path) -> None:
    """A map of 100 x 120 cells is kept as 32 x 32; its left quarter covers a quarter of the image, edges blurred."""
    (folder / "my_maps.py").write_text(
        "import numpy as np\n"
        "def left(record, image):\n    assert image.shape == (50, 60, 3)\n"
        "    out = np.zeros((100, 120)); out[:, :30] = 1; return out\n"
        "def bad(record, image):\n    return np.full((4, 4), 2.0)\n"
        "def none(record, image):\n    return np.zeros((4, 4))\n"
        "def beyond(record, image):\n    return image[60]\n"
        "def high(record, image):\n    return np.zeros((4, 4)), 'high'\n"
        "def words(record, image):\n    return [['much', 'little']]\n"
        "def empty(record, image):\n    return np.zeros((0, 4))\n"
    )
    assert curate(folder, "--map", f"{folder}/my_maps.py:left", "--kinds", "diagnosis") == 0
    noises = [pair.rejected_noise for pair in read_pairs(folder / "out" / "pairs.jsonl")]
    assert len(noises) == 2
    for noise in noises:
        assert noise is not None and len(noise.map.grid) == len(noise.map.grid[0]) == 32
        assert noise.share == pytest.approx(0.25, abs=0.02)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--map", "my_maps.py:bad"), "r0/diagnosis: a map must be (H, W) with values from 0 to 1"),
        (("--map", "my_maps.py:empty"), "r0/diagnosis: a map must be (H, W) with values from 0 to 1, not (0, 4)"),
        (("--map", "my_maps.py:beyond"), "r0/diagnosis: the map my_maps.beyond raised IndexError('index 60 is out of"),
        (("--map", "my_maps.py:beyond"), "with size 50') (my_maps.py, line 10)"),
        (("--map", "my_maps.py:high"), "r0/diagnosis: the map my_maps.high gave (array([[0., 0., 0., 0.], [0."),
        (("--map", "my_maps.py:words"), "gave [['much', 'little']], not a map of numbers, or one and how sure it is"),
        (("--map", "my_maps.py:none"), "no pair could be made: 1 x test split; 2 x the map is empty"),
        (("--map", "my_maps.py:gone"), "has no function gone"),
        (("--map", "boxes"), "a function is named FILE.py:FUNCTION"),
        (("--map", "other.py:f"), "there is no file other.py"),
        (("--step", "1000"), "r0/diagnosis: step 1000 is not one of 0 to 999"),
        (("--kinds", "open"), "there are no such dialogues"),
    ],
)
def test_bad_input(
    options: tuple[str, str],
    message: str,
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    test_a_function_of_the_users_own(folder)
    (folder / "out" / "pairs.jsonl").unlink()
    monkeypatch.chdir(folder)
    assert curate(folder, *(options if "--kinds" in options else ("--kinds", "diagnosis", *options))) == 1
    assert message in " ".join(capsys.readouterr().err.split())
    assert not (folder / "out" / "pairs.jsonl").exists()


def test_a_missing_image_is_named_with_its_dialogue(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "0.png").unlink()
    assert curate(folder) == 1
    assert "error: r0/" in capsys.readouterr().err
