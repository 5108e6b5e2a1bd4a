"""Benchmarks stay benchmarks: what shows a test image says so from record to pair, and no training learns from it."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.cases import RECORDS, folder_of, record, shown
from unveil import cli
from unveil.core import benchmarks
from unveil.core.jsonl import read_jsonl, write_jsonl
from unveil.core.pairs import from_trl, to_trl
from unveil.core.records import Dialogue, Pair, Record, Source
from unveil.curate.candidates import pair_of
from unveil.curate.mau import mau
from unveil.curate.questions import conversations
from unveil.ingest.joining import joined
from unveil.pipelines import prefer
from unveil.pipelines.variants import Comparison
from unveil.rl import experience, grpo
from unveil.train import benchmarks as training
from unveil.train import dpo, sft
from unveil.train.loop import TrainingError
from unveil.train.options import TrainOptions

RAD = "vqa-rad"
ROOT = Path(__file__).parents[1]
MIMIC = "02aa804e-bde0afdd-112c0b34-7bc16630-4e384014"


def of(name: str, benchmark: str | None = None, sha256: str | None = None, **more: Any) -> Record:
    return record(name, source=Source("set", sha256=sha256, benchmark=benchmark), **more)


# ------------------------------------------------------------------------------------------------- which images


def test_records_of_one_image_are_all_marked() -> None:
    """a is in the test split. b is the same file; c a copy of b; d's copy is in another set; e shows something else."""
    rows = [of("a", RAD, "1"), of("b", None, "1"), of("c"), of("d"), of("e", None, "2")]
    found = benchmarks.marked(rows, [("b", "c")], {"d": "slake"})
    assert [r.source.benchmark for r in found] == [RAD, RAD, RAD, "slake", None]
    assert [replace(r, source=Source("set")) for r in found] == [replace(r, source=Source("set")) for r in rows]
    assert benchmarks.of_records(rows) == {"a": RAD, "b": RAD}
    assert benchmarks.marked(rows[2:]) == rows[2:]


def test_images_of_mimic_are_one_by_the_name_of_their_file() -> None:
    """The DICOM id, in whichever folder and with whichever ending; no other name is one."""
    one, two = of("a", "mimic-cxr-jpg"), of("b")
    named = [
        replace(r, source=replace(r.source, file=f"{r.id}/{MIMIC}{end}")) for r, end in ((one, ".jpg"), (two, ".png"))
    ]
    assert benchmarks.of_records(named) == {"a": "mimic-cxr-jpg", "b": "mimic-cxr-jpg"}
    other = [replace(r, source=replace(r.source, file="p10/image.jpg")) for r in (one, two)]
    assert benchmarks.of_records(other) == {"a": "mimic-cxr-jpg"}


def test_images_are_counted_once_whatever_is_asked_about_them() -> None:
    """Three questions on two images of one benchmark, one on another's; what the row does not say, its record may."""
    rows = [Dialogue(str(n), name, f"{name}.png", "train", "open", "?", "!", benchmark=b) for n, (name, b) in enumerate(
        [("a", RAD), ("a", RAD), ("b", RAD), ("c", "slake"), ("d", None)]
    )]  # fmt: skip
    assert benchmarks.counted(rows) == {"slake": 1, RAD: 2}
    assert benchmarks.counted(rows, {"d": RAD}) == {"slake": 1, RAD: 3}
    assert benchmarks.told({"slake": 1, RAD: 3}) == (
        "1 image of the test split of slake and 3 images of the test split of vqa-rad"
    )
    assert benchmarks.most([{RAD: 2}, {RAD: 3, "slake": 1}]) == {RAD: 3, "slake": 1}
    assert benchmarks.of_run({"benchmark_images": {RAD: 2, "x": "many"}}) == {RAD: 2}
    assert benchmarks.of_run({"benchmark_images": 3}) == benchmarks.of_run(None) == {}


def test_an_image_that_is_published_in_two_splits_is_the_benchmarks_in_both() -> None:
    """One record for each, and each knows its own published split."""
    train = record("a", split="train", source=Source("set", published="train"))
    found = joined([train, replace(train, split="test", source=Source("set", published="test", benchmark=RAD))])
    assert [(r.id, r.split, r.source.published, r.source.benchmark) for r in found] == [
        ("a@train", "train", "train", RAD), ("a@test", "test", "test", RAD)
    ]  # fmt: skip


