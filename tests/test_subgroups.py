"""Figures by group: who is in which, the worst and the best one and the gap between them, and models apart by group."""

from __future__ import annotations

import dataclasses

import pytest

from tests.helpers.outcomes import dialogue, predicted, record
from tests.test_report import words
from unveil.core.box_formats import mark
from unveil.core.jsonl import write_jsonl
from unveil.core.records import Source
from unveil.evaluate.box_figures import SIZES
from unveil.evaluate.metrics import cases
from unveil.evaluate.power import power
from unveil.evaluate.report import write_report
from unveil.evaluate.report_data import Inputs
from unveil.evaluate.report_tables import HEADLINES
from unveil.evaluate.score import score
from unveil.evaluate.score_table import show_scores
from unveil.evaluate.sections.subgroups import keep

SMALL, MEDIUM, LARGE = (0.0, 0.0, 5.0, 5.0), (20.0, 20.0, 30.0, 30.0), (40.0, 40.0, 80.0, 80.0)
"""0.25 %, 1 % and 16 % of an image of 100 by 100."""
SCANNED = {"CT": 25, "X-ray": 25, "MRI": 19}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("groups")


def written(folder, *models: str) -> str:
    """The section of the page as a reader sees it."""
    files = {model: folder / f"{model}.jsonl" for model in models}
    inputs = Inputs(
        "t", folder / "records.jsonl", folder / "out" / "scores.json", None, files, folder / "dialogues.jsonl",
        {}, None, None, [],
    )  # fmt: skip
    page = write_report(inputs, folder / "page.html").read_text()
    return words(page.partition('<section id="subgroups"')[2].partition("</section>")[0]).replace("\u202f", " ")


@pytest.fixture(scope="module")
def result(folder):
    """Closed questions about patients of one each. base is right on 20 of 25 CTs, 10 of 25 X-rays and none of 19 MRIs;
    sft on all CTs, 10 X-rays and no MRI."""
    records, asked = [], []
    said: dict[str, list] = {"base": [], "sft": []}
    for modality, number in SCANNED.items():
        for i in range(number):
            name = f"{modality}{i}"
            records.append(record(name=name, modality=modality, patient=name, split="test"))
            asked.append(dialogue("closed", "yes", name=f"{name}/q", of=name))
            for model, right in (("base", {"CT": 20, "X-ray": 10}), ("sft", {"CT": 25, "X-ray": 10})):
                said[model].append(predicted(asked[-1], "yes" if i < right.get(modality, 0) else "no"))
    write_jsonl(folder / "records.jsonl", records)
    write_jsonl(folder / "dialogues.jsonl", asked)
    files = {}
    for model, rows in said.items():
        files[model] = folder / f"{model}.jsonl"
        write_jsonl(files[model], rows)
    return score(folder / "records.jsonl", folder / "dialogues.jsonl", files, folder / "out", resamples=400)


def test_the_worst_group_is_one_of_enough_patients(result):
    """MRI has none right, of 19 patients: too few to be called the worst. X-ray 0.4 against CT 0.8: a gap of 0.4, with
    a standard error of sqrt(0.24 / 25 + 0.16 / 25) = 0.126."""
    section = result["sections"]["subgroups"]
    one = section["worst"]["base"]["closed"]["modality"]
    assert (one["worst"], one["best"], section["least"]) == ("X-ray", "CT", 20)
    gap = one["gap"]
    assert gap["value"] == pytest.approx(0.4)
    assert gap["high"] - gap["low"] == pytest.approx(2 * 1.96 * 0.126, rel=0.2)
    assert list(section["by"]) == ["modality"], "there is one source, one size, one label, one language"
    assert section["by"]["modality"]["MRI"]["models"]["base"]["closed"]["value"] == 0


def test_groups_that_are_served_alike_have_no_worst(tmp_path):
    """All are right in both modalities: the first in the alphabet is not the worst, let alone the best too."""
    records = [record(name=f"r{i}", modality=("CT", "MRI")[i % 2], patient=str(i), split="test") for i in range(40)]
    asked = [dialogue("closed", "yes", name=f"{r.id}/q", of=r.id) for r in records]
    write_jsonl(tmp_path / "records.jsonl", records)
    write_jsonl(tmp_path / "dialogues.jsonl", asked)
    write_jsonl(tmp_path / "m.jsonl", [predicted(d, "yes") for d in asked])
    files = tmp_path / "records.jsonl", tmp_path / "dialogues.jsonl", {"m": tmp_path / "m.jsonl"}
    section = score(*files, tmp_path / "out", resamples=20)["sections"]["subgroups"]
    assert list(section["by"]["modality"]) == ["CT", "MRI"] and section["worst"] == {"m": {}}


