"""`unveil benchmark`: which questions are asked, what stands beside the figures, what is told of what is missing."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from scripts import benchmarks_page
from unveil import cli
from unveil.core import provenance
from unveil.core.box_formats import BOX_FORMATS, View, render
from unveil.core.jsonl import read_jsonl, write_jsonl
from unveil.core.options import OptionError
from unveil.core.records import Dialogue, Finding, Kind, Prediction, Question, Record, RecordError, Source
from unveil.evaluate.benchmarks import BENCHMARKS, questions, results
from unveil.evaluate.benchmarks.benchmark import SHORT, by_part
from unveil.evaluate.metrics import METRICS
from unveil.evaluate.sections import as_published
from unveil.ingest.formats import FORMATS
from unveil.ingest.reading import IngestError
from unveil.pipelines import benchmark, benchmark_page
from unveil.pipelines.benchmark import Config

ALL = pytest.mark.parametrize("row", BENCHMARKS.values(), ids=lambda row: row.name)


KINDS_ASKED: tuple[Kind, ...] = ("report", "open")
#: Whose helper makes the folder itself.
MAKES_ITS_FOLDER = {"medmnist"}


def written(name: str, folder: Path) -> Path:
    """A small folder in the layout of a data set."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    if name not in MAKES_ITS_FOLDER:
        folder.mkdir()
    import_module(f"tests.helpers.sets.{name.replace('-', '_')}").write(folder)
    return folder


def answered(out: Path, wrong: int = 0) -> list[Prediction]:
    """The true answers to a benchmark's questions, in pixels; the first ``wrong`` ones say nothing that is right."""
    sizes = {r.id: r.size for r in read_jsonl(out / "records.jsonl", Record)}
    rows = []
    for i, d in enumerate(read_jsonl(out / "dialogues.jsonl", Dialogue)):
        size = sizes[d.record]
        text = render(d.answer, View(BOX_FORMATS["json-pixels"], size, size))
        rows.append(Prediction(d.id, d.record, d.kind, "?" if i < wrong else text, "json-pixels", size, "m"))
    return rows


def measured(name: str, data: Path, out: Path, wrong: int = 0, **more: Any) -> dict[str, Any]:
    """The row of a benchmark whose answers are the truth, but for the first ``wrong`` ones."""
    config = Config(name=name, data=data, out=out, resamples=50, **more)
    benchmark.main(config)
    write_jsonl(out.parent / "answers.jsonl", answered(out, wrong))
    benchmark.main(replace(config, predictions=out.parent / "answers.jsonl", restart=True))
    row: dict[str, Any] = json.loads((out / "benchmark.json").read_text())
    return row


# ------------------------------------------------------------------------------------------------------------ the rows


@ALL
def test_a_row_is_whole(row: Any) -> None:
    """Its data sets can be read, its metrics are some, and sentences end."""
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", row.name) and set(row.sets) <= set(FORMATS)
    assert set(row.metrics) <= set(METRICS) and set(row.metrics) <= set(results.TITLES)
    assert row.wording and row.parser and row.split and all(note.endswith(".") for note in row.notes)
    assert bool(row.group) == bool(row.group_title)


def test_the_page_tells_the_rows_as_they_are() -> None:
    """`python -m scripts.benchmarks_page` writes it anew."""
    assert benchmarks_page.PAGE.read_text(encoding="utf-8") == benchmarks_page.page()


@ALL
def test_every_benchmark_runs_on_its_data_sets(row: Any, tmp_path: Path) -> None:
    """Right answers get the best figure of the first metric that has a value."""
    data = tmp_path / "data"
    for name in row.sets:
        written(name, data / name if len(row.sets) > 1 else data)
    about = measured(row.name, data, tmp_path / "out")
    values = [about["metrics"][m]["value"] for m in row.metrics if about["metrics"][m]["value"] is not None]
    assert values and values[0] == pytest.approx(1.0, abs=0.2) and about["questions"] > 0


# ----------------------------------------------------------------------------------------------------------- questions