# --------------------------------------------------------------------------------------- from record to pair


def marked_records(*names: str) -> tuple[Record, ...]:
    return tuple(replace(r, source=replace(r.source, benchmark=RAD)) if r.id in names else r for r in RECORDS)


def test_every_dialogue_and_pair_that_is_made_says_whose_image_it_shows() -> None:
    """By the code: whoever makes one tells the benchmark. Some ask of images that no record knows."""
    unknown = {"evaluate/ask.py", "experts/local.py", "pipelines/check_model.py", "vlm/dialect_trial.py"}
    lacking = []
    for file in sorted((ROOT / "unveil").rglob("*.py")):
        text = file.read_text()
        for node in ast.walk(ast.parse(text)) if re.search(r"\b(Dialogue|Pair)\(", text) else ():
            made = (
                isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("Dialogue", "Pair")
            )
            if made and "benchmark" not in {word.arg for word in node.keywords}:  # type: ignore[attr-defined]
                lacking.append(file.relative_to(ROOT / "unveil").as_posix())
    assert set(lacking) == unknown


def test_dialogues_conversations_and_pairs_carry_it() -> None:
    records = marked_records("a")
    asked = list(mau(records))
    assert {d.record for d in asked if d.benchmark == RAD} == {"a"} and all(
        d.benchmark for d in asked if d.record == "a"
    )
    talk = list(conversations(records, asked))
    assert {d.record for d in talk if d.benchmark} == {"a"} and all(d.benchmark for d in talk if d.record == "a")
    pair = pair_of(asked[0], "x", "yes", "no", "me")
    assert pair.benchmark == RAD and [side.benchmark for side in pair.sides()] == [RAD, RAD]
    assert from_trl(to_trl(pair), "x").benchmark == RAD and "benchmark" not in to_trl(replace(pair, benchmark=None))


def test_questions_know_it_of_a_file_that_stands_in_two_splits(tmp_path: Path) -> None:
    """`curate mau` marks a training record whose file is that of a test record, before anything is asked."""
    one, two = of("a", RAD, "1", split="test"), of("b", None, "1")
    write_jsonl(tmp_path / "records.jsonl", [one, two])
    words = ["curate", "mau", "--records", tmp_path / "records.jsonl", "--out", tmp_path / "dialogues.jsonl"]
    assert cli.main(list(map(str, words))) == 0
    made = list(read_jsonl(tmp_path / "dialogues.jsonl", Dialogue))
    assert {d.benchmark for d in made} == {RAD} and {d.split for d in made} == {"train", "test"}


# ----------------------------------------------------------------------------------------------------- training


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Records, dialogues and pairs; the training image a and the validation image v are in vqa-rad's test split."""
    made = folder_of(tmp_path / "data", marked_records("a", "v"))
    asked = list(read_jsonl(made / "dialogues.jsonl", Dialogue))
    write_jsonl(
        made / "pairs.jsonl", [pair_of(d, "x", f"{d.answer} yes", "no", "me") for d in asked if d.split != "test"]
    )
    return made


def forget(folder: Path) -> None:
    """Dialogues as they were written before they knew of benchmarks."""
    asked = list(read_jsonl(folder / "dialogues.jsonl", Dialogue))
    write_jsonl(folder / "dialogues.jsonl", [replace(d, benchmark=None) for d in asked])


def of_sft(folder: Path, **more: Any) -> Any:
    files = {"dialogues": folder / "dialogues.jsonl", "records": folder / "records.jsonl", "out": folder / "out"}
    return sft.data(sft.Config(**files | more))


def of_dpo(folder: Path, **more: Any) -> Any:
    return dpo.data(dpo.Config(pairs=folder / "pairs.jsonl", out=folder / "out", **more))


def of_rewards(folder: Path, **more: Any) -> Any:
    files = {"dialogues": folder / "dialogues.jsonl", "records": folder / "records.jsonl", "out": folder / "out"}
    asked = experience.questions(grpo.Config(**files | more))
    return asked.train, asked.val


