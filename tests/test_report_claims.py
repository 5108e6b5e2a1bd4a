"""Every sentence with which the report judges: a run in which it stands, and one in which it does not."""

from __future__ import annotations

import dataclasses
import itertools
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from tests.conftest import draw
from tests.test_report import Tags, words
from unveil.core.jsonl import write_jsonl
from unveil.core.records import Completeness, Dialogue, Finding, Prediction, Record, Source
from unveil.evaluate.attention_lift import AttentionRow
from unveil.evaluate.report import write_report
from unveil.evaluate.report_data import Inputs
from unveil.evaluate.score import score

SIZE = (32, 24)
BOX = (4.0, 4.0, 20.0, 20.0)
RIGHT = "Detection: abnormal.\nLocalisation: [0.125, 0.167, 0.625, 0.833].\nRecognition: cyst."
NORMAL = "Detection: normal.\nLocalisation: none.\nRecognition: nothing abnormal."


def image(i: int, **more: Any) -> Record:
    """One image of one patient; every fourth one is normal."""
    findings = () if i % 4 == 3 else (Finding("cyst", BOX),)
    about = {"split": "test", "patient": f"p{i}", "completeness": "exhaustive", "source": Source("clinic", "1", "cc0")}
    return Record(f"r{i}", "x.png", *SIZE, modality="CT", findings=findings, **(about | more))  # type: ignore[arg-type]


Say = Callable[[Record], str]


def blind(record: Record) -> str:
    """Sees nothing anywhere."""
    return NORMAL


def seeing(record: Record) -> str:
    return RIGHT if record.findings else NORMAL


def alarmed(record: Record) -> str:
    """Sees the same everywhere."""
    return RIGHT


OfModels = Mapping[str, Say]
NOBODY: OfModels = MappingProxyType({})


@dataclass(frozen=True)
class Run:
    """A folder with two models' answers to one diagnosis of each record, and the report of it."""

    folder: Path

    def page(self, records: list[Record], base: Say = blind, sft: Say = seeing, **more: Any) -> str:
        """As a reader sees it."""
        return words(self.raw(records, base, sft, **more))

    def raw(
        self,
        records: list[Record],
        base: Say = blind,
        sft: Say = seeing,
        others: Mapping[str, Say] = NOBODY,
        **more: Any,
    ) -> str:
        folder = self.folder
        draw(folder / "x.png", SIZE, 0)
        write_jsonl(folder / "records.jsonl", records)
        asked = [
            Dialogue(f"d{r.id}", r.id, r.image, r.split, "diagnosis", "Diagnosis?", "-")
            for r in records
            if r.split == "test"
        ]
        write_jsonl(folder / "dialogues.jsonl", asked)
        by_id, files = {r.id: r for r in records}, {}
        for name, say in {"base": base, "sft": sft, **others}.items():
            files[name] = folder / f"{name}.jsonl"
            said = [(d, say(by_id[d.record])) for d in asked]
            write_jsonl(
                files[name],
                [Prediction(d.id, d.record, d.kind, text, "unit", SIZE, name) for d, text in said],
            )
        score(folder / "records.jsonl", folder / "dialogues.jsonl", files, folder, resamples=200)
        inputs = Inputs(
            title="t",
            records=folder / "records.jsonl",
            scores=folder / "scores.json",
            outcomes=None,
            predictions=files,
            dialogues=folder / "dialogues.jsonl",
            training={},
            rejected=None,
            check=None,
            runs=[],
        )
        return write_report(dataclasses.replace(inputs, **more), folder).read_text()


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path)


MANY, FEW = [image(i) for i in range(32)], [image(i) for i in range(8)]


# ----------------------------------------------------------------------------------------------- better, and how sure


def test_better_where_many_patients_say_so(run: Run) -> None:
    """24 abnormal patients, all of whom are found and named by one model and overlooked by the other; and 8 normal
    ones, too few to tell whether anything abnormal is seen more rightly. All answers of both can be read."""
    text = run.raw(MANY)
    seen = words(text)
    assert "Of 3 kinds of measures, sft is better than base on 2 (where findings are, what findings are)" in seen
    assert "on 1 the data cannot tell; on 1 more there are too few patients to tell" in seen
    assert '<span class="chip better">' in text and "▲ better" in seen and "▼ worse" not in seen
    turned = run.raw(MANY, base=seeing, sft=blind)
    assert "worse on 2 (where findings are, what findings are)" in words(turned)
    assert '<span class="chip worse">' in turned and '<span class="chip better">' not in turned


