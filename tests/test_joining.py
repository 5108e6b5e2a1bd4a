"""One image in several places: phrases, readers, sections and languages of all of them, by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from unveil.core.records import Finding, Record
from unveil.ingest.joining import joined
from unveil.ingest.reading import AnnotationError
from unveil.ingest.rejections import overlapping, without_repeats

A = (0.0, 0.0, 10.0, 10.0)
NODULE = Finding("nodule", A, phrase="A nodule.", readers=("r1",))
ONE = Record("a", "a.png", 20, 20, findings=(NODULE,), readers=("r1",), language="en", sections={"findings": "x"})


def test_two_phrases_at_one_place_are_two() -> None:
    """And the sections and readers of both are the image's."""
    other = replace(
        ONE, findings=(NODULE, replace(NODULE, phrase="New.")), readers=("r2",), sections={"impression": "y"}
    )
    (whole,) = joined([ONE, other])
    assert [f.phrase for f in whole.findings] == ["A nodule.", "New."]
    assert whole.readers == ("r1", "r2") and whole.sections == {"findings": "x", "impression": "y"}
    assert not overlapping(whole.findings) and overlapping((NODULE, replace(NODULE, box=(0.0, 0.0, 10.0, 9.9))))


@pytest.mark.parametrize("said", [{"sections": {"findings": "z"}}, {"language": "es"}])
def test_places_that_disagree(said: dict) -> None:
    with pytest.raises(AnnotationError, match=r"disagree on its (report \(findings\)|language)"):
        joined([ONE, replace(ONE, **said)])


def test_what_two_readers_marked_alike_is_one_of_both() -> None:
    again = replace(NODULE, readers=("r2",))
    assert without_repeats([NODULE, again, NODULE]) == (replace(NODULE, readers=("r1", "r2")),)
    assert len(without_repeats([NODULE, replace(NODULE, phrase="New.")])) == 2