def test_models_apart_by_group(result):
    """sft is better on 5 of 25 CTs and on nothing else."""
    by = result["sections"]["subgroups"]["by"]["modality"]
    apart = {name: held["differences"]["sft"]["base"]["closed"] for name, held in by.items()}
    assert {name: d["value"] for name, d in apart.items()} == pytest.approx({"CT": 0.2, "X-ray": 0, "MRI": 0})
    assert apart["CT"]["differing"] == 5 and "p" not in apart["CT"], "one family is tested, not each group"


def test_the_page_names_the_worst_and_the_best_group(result, folder):
    """Those of the last model: X-rays 10 of 25, CTs 25 of 25; then all groups, MRI too, with the models apart."""
    seen = written(folder, "base", "sft")
    assert "Worst and best groups of sft" in seen and "Groups of 20 patients and more" in seen
    assert "Closed questions modality X-ray 40.0 % " in seen and "; n 25 CT 100.0 % " in seen and "+60.0 " in seen
    assert "All groups by modality CT, MRI, X-ray" in seen
    assert "CT Closed questions 80.0 % 100.0 % +20.0 " in seen and "MRI Closed questions 0.0 % 0.0 % +0.0 " in seen


def test_the_terminal_names_the_worst_group_the_p_values_and_the_power(result, capsys):
    """5 of 69 patients differ: 2/2^5 for closed, exact and all questions alike, times 3 measures, with the readable
    answers 4: Holm's p is 4 x 0.0625 = 0.25."""
    apart = result["differences"]["sft"]["base"]["question_accuracy"]
    assert (apart["p"], apart["p_holm"]) == (2 / 2**5, 0.25)
    show_scores(result)
    told = " ".join(capsys.readouterr().err.split())
    assert "Worst groups of sft" in told and "X-ray (modality)" in told and "0.062, 0.25" in told
    assert "With 69 patients, a true difference between sft and base of" in told and "points in All questions" in told


def test_power_is_that_of_the_first_and_the_last_model(result):
    """One model alone: half the width of its interval. 30 of 69 right: 1.96 sqrt(0.246 / 69) = 0.117."""
    sentence = power(result)
    assert result["bootstrap"]["power"] == sentence and sentence.endswith("(power 80 %, two-sided 5 %).")
    alone = {**result, "models": {"base": result["models"]["base"]}, "differences": {}}
    told = power(alone)
    assert told.startswith("With 69 patients, figures of base are known to within ")
    assert float(told.split("within ")[1].split()[0]) == pytest.approx(11.7, abs=1.5)
    assert power({"models": {}, "differences": {}, "bootstrap": {}}) == ""


def test_power_names_the_patients_of_the_figures_that_it_names(result):
    """Of the headlines that are named one rests on 25 patients and one on 69, of those that are not one on 900."""
    apart = {
        key: {"value": 0.1, "low": 0, "high": 0.2, "n": n, "clusters": n, "detectable": 0.1, "excludes_zero": False}
        for key, n in zip(HEADLINES, (69, 25, 69, 900), strict=False)
    }
    told = power({**result, "differences": {"sft": {"base": apart}}})
    assert told.startswith("With 25 to 69 patients, a true difference") and told.count(" in ") == 4


def test_of_too_few_patients_no_power_is_told(result):
    """19 patients: no verdict is given of so few, so that no difference "would be told from 0"."""

    def few(cells):
        return {metric: {**cell, "clusters": 19} for metric, cell in cells.items()}

    models = {name: {**of, "metrics": few(of["metrics"])} for name, of in result["models"].items()}
    apart = {"sft": {"base": few(result["differences"]["sft"]["base"])}}
    assert power({**result, "models": models, "differences": apart}) == ""
    assert power({**result, "models": {"base": models["base"]}, "differences": {}}) == ""


def test_a_size_is_that_of_average_precision():
    """One page has one meaning of small: 2 % of the image is a medium finding in both."""
    assert {"small": (0.0, 1 / 300), "medium": (1 / 300, 0.03), "large": (0.03, float("inf"))} == SIZES
    two_percent = record(("mass", (0.0, 0.0, 10.0, 20.0)))
    kept = [keep(case, p) for case, p in cases([two_percent], [LOCATED], [predicted(LOCATED, "")])]
    assert kept[0].sizes == ("medium",)


LOCATED = dialogue("localisation", mark((0.0, 0.0, 10.0, 20.0)), "mass")


