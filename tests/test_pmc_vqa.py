"""PMC-VQA's two versions: letters before the options, the answer as text or as a letter, a misspelt column."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helpers.annotated import run
from tests.helpers.sets import pmc_vqa
from unveil.core.records import Question
from unveil.ingest.reading import IngestError


def asked(n: int) -> Question:
    text = f"What is shown in {n}?"
    return Question(text, "Focal", "closed", None, ("Diffuse", "Focal", "None", "Both"), "en")


def test_letters_are_taken_off_and_the_answer_is_text(tmp_path: Path) -> None:
    """Figures lie in figures/ and in images/; the question of test_clean.csv is in test.csv too, and counts once."""
    pmc_vqa.write(tmp_path / "data")
    summary, records, rejected = run(tmp_path, "auto")
    assert summary.format == "pmc-vqa" and rejected == []
    assert [(r.questions, r.split) for r in records] == [
        ((asked(n),), "train" if n < 5 else "test") for n in range(1, 7)
    ]
    assert any("language model" in note for note in summary.notes)


@pytest.mark.parametrize("column", ["Answer", "Anwser"])
def test_the_second_version_names_the_answer_by_its_letter(column: str, tmp_path: Path) -> None:
    """Under the misspelt name of early files too; the caption is no report."""
    pmc_vqa.write_second(tmp_path / "data", column)
    _, records, rejected = run(tmp_path, "auto")
    assert [(r.questions, r.split) for r in records] == [
        ((asked(n),), "train" if n < 5 else "test") for n in range(1, 7)
    ]
    assert rejected == [] and (records[0].report, records[0].sections) == (None, {"caption": "Caption, of 1"})


def test_a_figure_is_looked_for_in_figures_first_and_has_no_patient(tmp_path: Path) -> None:
    """Both folders may hold one of the same name. An article's figure tells nobody's patient."""
    pmc_vqa.write(tmp_path / "data")
    (tmp_path / "data/images" / pmc_vqa.name(1)).write_bytes((tmp_path / "data/images" / pmc_vqa.name(2)).read_bytes())
    _, records, rejected = run(tmp_path, "auto")
    assert records[0].source.file == f"figures/{pmc_vqa.name(1)}" and rejected == []
    assert {r.patient for r in records} == {None}


def test_a_text_that_its_letter_denies_is_rejected(tmp_path: Path) -> None:
    pmc_vqa.write(tmp_path / "data")
    file = tmp_path / "data/train.csv"
    lines = file.read_text().splitlines()
    file.write_text("\n".join([*lines[:2], lines[2].replace(",B", ",D"), lines[3].replace("Focal,A", "Fuzzy,A"), ""]))
    _, _, rejected = run(tmp_path, "auto")
    assert [item["row"] for item in rejected] == [3, 4]
    assert "letter D is not that of its text 'Focal'" in rejected[0]["reason"]
    assert "'Fuzzy' is none of its choices" in rejected[1]["reason"]


@pytest.mark.parametrize("letter", ["BC", "E"])
def test_two_letters_are_none(letter: str, tmp_path: Path) -> None:
    pmc_vqa.write_second(tmp_path / "data", "Answer")
    file = tmp_path / "data/train_2.csv"
    file.write_text(file.read_text().replace(",B,train", f",{letter},train", 1))
    rejected = run(tmp_path, "auto")[2]
    assert [item["reason"] for item in rejected] == [f"the answer's letter is A, B, C or D, not '{letter}'"]


def test_both_versions_in_one_folder_are_asked_about(tmp_path: Path) -> None:
    pmc_vqa.write(tmp_path / "data")
    pmc_vqa.write_second(tmp_path / "data")
    with pytest.raises(IngestError, match=r"both versions are here .* --annotations \*_2.csv"):
        run(tmp_path, "auto")
    assert len(run(tmp_path, "auto", annotations="*_2.csv")[1]) == 6


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    pmc_vqa.write(tmp_path / "data")
    file = tmp_path / "data/train.csv"
    file.write_text(file.read_text().replace("Choice C", "Choice_C"))
    with pytest.raises(IngestError, match=r"train.csv: the columns Choice C are missing.*Choice_C instead"):
        run(tmp_path, "auto")
