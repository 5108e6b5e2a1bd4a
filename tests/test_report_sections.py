"""Reports by section and sentences that speak of an earlier study: texts written here, by hand."""

from __future__ import annotations

import pytest

from unveil.core.records import Record
from unveil.core.report_sections import description, refers_to_prior, sections, sentences

REPORT = """                                 FINAL REPORT
 EXAMINATION:  CHEST (PA AND LAT)

 INDICATION:  ___ year old woman with cough.  // pneumonia?

 COMPARISON:  ___.

 FINDINGS:

 Heart size is normal.
 Findings: are those of a normal chest.

 IMPRESSION:

 No acute process.
"""


def test_a_report_as_it_is_published() -> None:
    """The last section of a name counts, though its heading stands within a text; "FINAL REPORT" is none."""
    assert sections(REPORT) == {
        "examination": "CHEST (PA AND LAT)",
        "indication": "___ year old woman with cough.  // pneumonia?",
        "comparison": "___.",
        "findings": "are those of a normal chest.",
        "impression": "No acute process.",
    }


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", {}),
        ("Normal chest.", {}),
        ("Impression\nis normal", {}),  # a word, no heading
        ("IMPRESSION\nnormal", {"impression": "normal"}),
        ("FINDINGS: a\nIMPRESSION: b\nFINDINGS: c", {"findings": "c", "impression": "b"}),
        ("Reason for exam:  cough\nFINDINGS:\n", {"indication": "cough"}),
        ("CLINICAL   HISTORY: x\nCONCLUSION: y", {"indication": "x", "impression": "y"}),
        ("The findings: none", {}),
    ],
)
def test_headings(text: str, found: dict[str, str]) -> None:
    assert sections(text) == found


def test_what_describes_an_image() -> None:
    """Findings and impression, never the indication; all of the text where neither is known, so that none is lost."""

    def of(report: str | None, **own: str) -> str:
        return description(Record("a", "a.png", 9, 9, report=report, sections=own))

    assert of("INDICATION: cough\nFINDINGS: clear\nIMPRESSION: normal") == "clear\nnormal"
    assert of("whatever", impression="normal", indication="cough") == "normal"
    assert of("INDICATION: cough, and a normal chest.") == "INDICATION: cough, and a normal chest."
    assert of(None, indication="cough") == "cough" and of(None) == ""


@pytest.mark.parametrize(
    "sentence",
    [
        *(
            "Unchanged cardiomegaly.",
            "As compared to the previous radiograph, the nodule is larger.",
            "New left effusion.",
        ),
        *("Interval placement of a tube.", "Again seen is a nodule.", "No interval change.", "Stable appearance."),
        *(
            "The effusion has increased.",
            "There is no significant change.",
            "The tube remains in place.",
            "Still enlarged.",
        ),
    ],
)
def test_sentences_that_speak_of_an_earlier_study(sentence: str) -> None:
    assert refers_to_prior(sentence)


@pytest.mark.parametrize(
    "sentence",
    [
        *("The lungs are clear.", "A nodule in the right upper lobe.", "No prior studies available for comparison."),
        *(
            "No comparison study.",
            "Without previous radiographs for comparison, a nodule is seen.",
            "Renewed view.",
            "",
        ),
    ],
)
def test_sentences_about_this_image_only(sentence: str) -> None:
    assert not refers_to_prior(sentence)


def test_sentences() -> None:
    assert sentences("1. A nodule of 3.5 cm.  It is new.\n\nNo effusion") == [
        "1. A nodule of 3.5 cm.",
        "It is new.",
        "No effusion",
    ]