def test_findings_by_size_and_images_by_source(tmp_path):
    """A place is asked for: of the small mass at 0.25 % of the image, the medium cyst at 1 %, the large node at 16 %. A
    closed question is about no size."""
    places = {"mass": SMALL, "cyst": MEDIUM, "node": LARGE}
    of = dataclasses.replace(record(*places.items(), name="a"), source=Source("one"))
    other = dataclasses.replace(record(("mass", LARGE), name="b"), source=Source("two"))
    asked = [dialogue("localisation", mark(box), label, f"a/{label}", "a") for label, box in places.items()]
    asked += [dialogue("localisation", mark(LARGE), "mass", "b/mass", "b"), dialogue("closed", "yes", name="c", of="a")]
    write_jsonl(tmp_path / "records.jsonl", [of, other])
    write_jsonl(tmp_path / "dialogues.jsonl", asked)
    write_jsonl(tmp_path / "m.jsonl", [predicted(d, "[0, 0, 5, 5]") for d in asked])
    files = tmp_path / "records.jsonl", tmp_path / "dialogues.jsonl"
    by = score(*files, {"m": tmp_path / "m.jsonl"}, tmp_path / "out", resamples=20)["sections"]["subgroups"]["by"]
    seen = written(tmp_path, "m")
    assert "No two groups have 20 images each, or all are served alike, so none is called the worst." in seen
    assert "A finding is small up to 1/300 of the image's area, medium up to 3 %, large beyond" in seen
    assert "small Overlap of boxes" not in seen and "All groups by size large, medium, small" in seen
    sizes = {name: held["models"]["m"]["localisation_iou"] for name, held in by["size"].items()}
    assert {name: (one["n"], one["value"]) for name, one in sizes.items()} == {
        "large": (2, pytest.approx(25 / 1600 / 2, abs=0.05)), "medium": (1, 0), "small": (1, 1)
    }  # fmt: skip
    assert {name: held["models"]["m"]["localisation_iou"]["n"] for name, held in by["source"].items()} == {
        "one": 3, "two": 1
    }  # fmt: skip


def test_what_nobody_has_told_is_no_worst_group(tmp_path):
    """Of 25 images in no known modality none is right, of 25 CTs 10 and of 25 X-rays 20."""
    records, asked, said = [], [], []
    for modality, right in (("CT", 10), ("X-ray", 20), (None, 0)):
        for i in range(25):
            name = f"{modality}{i}"
            records.append(record(name=name, modality=modality, patient=name, split="test"))
            asked.append(dialogue("closed", "yes", name=f"{name}/q", of=name))
            said.append(predicted(asked[-1], "yes" if i < right else "no"))
    for name, rows in (("records", records), ("dialogues", asked), ("m", said)):
        write_jsonl(tmp_path / f"{name}.jsonl", rows)
    files = tmp_path / "records.jsonl", tmp_path / "dialogues.jsonl"
    section = score(*files, {"m": tmp_path / "m.jsonl"}, tmp_path / "out", resamples=50)["sections"]["subgroups"]
    assert section["by"]["modality"]["unknown"]["models"]["m"]["closed"]["value"] == 0
    worst = section["worst"]["m"]["closed"]["modality"]
    assert (worst["worst"], worst["best"]) == ("CT", "X-ray")


def test_by_sex_and_age(tmp_path):
    """One question to each of 25 women of 30 (20 right) and 25 men of 70 (10 right), and to a child of 17.9 of whose
    sex nobody knows: the men are worst, by 0.8 - 0.4, and so is their band of age. One patient is no worst group."""
    people = [("female", 30.0, i < 20) for i in range(25)] + [("male", 70.0, i < 10) for i in range(25)]
    records, asked, said = [], [], []
    for n, (sex, age, right) in enumerate([*people, (None, 17.9, False)]):
        records.append(record(name=f"r{n}", patient=f"p{n}", split="test", sex=sex, age=age))
        asked.append(dialogue("closed", "yes", name=f"r{n}/q", of=f"r{n}"))
        said.append(predicted(asked[-1], "yes" if right else "no"))
    for name, rows in (("records", records), ("dialogues", asked), ("m", said)):
        write_jsonl(tmp_path / f"{name}.jsonl", rows)
    files = tmp_path / "records.jsonl", tmp_path / "dialogues.jsonl"
    section = score(*files, {"m": tmp_path / "m.jsonl"}, tmp_path / "out", resamples=50)["sections"]["subgroups"]
    counts = {
        way: {g: held["models"]["m"]["closed"]["n"] for g, held in of.items()} for way, of in section["by"].items()
    }
    assert counts == {"sex": {"female": 25, "male": 25, "unknown": 1}, "age": {"0-17": 1, "18-39": 25, "65+": 25}}
    worst = section["worst"]["m"]["closed"]
    assert {way: (one["worst"], one["best"]) for way, one in worst.items()} == {
        "sex": ("male", "female"), "age": ("65+", "18-39")
    }  # fmt: skip
    assert worst["sex"]["gap"]["value"] == pytest.approx(0.4)
    seen = written(tmp_path, "m")
    assert "Closed questions sex male 40.0 % " in seen and "; n 25 female 80.0 % " in seen and "+40.0 " in seen
    assert "Closed questions age 65+ 40.0 % " in seen and "All groups by age 0-17, 18-39, 65+" in seen
    assert "unknown Closed questions 0.0 % 1" in seen, "groups of few are told, and called no worst ones"
    assert "female" not in (tmp_path / "out" / "outcomes.jsonl").read_text(), "neither stands by answer"