def of_preferences(folder: Path, **more: Any) -> Any:
    """What `unveil prefer` looks at before a model answers."""
    files = {"dialogues": folder / "dialogues.jsonl", "records": folder / "records.jsonl", "out": folder / "out"}
    prefer._refuse_benchmarks(prefer.Config(name="dpo", **files | more))
    return of_rewards(folder, **more)


RECIPES = [of_sft, of_dpo, of_rewards, of_preferences]


@pytest.mark.parametrize("rows", RECIPES)
def test_every_recipe_refuses_a_benchmarks_test_images(rows: Callable[..., Any], folder: Path) -> None:
    """One of training and one of validation; the error says which, how many, and what allows it."""
    with pytest.raises(TrainingError, match=r"2 images of the test split of vqa-rad.*--allow-benchmark-test"):
        rows(folder)
    train, val = rows(folder, allow_benchmark_test=True)
    assert benchmarks.counted([*train, *val]) == {RAD: 2}


@pytest.mark.parametrize("rows", [of_sft, of_rewards, of_preferences])
def test_records_tell_what_older_dialogues_do_not(rows: Callable[..., Any], folder: Path) -> None:
    forget(folder)
    with pytest.raises(TrainingError, match="2 images of the test split of vqa-rad"):
        rows(folder)
    train, val = rows(folder, allow_benchmark_test=True)
    assert benchmarks.counted([*train, *val], training.known(folder / "records.jsonl")) == {RAD: 2}


@pytest.mark.parametrize("rows", RECIPES)
def test_the_test_split_itself_may_hold_them(rows: Callable[..., Any], tmp_path: Path) -> None:
    """Which is where they belong."""
    made = folder_of(tmp_path / "data", marked_records("t"))
    asked = list(read_jsonl(made / "dialogues.jsonl", Dialogue))
    write_jsonl(made / "pairs.jsonl", [pair_of(d, "x", f"{d.answer} yes", "no", "me") for d in asked])
    train, _ = rows(made)
    assert train and not benchmarks.counted(train)


def test_every_training_command_has_the_option_and_hands_it_on(tmp_path: Path) -> None:
    """Every class of options that trains, and what is compared in the main job."""
    assert {"RunOptions", "PreferOptions", "RecipeOptions"} <= {one.__name__ for one in TrainOptions.__subclasses__()}
    learning = sft.Config(dialogues=tmp_path, out=tmp_path, allow_benchmark_test=True)
    assert Comparison(tmp_path, tmp_path, tmp_path, learning, 1).shared["allow_benchmark_test"] is True


def test_a_model_says_what_it_and_its_base_have_learnt_from(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The base has seen five images of one benchmark, this run two of it: five at the least. Without any: nothing."""
    row = Pair("p", "r", "i.png", "train", "open", "?", "yes", "no", benchmark=RAD)
    base = {"command": "train sft", "config": {}, "inputs": {}}
    assert training.learnt([replace(row, benchmark=None)], "tiny") == {}
    assert shown(capsys) == ""
    (tmp_path / "run.json").write_text(json.dumps(base | {"benchmark_images": {RAD: 5}}))
    found = training.learnt([row, replace(row, image="j.png")], str(tmp_path))
    assert found == {"benchmark_images": {RAD: 5}}
    assert "5 images of the test split of vqa-rad: figures on that benchmark are worth nothing" in shown(capsys)


def test_what_was_allowed_stands_in_run_json(folder: Path, tiny_folder: Path) -> None:
    """One update on the only dialogues that there are."""
    asked = list(read_jsonl(folder / "dialogues.jsonl", Dialogue))
    write_jsonl(folder / "some.jsonl", [d for d in asked if d.record == "a"][:1])
    config = sft.Config(
        dialogues=folder / "some.jsonl", out=folder / "out", model=str(tiny_folder), epochs=1, workers=0
    )
    sft.main(replace(config, allow_benchmark_test=True))
    about = json.loads((folder / "out" / "run.json").read_text())
    assert about["benchmark_images"] == {RAD: 1} and about["config"]["allow_benchmark_test"] is True
