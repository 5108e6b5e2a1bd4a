"""The csv reader: phrases, reports by section, options to choose from and languages, by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helpers.tables import draw, read, write


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """a.png and b.png of 60 x 40 pixels."""
    for seed, name in enumerate("ab"):
        draw(tmp_path / "data" / f"{name}.png", seed)
    return tmp_path / "data"


def test_phrases_with_their_places(data: Path) -> None:
    """Two sentences at one place are two findings; their language is the image's."""
    head = "image,label,phrase,language,x1,y1,x2,y2\n"
    found = read(
        write(data, head + "a,mass,A large mass.,EN,1,2,30,38\na,mass,New mass.,en,1,2,30,38\nb,No finding,,,,,,\n")
    )
    one = found.records["a.png"]
    assert [(f.phrase, f.box) for f in one.findings] == [(p, (1, 2, 30, 38)) for p in ("A large mass.", "New mass.")]
    assert one.language == "en" and found.completeness()["b.png"] == "exhaustive"


def test_a_phrase_alone_says_that_something_is_there(data: Path) -> None:
    """Formerly a row without label and box said that there is nothing. It needs a name, as a box does."""
    write(data, "image,label,phrase\na,,A mass.\nb,,\n")
    found = read(data)
    assert [bad["reason"] for bad in found.rejected] == ["a phrase without a label; --default-label gives it one"]
    assert found.completeness()["a.png"] == "partial" and found.completeness()["b.png"] == "exhaustive"
    named = read(data, default_label="finding")
    assert [(f.label, f.phrase) for f in named.records["a.png"].findings] == [("finding", "A mass.")]


def test_reports_by_section(data: Path) -> None:
    """Columns of their own, as Indiana's reports are published; else the headings of the report."""
    found = read(write(data, "image,label,findings,impression\na,x,Clear lungs.,None\nb,y,,Normal.\n"))
    assert found.records["a.png"].sections == {"findings": "Clear lungs.", "impression": "None"}
    assert found.records["b.png"].sections == {"impression": "Normal."}
    found = read(write(data, 'image,label,report\na,x,"INDICATION: cough\nFINDINGS: clear"\nb,y,clear\n'))
    assert found.records["a.png"].sections == {"indication": "cough", "findings": "clear"}
    assert found.records["b.png"].sections == {} and found.records["b.png"].report == "clear"


def test_options_and_languages_of_questions(data: Path) -> None:
    rows = [
        "image,question,answer,choices,language",
        "a,Which?,none,mass|None|cyst,en",
        """a,Cual?,masa,"['masa', 'quiste']",ES""",
        "b,Why?,because,,",
    ]
    found = read(write(data, "\n".join(rows) + "\n"))
    asked = [(q.choices, q.language) for q in found.records["a.png"].questions]
    assert asked == [(("mass", "None", "cyst"), "en"), (("masa", "quiste"), "es")]
    assert found.records["a.png"].language is None, "questions in two languages are no language of the image"
    assert [(q.choices, q.language) for q in found.records["b.png"].questions] == [((), None)]


def test_the_answer_is_one_of_the_options(data: Path) -> None:
    """Named by its text or its letter, which is not a part of it; what is none of them is no answer."""
    rows = ["image,question,answer,choices", "a,Which?,B,A: mass|B: cyst", "a,What?,b. cyst,mass|cyst", "b,Who?,x,p|q"]
    found = read(write(data, "\n".join(rows) + "\n"), allow_rejected=0.5)
    asked = [(q.answer, q.choices, q.kind) for q in found.records["a.png"].questions]
    assert asked == 2 * [("cyst", ("mass", "cyst"), "closed")] and found.records["b.png"].questions == ()
    assert [bad["reason"] for bad in found.rejected] == ["the answer 'x' is none of its choices: p, q"]