def test_vqa_rad_has_its_protocol_and_the_images_that_training_does_not_show(tmp_path: Path) -> None:
    """Of the fixture's two test questions both images are training images: on images not in training there is no value,
    and a reason, not 0. With one wrong answer of two the closed accuracy is 1/2."""
    about = measured("vqa-rad", written("vqa-rad", tmp_path / "data"), tmp_path / "out", wrong=1)
    closed = about["metrics"]["closed"]
    assert (closed["value"], closed["n"]) == (0.5, 2)
    assert about["unseen"]["images"] == 0 and about["unseen"]["of"] == 2
    alone = about["unseen"]["metrics"]["closed"]
    assert (alone["value"], alone["n"], alone["reason"]) == (None, 0, "no items")
    assert any("2 of the 451 published questions" in told for told in benchmark_page.doubts(about))
    page = (tmp_path / "out" / "benchmark.html").read_text()
    assert "none: nothing of the kind was asked" in page and "0 of 2 images are not in training" in page
    asked = list(read_jsonl(tmp_path / "out/dialogues.jsonl", Dialogue))
    assert [d.question for d in asked] == [f"{q}\n{SHORT}" for q in ("Is this axial?", "Is it larger than 1 cm?")]


def test_vqa_rad_by_image_asks_all_questions_about_test_images(tmp_path: Path) -> None:
    """Test images are 5 and 6, each with a training question too: four questions, no image of which is in training."""
    about = measured("vqa-rad-images", written("vqa-rad", tmp_path / "data"), tmp_path / "out")
    assert (about["questions"], about["unseen"]) == (4, {"images": 2, "of": 2})


def test_slake_is_asked_in_one_language_and_knows_the_images_of_both(tmp_path: Path) -> None:
    """English test images are 6 and 7; 6 is a training image in Chinese, so that 7 alone is in no training split."""
    about = measured("slake", written("slake", tmp_path / "data"), tmp_path / "out")
    assert about["questions"] == 4 and (about["unseen"]["images"], about["unseen"]["of"]) == (1, 2)
    assert about["unseen"]["metrics"]["closed"]["n"] == 1
    assert about["left_out"]["questions in another language (zh)"] == 2


def test_sources_count_alike_whatever_their_size(tmp_path: Path) -> None:
    """The plain mean over sources; two of five are there, and the others are named."""
    for name in ("kvasir-seg", "tbx11k"):
        written(name, tmp_path / "data" / name)
    about = measured("umed-mau", tmp_path / "data", tmp_path / "out", wrong=1)
    values = [one["value"] for one in about["groups"]["of"].values() if one["value"] is not None]
    assert set(about["groups"]["of"]) == {"kvasir-seg", "tbx11k"}
    mean = about["groups"]["mean"]
    assert mean["value"] == pytest.approx(sum(values) / len(values)) and mean["n"] == about["metrics"]["accuracy"]["n"]
    assert about["missing"] == ["deeplesion", "kits23", "nih-chestxray14"] and about["dealt"] == ["kvasir-seg"]


def test_a_published_test_split_counts_whatever_images_were_dealt_to() -> None:
    def record(name: str, split: Any, published: Any, dataset: str = "a") -> Record:
        return Record(name, f"{name}.png", 9, 9, split=split, source=Source(dataset, published=published))

    rows = [record("1", "test", "train"), record("2", "train", "test"), record("3", "test", None, "b")]
    found, dealt = questions.tested(rows)
    assert [r.split for r in found] == ["train", "test", "test"] and dealt == []
    found, dealt = questions.tested([record(str(i), None, None) for i in range(10)])
    assert sum(r.split == "test" for r in found) == 2 and dealt == ["a"]


def test_a_copy_under_another_name_is_the_same_image() -> None:
    """By the hash of the file, or by the group that copies were put into."""

    def record(name: str, split: Any, sha: str | None, group: str | None = None) -> Record:
        return Record(name, f"{name}.png", 9, 9, split=split, source=Source("a", sha256=sha), group=group)

    rows = [record("1", "train", "x", "g"), record("2", "test", "x"), record("3", "test", "y", "g")]
    assert questions.unseen([*rows, record("4", "test", "z")]) == {"4"}