def test_a_difference_that_holm_takes_back_bears_a_dagger(run: Run) -> None:
    """Six of 24 abnormal patients are found and named by sft alone: 2 / 2^6 = 0.031 by permutation, which is not below
    0.05 among the measures of both models. Where it is all 24, p is the least there is: nothing is taken back."""
    found = {f"r{i}" for i in range(8) if i % 4 != 3}
    seen = run.page(MANY, sft=lambda record: RIGHT if record.id in found else NORMAL)
    assert len(found) == 6 and "▲ better † " in seen and "p 0.031, Holm " in seen
    assert "† marks a difference that does not stand (p > 0.05) once Holm’s correction counts" in seen
    sure = run.page(MANY)
    assert "▲ better" in sure and "better †" not in sure


def test_too_few_patients_for_a_verdict_or_a_badge(run: Run) -> None:
    """Eight patients, each of them for the better: no badge, no count, and the note of narrow intervals."""
    text = run.raw(FEW)
    seen = words(text)
    assert "Too few patients to tell whether sft is better than base: there are 8, a verdict takes 20." in seen
    assert "chip better" not in text and "too few to tell" in seen and "better than base on" not in seen
    assert "Only 8 patients" in seen
    assert "Too few" not in run.page(MANY).replace("“Too few to tell”", "") and "Only" not in run.page(MANY)


def test_normal_patients_do_not_stand_behind_what_is_found(run: Run) -> None:
    """Of 32 patients 8 are abnormal: found and named in all, but F1 rests on 8, as does each of its kind."""
    rare = [image(4 * i if i < 8 else 4 * i + 3) for i in range(32)]
    text = run.raw(rare)
    assert "chip better" not in text and "better than base on none" in words(text)
    assert "Found (F1) (8)" in words(text) and "Found (F1) (8)" not in run.page(MANY)


def test_the_data_cannot_tell_where_the_models_agree(run: Run) -> None:
    seen = run.page(MANY, base=alarmed, sft=alarmed)
    assert "better than base on none and worse on none; on 3 the data cannot tell" in seen and "cannot tell" in seen


def test_sections_compare_the_models_that_the_table_of_measures_compares(run: Run) -> None:
    """Of three models every pair, with p; of four, as there, the second from the first and others from the second."""
    section = re.compile(r'<section id="boxes".*?</section>', re.DOTALL)

    def pairs(**others: Say) -> list[str]:
        found = section.search(run.raw(MANY, others=others))
        assert found and "Holm" in found[0]
        heads = re.findall(r'<th scope="col"[^>]*>(\w+ − \w+)</th>', found[0])
        return list(dict.fromkeys(heads))

    assert pairs(aar=alarmed) == ["sft − base", "aar − base", "aar − sft"]
    assert pairs(aar=alarmed, dpo=seeing) == ["sft − base", "aar − sft"]


def test_few_patients_are_told_by_measure_and_group(run: Run) -> None:
    """Of 32 patients 24 are abnormal and 8 normal; three patients have an MR. All clusters together are many."""
    mixed = [dataclasses.replace(r, modality="MR") if i < 3 else r for i, r in enumerate(MANY)]
    seen = run.page(mixed)
    assert "behind Abnormal or not in the diagnosis (8), Specificity in the diagnosis (8): their intervals" in seen
    assert "Groups of fewer than 20 patients: MR (3), (no finding) (8)." in seen
    assert "Groups of" not in run.page([image(4 * i) for i in range(25)])


