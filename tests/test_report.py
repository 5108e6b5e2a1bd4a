"""The report page: every section is there, nothing is loaded, everything is escaped, what is missing is said."""

from __future__ import annotations

import dataclasses
import html
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from unveil.core.answers import write_diagnosis
from unveil.core.box_formats import BOX_FORMATS, View, render
from unveil.core.grading import Outcome
from unveil.core.jsonl import write_jsonl
from unveil.core.pixels import write_png
from unveil.core.records import Dialogue, Finding, Prediction, Record, RecordError, Source
from unveil.evaluate import report_pictures, report_tables
from unveil.evaluate.attention_lift import AttentionRow
from unveil.evaluate.report import write_report
from unveil.evaluate.report_data import Inputs
from unveil.evaluate.score import score

WIDTH, HEIGHT = 96, 64
EVIL = "<script>alert('x')</script>"
SECTIONS = (
    "Test images, before and after",
    "What changed",
    "Best and worst answers",
    *("Boxes", "By group"),
    "Failures by kind",
    "What data",
    "Learning curves",
    "Repeat it",
)


def draw(path: Path, box: tuple[float, ...]) -> None:
    """Noise with a bright block where the finding is."""
    image = np.random.default_rng(0).integers(20, 90, (HEIGHT, WIDTH), dtype=np.uint8)
    x1, y1, x2, y2 = map(int, box)
    image[y1:y2, x1:x2] += 120
    path.parent.mkdir(parents=True, exist_ok=True)
    write_png(image, path)


def record(folder: Path, i: int, split: str) -> Record:
    """Every third image is normal; the second one bears a hostile label."""
    box = (8.0 + 2 * i, 10.0, 40.0 + 2 * i, 34.0)
    label = EVIL if i == 1 else "cyst"
    findings = () if i % 3 == 2 else (Finding(label, box),)
    draw(folder / "images" / f"{i}.png", box if findings else (0, 0, 0, 0))
    report = f"{EVIL} <img src=x onerror=alert(1)>"
    place = {"image": f"images/{i}.png", "width": WIDTH, "height": HEIGHT, "patient": f"p{i // 2}"}
    about = {"modality": "CT", "completeness": "exhaustive", "source": Source("synthetic"), "report": report}
    return Record(id=f"r{i}", split=split, findings=findings, **place, **about)  # type: ignore[arg-type]


def predicted(dialogue: Dialogue, text: str, model: str) -> Prediction:
    view = View(BOX_FORMATS["bins-64"], (WIDTH, HEIGHT), (WIDTH, HEIGHT))
    kind = dialogue.kind
    return Prediction(dialogue.id, dialogue.record, kind, render(text, view), "bins-64", (WIDTH, HEIGHT), model)


def say(dialogue: Dialogue, i: int, skill: int) -> str:
    """The true answer for the first ``skill`` questions, then one that cannot be read and holds HTML."""
    return dialogue.answer if i < skill else f"I see {EVIL} & <img src='http://evil.example/x.png'>"


@pytest.fixture
def inputs(tmp_path: Path) -> Inputs:
    """A run of eight images, four of them for the test, with two models."""
    return make(tmp_path, {"base": 1, "sft": 3})


def make(folder: Path, models: dict[str, int]) -> Inputs:
    records = [record(folder, i, "test" if i < 4 else "train") for i in range(8)]
    write_jsonl(folder / "records.jsonl", records)
    asked = [
        Dialogue(f"d{r.id}", r.id, r.image, r.split, "diagnosis", "Give the diagnosis.", write_diagnosis(r.boxed))
        for r in records
    ]
    write_jsonl(folder / "dialogues.jsonl", asked)
    tests = [d for d in asked if d.split == "test"]
    files = {m: folder / m / "predictions.jsonl" for m in models}
    for m, skill in models.items():
        write_jsonl(files[m], [predicted(d, say(d, i, skill), m) for i, d in enumerate(tests)])
    score(folder / "records.jsonl", folder / "dialogues.jsonl", files, folder, resamples=50)
    return Inputs(
        title=f"Report of {EVIL}",
        records=folder / "records.jsonl",
        scores=folder / "scores.json",
        outcomes=folder / "outcomes.jsonl",
        predictions=files,
        dialogues=folder / "dialogues.jsonl",
        training={"sft": training(folder)},
        rejected=rejected(folder),
        check=check(folder),
        runs=[run(folder)],
    )