def test_parts_of_a_set_are_told_by_the_file() -> None:
    def part(file: str) -> str:
        return by_part(Record("a", "a.png", 9, 9, source=Source("a", file=file)))

    assert [
        part("pathmnist.npz#test-000001"),
        part("Pharmacy/validation-0.parquet#a"),
        part("BUSI/imagesVal/a.png"),
    ] == [
        "pathmnist",
        "Pharmacy",
        "BUSI",
    ]


def test_a_study_is_asked_for_its_report_once() -> None:
    """Two images of one study, one of another; other questions are asked of each image."""
    rows = [Record(n, f"{n}.png", 9, 9, study=of, source=Source("a")) for n, of in (("1", "s"), ("2", "s"), ("3", "t"))]
    given = [Dialogue(f"{r.id}/{k}", r.id, r.image, "test", k, "q", "a") for r in rows for k in KINDS_ASKED]
    assert [d.id for d in questions.once(given, rows)] == ["1/report", "1/open", "2/open", "3/report", "3/open"]


def test_published_scorings_are_those_that_there_are() -> None:
    known = {figure.name for figure in as_published.FIGURES}
    assert {name for row in BENCHMARKS.values() for name in row.published} <= known


def test_no_question_of_a_kind_is_told_with_what_there_is(tmp_path: Path) -> None:
    record = Record("a", "a.png", 9, 9, split="test", findings=(Finding("x"),), questions=(Question("q", "a"),))
    dialogue = Dialogue("a/q", "a", "a.png", "test", "open", "q", "a")
    with pytest.raises(RecordError, match=r"none of its questions; it has 1 questions of another kind \(open\)"):
        questions.asked(BENCHMARKS["pmc-vqa"], [dialogue])
    assert record.questions


def test_a_trial_takes_its_questions_in_turn_of_kinds_and_groups() -> None:
    """Four of five: the first of each kind and group, then the next of those that have one; in their own order. The
    first so many alone would leave a column of the page empty."""

    def dialogue(name: str, kind: Any, record: str) -> Dialogue:
        return Dialogue(name, record, "a.png", "test", kind, "q", "a")

    rows = [dialogue(name, "closed", "x") for name in "abc"] + [
        dialogue("d", "open", "x"),
        dialogue("e", "closed", "y"),
    ]
    kept, left = questions.asked(BENCHMARKS["vqa-rad"], rows, 4, {"x": "here", "y": "there"})
    assert [d.id for d in kept] == ["a", "b", "d", "e"] and left == {"questions beyond 4 (--limit)": 1}
    assert [d.id for d in questions.asked(BENCHMARKS["vqa-rad"], rows, 2)[0]] == ["a", "d"]


def test_of_a_metric_of_reports_that_was_not_measured_the_reason_is_told() -> None:
    table = {
        "n": 3,
        "clusters": 2,
        "models": {"m": {"metrics": {"bleu4_sacre": {"value": 0.1, "low": 0.0, "high": 0.2}}}},
    }
    scores = {"sections": {"reports": {"tables": {"13a": table}, "unmeasured": {"meteor_nltk (13a)": "no WordNet"}}}}
    found = results.of_reports(scores, "m")
    assert (found["bleu4_sacre"]["value"], found["bleu4_sacre"]["n"], found["bleu4_sacre"]["reason"]) == (0.1, 3, None)
    assert (found["meteor_nltk"]["value"], found["meteor_nltk"]["reason"]) == (None, "no WordNet")
    assert results.of_reports({}, "m")["bleu4_sacre"]["reason"] == "no report in English"


def test_a_figure_that_is_not_there_for_new_images_is_not_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    """BLEU, and errors of numbers, are told of all test images alone; where all are new, figures are the same."""
    figure = {"value": 0.5, "low": 0.4, "high": 0.6, "n": 9, "reason": None}
    row: dict[str, Any] = {
        "benchmark": "iu-xray",
        "metrics": {"report_rougeL": figure, "bleu4_sacre": figure},
        "limit": None,
    }
    row |= {"size": None, "missing": [], "learnt": {}, "trained_here": True, "dealt": [], "patients_known": True}
    benchmark_page.show([row | {"unseen": {"metrics": {"report_rougeL": figure}}}, row | {"unseen": {}}])
    lines = [line for line in capsys.readouterr().err.splitlines() if "BLEU-4" in line]
    assert lines[0].rstrip().endswith("–") and lines[1].rstrip().endswith("the same")