def test_a_model_without_a_box_is_told(run: Run) -> None:
    """On normal images alone, F1 is 0 of 1 for a model that gives a box and nothing at all for one that gives none."""
    normal = [image(4 * i + 3) for i in range(21)]
    seen = run.page(normal, base=alarmed, sft=blind)
    said = "–: there is nothing to count"
    assert f"0 % → – sft {said}" in seen.replace("\u202f", " ")
    assert said in seen.partition("All measures")[2]
    assert "No answer of sft holds a box." in seen
    found = run.page(MANY)
    assert "nothing to count" not in found and "No answer of base holds a box." in found
    assert "holds a box" not in run.page(MANY, base=alarmed)
    assert "No answer of base or sft holds a box." in run.page(MANY, sft=blind)


def test_a_table_without_a_row_says_what_there_is_none_of(run: Run) -> None:
    seen = run.page([image(4 * i + 3) for i in range(21)])
    assert "Annotated findings by name" in seen and "No finding is annotated." in seen
    assert "No finding is annotated." not in run.page(MANY)


# --------------------------------------------------------------------------------------------------- whose images


def test_patients_are_known_where_records_know_them(run: Run) -> None:
    """After a new split a patient's images stand under a group: they are a patient's all the same."""
    dealt = [dataclasses.replace(image(i), patient=f"p{i // 2}", group=f"r{i // 2 * 2}") for i in range(48)]
    seen = run.page(dealt)
    assert "of 24 patients" in seen and "bootstrap over 24 patients" in seen
    assert "Patients are not known" not in seen and "Patient or study is known for every image." in seen
    unknown = [*dealt[:-1], dataclasses.replace(dealt[-1], patient=None)]
    seen = run.page(unknown)
    assert "Patients are not known for all images" in seen and "(patients not known for all)" in seen


def test_copies_do_not_make_a_patient_known(run: Run) -> None:
    """Two images that check has joined as copies, of nobody knows whom."""
    joined = [dataclasses.replace(r, patient=None, group="g") if i < 2 else r for i, r in enumerate(MANY)]
    assert "For 2 of 32 images neither patient nor study is known." in run.page(joined)
    assert "neither patient nor study" not in run.page(MANY)


def test_copies_of_two_patients_are_one_group(run: Run) -> None:
    """Both patients are counted, but the bootstrap draws them together."""
    joined = [dataclasses.replace(r, group="g") if i < 2 else r for i, r in enumerate(MANY)]
    seen = run.page(joined)
    assert "of 32 patients" in seen and "bootstrap over 31 groups of images" in seen


def test_splits_that_share_a_patient_a_study_or_a_group(run: Run) -> None:
    """A study's number may be used for many patients: only that of one patient is one study. A group holds across
    data sets."""
    apart = [dataclasses.replace(r, study="1", split="train" if i % 2 else "test") for i, r in enumerate(MANY)]
    assert "No patient, study or group lies in more than one split (64 looked at)" in run.page(apart)
    same = [dataclasses.replace(r, patient="p0") if i < 2 else r for i, r in enumerate(apart)]
    assert "2 of 62 patients, studies or groups lie in more than one split" in run.page(same)
    joined = [dataclasses.replace(r, group="g", source=Source(f"clinic {i}")) for i, r in enumerate(apart[:2])]
    assert "1 of 5 patients, studies or groups" in run.page([*joined])


# ------------------------------------------------------------------------------------------- what a reader must know


@pytest.mark.parametrize(
    ("dataset", "said"), [("synthetic", "Synthetic images."), ("synthetic scans of the clinic", None), ("clinic", None)]
)
def test_drawn_images_are_called_drawn(run: Run, dataset: str, said: str | None) -> None:
    seen = run.page([dataclasses.replace(r, source=Source(dataset)) for r in FEW])
    assert ("made by a program" in seen) == (said is not None) and (said or "") in seen
    some = [dataclasses.replace(r, source=Source(dataset)) if i else r for i, r in enumerate(FEW)]
    assert ("Partly synthetic images" in run.page(some)) == (said is not None)


def test_bound_data_and_training_questions(run: Run) -> None:
    closed = [dataclasses.replace(r, source=Source("closed", access="dua")) for r in FEW]
    assert "may not be passed on: closed" in run.page(closed) and "passed on" not in run.page(FEW)