def training(folder: Path) -> Path:
    path = folder / "metrics.jsonl"
    rows = [{"step": i, "loss": 3 / i, "lr": 1e-4} | ({"val_loss": 4 / i} if i % 5 == 0 else {}) for i in range(1, 30)]
    write_jsonl(path, [*rows, {"step": 30, "loss": float("nan")}])
    return path


def rejected(folder: Path) -> Path:
    path = folder / "rejected.jsonl"
    rows = [{"file": f"{EVIL}.xml", "row": i, "reason": f"inverted box [{i}, 2, 1, 4] {EVIL}"} for i in range(3)]
    write_jsonl(path, rows)
    return path


def check(folder: Path) -> Path:
    path = folder / "check.json"
    issue = {"name": "leak", "severity": "error", "message": f"copies {EVIL}", "count": 2, "examples": [EVIL]}
    path.write_text(json.dumps({"issues": [issue]}))
    return path


def run(folder: Path) -> Path:
    path = folder / "sft.run.json"
    about = {"command": "train sft", "config": {"seed": 3, "note": EVIL}, "versions": {"torch": "2.0"}, "seed": 3}
    path.write_text(json.dumps({**about, "inputs": {"a.jsonl": "f" * 64}, "seconds": 12.5}))
    return path


def page(inputs: Inputs, tmp_path: Path) -> str:
    return write_report(inputs, tmp_path / "report.html").read_text(encoding="utf-8")


def words(text: str) -> str:
    """The page as a reader sees it."""
    text = re.sub(r"<style>.*?</style>", " ", text, flags=re.S)
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", text)))