# --------------------------------------------------------------------------------------------------------- the command


def test_the_tiny_model_answers_and_a_second_call_goes_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The answers are not given again; the page says that two questions are no benchmark figure."""
    data = written("vqa-rad", tmp_path / "data")
    config = Config(name="vqa-rad", data=data, out=tmp_path / "out", model="tiny", limit=1, resamples=50)
    page = benchmark.main(config)
    before = (tmp_path / "out/predictions.jsonl").stat().st_mtime_ns
    assert benchmark.main(config) == page == tmp_path / "out" / "benchmark.html"
    assert (tmp_path / "out/predictions.jsonl").stat().st_mtime_ns == before
    assert "At most 1 questions were asked" in page.read_text() and "predict: " in capsys.readouterr().err


def test_all_that_is_there_is_measured_and_the_rest_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """VQA-RAD and MedMNIST are there; a folder of texts, and a set that no benchmark is made of, are left out."""
    data = tmp_path / "data"
    for name in ("vqa-rad", "medmnist", "busi"):
        written(name, data / name)
    (data / "notes").mkdir()
    (data / "notes" / "a.txt").write_text("nothing")

    def running(job: benchmark.Job) -> Any:
        job.read()
        left = job.ask()
        write_jsonl(job.out / "predictions.jsonl", answered(job.out))
        job.answering("m")[-1].run()
        return job.told({}, [], left)

    monkeypatch.setattr(benchmark.Job, "run", running)
    page = benchmark.main(Config(all=True, data=data, model="m", out=tmp_path / "out", resamples=50))
    assert isinstance(page, Path)
    text, about = page.read_text(), json.loads((tmp_path / "out/benchmark.json").read_text())
    assert [row["benchmark"] for row in about["benchmarks"]] == ["vqa-rad", "vqa-rad-images", "medmnist"]
    assert set(about["left_out"]) == {"busi", "notes"} and "no benchmark&#39;s data set" in text
    assert "http-equiv" in text and "<script" not in text
    unknown = "Whether the model has seen test images is not known: it was trained elsewhere."
    assert text.count(unknown) == 1 and f"<strong>All:</strong> {unknown}" in text, "what holds of all is said once"
    assert all(f'<h2 id="{row["benchmark"]}">' in text for row in about["benchmarks"])
    assert {*re.findall(r"<th (\w+)=", text)} == {"scope"} and text.count("<table") == text.count("<caption")


def printed(config: Config, capsys: pytest.CaptureFixture[str]) -> list[list[str]]:
    """The words of each line that a dry run prints, and nothing is written."""
    capsys.readouterr()
    with pytest.raises(provenance.DryRun):
        benchmark.main(replace(config, dry_run=True))
    assert config.out and not config.out.exists()
    told = capsys.readouterr().err.splitlines()
    return [shlex.split(line)[1:] for line in told if line.strip().startswith("unveil ")]


@pytest.mark.parametrize("all_there", [False, True])
def test_what_a_dry_run_prints_does_the_same_by_hand(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], all_there: bool
) -> None:
    """Each line is run as it is printed. The questions and the figures are those of the benchmark itself."""
    write = written("vqa-rad", tmp_path / "data" / "rad")
    named = {"all": True, "data": write.parent} if all_there else {"name": "vqa-rad", "data": write}
    config = Config(model="tiny", resamples=20, limit=1, seed=3, out=tmp_path / "hand", **named)  # type: ignore[arg-type]
    lines = printed(config, capsys)
    assert [words[0] for words in lines] == ["benchmark", "predict", "score"] * 2
    for words in lines:
        assert cli.main(words) == 0, words
    benchmark.main(replace(config, out=tmp_path / "whole"))
    made = sorted(path.relative_to(tmp_path / "hand") for path in (tmp_path / "hand").rglob("dialogues.jsonl"))
    assert len(made) == 2
    for place in (path.parent for path in made):
        both = [tmp_path / name / place for name in ("hand", "whole")]
        one, other = ((folder / "dialogues.jsonl").read_text() for folder in both)
        assert one == other
        one, other = (json.loads((folder / "scores/scores.json").read_text())["models"] for folder in both)
        assert one == other


@ALL
def test_a_dry_run_of_every_benchmark_prints_how_its_questions_are_written(
    row: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "data"
    for name in row.sets:
        written(name, data / name if len(row.sets) > 1 else data)
    config = Config(name=row.name, data=data, model="tiny", out=tmp_path / "hand")
    first, *others = printed(config, capsys)
    assert cli.main(first) == 0 and (tmp_path / "hand/dialogues.jsonl").is_file()
    for words in others:
        cli.parse(words)


def test_a_model_that_knows_the_test_images_is_refused_or_flagged(tmp_path: Path) -> None:
    model = tmp_path / "model"
    model.mkdir()
    (model / "run.json").write_text(
        json.dumps({"command": "train sft", "config": {}, "inputs": {}, "benchmark_images": {"vqa-rad": 2}})
    )
    job = benchmark.Job(
        BENCHMARKS["vqa-rad"], benchmark.Places(None, {}), Config(name="vqa-rad", model=str(model)), tmp_path
    )
    with pytest.raises(RecordError, match="has learnt from 2 images of the test split of vqa-rad"):
        job.learnt()
    allowed = replace(job, config=replace(job.config, allow_benchmark_test=True))
    assert allowed.learnt() == {"vqa-rad": 2}
    other = replace(job, benchmark=BENCHMARKS["slake"])
    assert other.learnt() == {}


# ------------------------------------------------------------------------------------------------------------ bad input


def test_the_list_and_unknown_names(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert benchmark.main(Config()) is True
    listed = capsys.readouterr().out
    assert all(name in listed for name in BENCHMARKS)
    with pytest.raises(RecordError, match="no benchmark is called 'vqarad': vqa-rad"):
        benchmark.main(Config(name="vqarad", data=tmp_path))
    with pytest.raises(RecordError, match="`unveil benchmark` lists all"):
        benchmark.main(Config(name="zzzzz", data=tmp_path))


@pytest.mark.parametrize(
    "config, said",
    [
        (Config(name="slake"), "--data is needed"),
        (Config(name="slake", all=True, data=Path()), "leave slake out, or --all"),
        (Config(name="slake", data=Path(), model="m", predictions=Path("p")), "leave --model out"),
        (Config(all=True, data=Path(), predictions=Path("p")), "name it in place of --all"),
        (Config(all=True, data=Path()), "a --model is needed"),
    ],
)
def test_options_that_do_not_go_together(config: Config, said: str) -> None:
    with pytest.raises(OptionError, match=said):
        benchmark.main(config)


def test_missing_parts_of_a_set_are_named(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "x.txt").write_text("")
    with pytest.raises(IngestError, match=r"not the whole of pathvqa\n.*MISSING"):
        benchmark.main(Config(name="pathvqa", data=tmp_path / "data", model="tiny", out=tmp_path / "out"))
    with pytest.raises(IngestError, match="none of the data sets of MAU diagnoses"):
        benchmark.main(Config(name="umed-mau", data=tmp_path / "data", model="tiny", out=tmp_path / "out"))
    with pytest.raises(IngestError, match="no benchmark's data set is in a folder below it"):
        benchmark.main(Config(all=True, data=tmp_path / "data", model="tiny", out=tmp_path / "out"))


def test_one_set_in_two_folders_is_no_choice_of_ours(tmp_path: Path) -> None:
    for name in ("a", "b"):
        written("vqa-rad", tmp_path / "data" / name)
    with pytest.raises(RecordError, match="both hold vqa-rad"):
        benchmark.main(Config(all=True, data=tmp_path / "data", model="tiny", out=tmp_path / "out"))