@pytest.mark.parametrize(("completeness", "counted"), [("partial", 2), ("unknown", 2), ("exhaustive", 0)])
def test_images_of_which_nobody_says_that_all_is_annotated(run: Run, completeness: Completeness, counted: int) -> None:
    """Among those that are shown; an image of the training split is not."""
    records = [dataclasses.replace(r, completeness=completeness) if i < 2 else r for i, r in enumerate(MANY)]
    records += [image(50, split="train", completeness="unknown")]
    seen = run.page(records)
    assert (f"Of {counted} of the images nobody says that every finding is annotated" in seen) == bool(counted)


def issues(folder: Path, *found: dict[str, Any]) -> Path:
    (folder / "check.json").write_text(json.dumps({"issues": found}))
    return folder / "check.json"


def test_what_the_check_found(run: Run) -> None:
    wrong = {"name": "bad_annotation", "severity": "error", "message": "3 findings"}
    noted = {"name": "negative", "severity": "info", "message": "8 images"}
    seen = run.page(FEW, check=issues(run.folder, wrong, noted))
    assert "The check found errors in the data: 3 findings." in seen and "nothing to report" not in seen
    seen = run.page(FEW, check=issues(run.folder, noted))
    assert "found errors" not in seen and "nothing to report" not in seen
    assert "The check found nothing to report." in run.page(FEW, check=issues(run.folder))


def test_a_check_of_another_form_is_not_read_as_nothing_found(run: Run) -> None:
    (run.folder / "check.json").write_text('{"findings": 3}')
    with pytest.raises(ValueError, match=r"check\.json: it has no issues"):
        run.page(FEW, check=run.folder / "check.json")


def test_rejected_rows(run: Run) -> None:
    (run.folder / "rejected.jsonl").write_text("")
    assert "No row was rejected." in run.page(FEW, rejected=run.folder / "rejected.jsonl")
    (run.folder / "rejected.jsonl").write_text('{"file": "a.xml", "row": 1, "reason": "no box"}\n')
    seen = run.page(FEW, rejected=run.folder / "rejected.jsonl")
    assert "1 row was set aside" in seen and "No row was" not in seen


def test_attention_of_one_patient_has_no_interval(run: Run) -> None:
    """0.4 where 0.1 would be even is 4 times; with five more patients of 0.2 where 0.2 would be it is 1.4 / 1.1 = 1.27.
    A resample holds the first one never (in a third, 1.00) to three times (from 0.94 to 0.99, 1.8 / 0.9 = 2.00)."""
    maps = [
        AttentionRow(f"d{i}", f"r{i}", f"p{i}", "sft", s, e, ((1.0,),))
        for i, (s, e) in enumerate([(0.4, 0.1), *[(0.2, 0.2)] * 5])
    ]
    write_jsonl(run.folder / "attention.jsonl", maps[:1])
    seen = run.page(FEW, attention={"sft": run.folder / "attention.jsonl"})
    assert "4.00 1" in seen and "[4.00, 4.00]" not in seen
    write_jsonl(run.folder / "attention.jsonl", maps)
    assert "1.27 [1.00, 2.00]" in run.page(FEW, attention={"sft": run.folder / "attention.jsonl"})


# ------------------------------------------------------------------------------------------------- for every reader


def test_headings_tables_and_pictures_are_told_to_those_who_do_not_see_them(run: Run) -> None:
    """One h1, no level left out, every heading cell with its direction, every table with a caption, every drawing with
    a name or hidden."""
    text = run.raw(MANY)
    levels = [int(level) for level in re.findall(r"<h(\d)\b", text)]
    assert levels[0] == 1 and levels.count(1) == 1 and len(levels) > 12
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    tags = Tags(text).found
    cells = [attributes for tag, attributes in tags if tag == "th"]
    assert len(cells) > 50 and all(cell.get("scope") in ("col", "row", "rowgroup") for cell in cells)
    assert text.count("<table") == text.count("<caption") > 5
    drawn = [attributes for tag, attributes in tags if tag == "svg"]
    assert drawn and all(one.get("aria-hidden") == "true" or one.get("aria-label") for one in drawn)
    links = {(a.get("href") or "").removeprefix("#") for tag, a in tags if tag == "a"}
    assert len(links) > 8 and links <= {a.get("id") for _, a in tags}, "every link of the contents leads somewhere"