class Tags(HTMLParser):
    """Collects tags with their attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def test_every_section_is_there_in_order(inputs: Inputs, tmp_path: Path) -> None:
    text = page(inputs, tmp_path)
    assert tuple(re.findall(r"<h2[^>]*>(.*?)</h2>", text)) == SECTIONS
    seen = words(text)
    for said in ("Research software, not a medical device", "Synthetic images, tiny model", "4 questions on 4 images"):
        assert said in seen
    assert "unveil train sft --config" in seen
    assert "3 rows were set aside" in seen
    assert "1 value that is not finite" in seen


def test_the_page_loads_nothing_and_runs_no_script(inputs: Inputs, tmp_path: Path) -> None:
    text = page(inputs, tmp_path)
    for tag, attributes in Tags(text).found:
        assert tag not in ("script", "link", "iframe", "object", "embed", "base", "form"), tag
        assert not any(name.startswith("on") for name in attributes)
        for name in ("src", "href", "srcset", "data", "action", "poster", "xlink:href"):
            value = attributes.get(name)
            assert value is None or value.startswith(("data:image/webp;base64,", "#")), value
    style = re.search(r"<style>(.*?)</style>", text, re.S)
    assert style and "url(" not in style[1] and "@import" not in style[1]
    assert "default-src 'none'; img-src data:" in text


def test_text_from_outside_is_escaped(inputs: Inputs, tmp_path: Path) -> None:
    text = page(inputs, tmp_path)
    assert "<script" not in text and "<img src='" not in text and "<img src=x" not in text
    assert (
        text.count(str(html.escape(EVIL)).replace("&#x27;", "&#39;")) >= 6
    )  # title, label, answer, reason, check, run
    images = [attributes for tag, attributes in Tags(text).found if tag == "img"]
    assert images and all(i["alt"] and (i["src"] or "").startswith("data:image/") for i in images)


def test_true_and_predicted_boxes_differ_in_colour_and_line(inputs: Inputs, tmp_path: Path) -> None:
    text = page(inputs, tmp_path)
    true, predicted = (re.search(rf"\.box\.{kind} \.line{{(.*?)}}", text) for kind in ("true", "predicted"))
    assert true and predicted
    assert "stroke-dasharray" in predicted[1] and "stroke-dasharray" not in true[1]
    assert "var(--true)" in true[1] and "var(--pred)" in predicted[1]
    assert '<g class="box true">' in text and '<g class="box predicted">' in text
    assert "true box, solid" in text and "predicted box, dashed" in text


def test_a_box_is_drawn_where_it_is(tmp_path: Path) -> None:
    one = record(tmp_path, 0, "test")
    made = report_pictures.picture(one, tmp_path / one.image, [("cyst", (24.0, 16.0, 72.0, 48.0))])
    mark = made.marks[0]
    assert (mark.left, mark.top, mark.right, mark.bottom) == (25, 25, 75, 75)
    assert "true box (cyst) in the central middle" in made.alt
    assert made.url and made.problem is None


def test_a_missing_image_is_said_and_not_replaced(inputs: Inputs, tmp_path: Path) -> None:
    (tmp_path / "images" / "0.png").unlink()
    (tmp_path / "images" / "1.png").write_bytes(b"not an image")
    text = page(inputs, tmp_path)
    assert "Image missing: 0.png" in text
    assert "Image unreadable" in text


def test_missing_parts_are_said(inputs: Inputs, tmp_path: Path) -> None:
    bare = dataclasses.replace(inputs, outcomes=None, rejected=None, check=None, runs=[], training={})
    seen = words(page(bare, tmp_path))
    for said in ("No list of rejected rows", "results of unveil check are not there", "No run file", "No training"):
        assert said in seen
    gone = tmp_path / "gone.jsonl"
    lost = dataclasses.replace(inputs, rejected=gone, check=gone, runs=[gone], training={"sft": gone})
    seen = words(page(lost, tmp_path))
    assert "run file is not there" in seen and "metrics file of this training is not there" in seen


def test_leaks_that_were_cured_are_no_errors(inputs: Inputs, tmp_path: Path) -> None:
    """What the check found in the splits as published is told, but not as an error of data that were dealt anew; other
    errors stay."""
    issues = [
        {"name": "copies_across_splits", "severity": "error", "message": "3 copies"},
        {"name": "box_outside", "severity": "error", "message": "2 boxes"},
    ]
    (tmp_path / "check.json").write_text(json.dumps({"issues": issues}))
    found = dataclasses.replace(inputs, check=tmp_path / "check.json")
    seen = words(page(found, tmp_path))
    assert "errors in the data: 3 copies; 2 boxes" in seen and "as published leak" not in seen
    seen = words(page(dataclasses.replace(found, dealt=True), tmp_path))
    assert "errors in the data: 2 boxes." in seen and "The splits as published leak: 3 copies." in seen


def test_missing_scores_are_an_error(inputs: Inputs, tmp_path: Path) -> None:
    with pytest.raises(RecordError, match=r"gone\.json: no such file; score"):
        write_report(dataclasses.replace(inputs, scores=tmp_path / "gone.json"), tmp_path)


def test_a_prediction_of_another_run_is_an_error(inputs: Inputs, tmp_path: Path) -> None:
    stranger = Prediction("other", "r0", "diagnosis", "?", "bins-64", (WIDTH, HEIGHT), "sft")
    write_jsonl(inputs.predictions["sft"], [stranger])
    with pytest.raises(RecordError, match="other: no such dialogue"):
        write_report(inputs, tmp_path)


@pytest.mark.parametrize("models", [{"base": 2}, {"base": 1, "sft": 2, "dpo-v2": 4}])
def test_any_number_of_models(tmp_path: Path, models: dict[str, int]) -> None:
    seen = words(page(make(tmp_path, models), tmp_path))
    assert ("Only one model was scored" in seen) == (len(models) == 1)
    assert ("dpo-v2 − sft" in seen) == (len(models) == 3)


def test_an_empty_test_split(inputs: Inputs, tmp_path: Path) -> None:
    for file in inputs.predictions.values():
        write_jsonl(file, [])
    nothing = {"value": None, "low": None, "high": None, "n": 0, "clusters": 0}
    inputs.scores.write_text(json.dumps({"models": {m: {"metrics": {"iou": nothing}} for m in ("base", "sft")}}))
    seen = words(page(inputs, tmp_path))
    assert "nothing was measured" in seen and "No picture to show" in seen and "No answers" in seen
    assert "Not measured, because there was nothing to measure it on:" in seen and "Overlap of boxes (IoU)" in seen


def test_questions_from_the_training_split_and_bound_data_are_said(inputs: Inputs, tmp_path: Path) -> None:
    lines = [json.loads(line) for line in inputs.records.read_text().splitlines()]
    for line in lines:
        line["source"] = {"dataset": "closed set", "access": "credentialed"}
    write_jsonl(inputs.records, lines)
    asked = [json.loads(line) for line in inputs.dialogues.read_text().splitlines()]
    write_jsonl(inputs.dialogues, [{**d, "split": "train"} for d in asked])
    seen = words(page(inputs, tmp_path))
    assert "4 of the questions come from the training split" in seen
    assert "may not be passed on: closed set" in seen and "Synthetic images" not in seen


def test_benchmarks_that_were_learnt_from_are_said(inputs: Inputs, tmp_path: Path) -> None:
    """By the run.json of whatever was trained; the largest number counts."""
    assert "Trained on" not in words(page(inputs, tmp_path))
    for name, images in (("one", 3), ("two", 5)):
        (tmp_path / name).write_text(json.dumps({"command": "train sft", "benchmark_images": {"vqa-rad": images}}))
    seen = words(page(dataclasses.replace(inputs, runs=[tmp_path / "one", tmp_path / "two"]), tmp_path))
    assert "Trained on 5 images of the test split of vqa-rad: figures on that benchmark are worth nothing." in seen


@pytest.mark.parametrize(
    ("apart", "said"),
    [
        ({"total": 0, "mine.zero": 0, "form": 0},
         "Nothing was learnt from rewards: in none of the 40 updates of sft did mine.zero, form tell two answers"),
        ({"total": 40, "mine.zero": 0, "form": 40},
         "A reward taught nothing: in none of the 40 updates of sft did mine.zero tell two answers"),
        ({"total": 40, "mine.zero": 1, "form": 39}, ""),
    ],
)  # fmt: skip
def test_rewards_that_never_differed_are_said(apart: dict[str, int], said: str, inputs: Inputs, tmp_path: Path) -> None:
    """By run.json beside metrics.jsonl. Once is enough."""
    trained = inputs.training["sft"].with_name("run.json")
    trained.write_text(json.dumps({"command": "train grpo", "informative_updates": {"of": 40, **apart}}))
    seen = words(page(inputs, tmp_path))
    assert (said in seen) if said else ("taught nothing" not in seen and "Nothing was learnt" not in seen)


def test_splits_that_share_a_patient_are_said(inputs: Inputs, tmp_path: Path) -> None:
    assert "No patient, study or group lies in more than one split" in words(page(inputs, tmp_path))
    lines = [json.loads(line) for line in inputs.records.read_text().splitlines()]
    write_jsonl(inputs.records, [{**line, "patient": "one"} for line in lines])
    assert "1 of 1 patients, studies or groups lie in more than one split" in words(page(inputs, tmp_path))


def test_the_same_seed_gives_the_same_page(inputs: Inputs, tmp_path: Path) -> None:
    assert page(inputs, tmp_path / "a") == page(inputs, tmp_path / "b")


def outcome(name: str, iou: float | None, *failures: str) -> Outcome:
    failed = tuple(failures)
    return Outcome(name, name, name, "diagnosis", None, (), "ok", None, iou, failed)  # type: ignore[arg-type]


def test_best_and_worst_go_by_iou_and_count_a_false_alarm_as_0() -> None:
    known = {"a": 0.9, "b": 0.5, "c": 0.2, "d": 0.0}
    rows = {k: outcome(k, v) for k, v in known.items()} | {
        "e": outcome("e", None, "false alarm"),
        "f": outcome("f", None),
    }
    chosen = report_pictures.examples(rows, 2, seed=0)
    assert chosen["best"] == ["a", "b"]
    assert set(chosen["worst"]) == {"d", "e"}  # f is a normal image that was called normal: neither
    assert len(chosen["random"]) == 2
    assert report_pictures.examples({}, 2, seed=0) == {"best": [], "worst": [], "random": []}


@pytest.mark.parametrize(("found", "bare", "shown"), [(9, 9, "FFFN"), (9, 0, "FFFF"), (2, 9, "FFNN"), (0, 1, "N")])
def test_random_pictures_have_findings_first_and_one_in_four_without(found: int, bare: int, shown: str) -> None:
    rows = {f"F{i}": outcome(f"F{i}", 0.0) for i in range(found)}
    rows |= {f"N{i}": outcome(f"N{i}", None) for i in range(bare)}
    drawn = [report_pictures.examples(rows, 4, seed)["random"] for seed in range(5)]
    assert all("".join(name[0] for name in names) == shown for names in drawn)
    assert len({*map(tuple, drawn)}) > 1 or found + bare <= 4, "by the seed"


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [(0.813, "share", "81\u202f%"), (0.813, "ratio", "0.81"), (None, "share", "–"), (12.0, "share", "12")],
)
def test_figures(value: float | None, unit: str, text: str) -> None:
    assert report_tables.figure(value, unit) == text


def test_numbers_in_few_characters() -> None:
    assert report_tables.change(-0.125, digits=1) == "−12.5"
    assert report_tables.count(12345) == "12\u202f345"
    assert [report_tables.compact(v) for v in (0.000077, 4772.4, 0.36, 3)] == ["7.7e−5", "4\u202f772", "0.36", "3"]


def test_a_curve_spans_its_frame() -> None:
    chart = report_pictures.chart(
        [{"step": 0, "loss": 4.0}, {"step": 5, "loss": 3.0}, {"step": 10, "loss": 2.0}], ["loss"]
    )
    assert chart and chart.lines[0].path == "M0.00,0.00L50.00,50.00L100.00,100.00"
    assert (chart.low, chart.high, chart.first, chart.last) == (2, 4, 0, 10)
    flat = report_pictures.chart([{"step": 0, "lr": 0.1}, {"step": 2, "lr": 0.1}], ["lr"])
    assert flat and flat.lines[0].path == "M0.00,50.00L100.00,50.00"
    assert report_pictures.chart([{"step": 0, "loss": float("nan")}], ["loss"]) is None


def attention(folder: Path, model: str, shares: dict[str, float]) -> Path:
    file = folder / model / "attention.jsonl"
    write_jsonl(file, [AttentionRow(f"d{i}", i, i, model, share, 0.1, ((1.0,),)) for i, share in shares.items()])
    return file


def test_maps_side_by_side_are_of_one_image(inputs: Inputs, tmp_path: Path) -> None:
    """Whatever the order, and where a model has more of them: those that both have, in the order of the first."""
    base = attention(tmp_path, "base", {"r3": 0.13, "r1": 0.11, "r0": 0.10})
    sft = attention(tmp_path, "sft", {"r0": 0.20, "r1": 0.21})
    seen = words(page(dataclasses.replace(inputs, attention={"base": base, "sft": sft}), tmp_path))
    shown = re.findall(r"(r\d) base (\S+) % in the boxes .*?sft (\S+) % in the boxes", seen)
    assert shown == [("r1", "11.0", "21.0"), ("r0", "10.0", "20.0")]


@pytest.mark.parametrize(
    ("shares", "why"),
    [
        ({}, r"sft/attention\.jsonl: it holds no map"),
        ({"r1": 0.2}, r"base/attention\.jsonl, \S+sft/attention\.jsonl: no image has a map in each"),
        ({"r9": 0.2}, r"sft/attention\.jsonl: r9: no such record"),
    ],
)
def test_maps_that_do_not_belong_together(shares: dict[str, float], why: str, inputs: Inputs, tmp_path: Path) -> None:
    files = {"base": attention(tmp_path, "base", {"r0": 0.1}), "sft": attention(tmp_path, "sft", shares)}
    with pytest.raises(RecordError, match=why):
        page(dataclasses.replace(inputs, attention=files), tmp_path)
