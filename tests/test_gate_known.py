"""What records are known by, in texts."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest

from unveil.core.records import Finding, Record, Source
from unveil.gate.finding import find
from unveil.gate.known import OTHERS, OWN, Known
from unveil.gate.plain import plain


def record(**fields: Any) -> Record:
    base: dict[str, Any] = {"id": "set/r-0001", "image": "r-0001.png", "width": 9, "height": 9}
    return Record(**base | fields)


def found(text: str, *records: Record, whose: Record | None = None) -> list[tuple[str, str]]:
    places = Known.of(records).find(searched := plain(text), whose or records[0])
    return [(searched.text[start:end], kind) for start, end, kind, _ in places]


@pytest.mark.parametrize(
    ("fields", "text", "place"),
    [
        ({"patient": "PAT_7731"}, "as pat-7731 had", "pat-7731"),
        ({"patient": "PAT_7731"}, "as PAT 7731 had", "PAT 7731"),
        ({"patient": "PAT-7731"}, "as pat7731 had", "pat7731"),
        ({"patient": "K7Q"}, "scan of k7q here", "k7q"),
        ({"patient": "ROE^JANE"}, "Jane Roe was", "Jane"),
        ({"patient": "ROE^JANE"}, "the lung of roe", "roe"),
        ({"patient": "LE^VY"}, "of LE VY", "LE VY"),
        ({"patient": "Zoë^Ö"}, "ZOE was", "ZOE"),
        ({"patient": "P0088123"}, "is 0088123 better", "0088123"),
        ({"study": "ST.88/12"}, "in st 88 12", "st 88 12"),
        ({"id": "drawn/scan-0042"}, "scan 0042 shows", "scan 0042"),
        ({"image": "in/oyelaran_ct.png"}, "Oyelaran was", "Oyelaran"),
        ({"image": "oyelaran/1.png"}, "for oyelaran", "oyelaran"),
        ({"image": "a9981.png", "source": Source("x", file="oyelaran.dcm")}, "a9981 shows", "a9981"),
        ({"image": "a9981.png", "source": Source("x", file="oyelaran.dcm")}, "Oyelaran", "Oyelaran"),
        ({"patient": "7"}, "in patient 7 the", "7"),
        ({"patient": "1024"}, "case no. 1024", "1024"),
        ({"patient": "lung"}, "patient: lung", "lung"),
    ],
)
def test_a_record_is_found_however_it_is_written(fields: dict[str, Any], text: str, place: str) -> None:
    assert (place, OWN) in found(text, record(**fields))


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"patient": "1024"}, "The image is 1024 pixels wide."),
        ({"patient": "7"}, "7 mm, series 7"),
        ({"patient": "lung"}, "Is the lung clear?"),
        ({"image": "effusion.png"}, "There is an effusion."),
        ({"id": "effusion"}, "There is an effusion."),
        ({"patient": "p1"}, "T2 and P1 waves"),
        ({"patient": "T12"}, "fracture of T12"),
        ({"image": "chest/train/image.png"}, "A chest image."),
        ({"patient": "ROE^JANE"}, "Heroes and janes"),
        ({"findings": (Finding("oddoma"),), "image": "oddoma.png"}, "an oddoma of 3 mm"),
    ],
)
def test_words_of_medicine_and_short_numbers_do_not_stop_a_text(fields: dict[str, Any], text: str) -> None:
    assert not found(text, record(**fields))


def test_others_of_the_file_are_found_and_told_apart() -> None:
    mine, other = record(patient="PAT-1001"), record(id="set/r-2", image="r-2.png", patient="PAT-1002")
    assert found("PAT 1002 and pat1001", mine, other) == [("PAT 1002", OTHERS), ("pat1001", OWN)]
    assert [place.kind for place in find("as PAT-1001", record=mine)] == [OWN], "without a file, its own record counts"
    assert [place.kind for place in find("as PAT-1001", Known.of([other]), mine)] == [OWN], (
        "or beside a file it is not of"
    )


def test_words_that_many_patients_share_are_a_scheme() -> None:
    """Four patients in the folder "northwing": it names none of them; "oyelaran" is one's."""
    many = [record(id=f"s/{n}", image=f"northwing/{n}.png", patient=f"PA{n}001") for n in range(4)]
    one = replace(many[0], image="northwing/oyelaran.png")
    assert not found("the northwing", *many)
    assert found("oyelaran", one, *many) == [("oyelaran", OWN)]


def test_a_hundred_thousand_records_take_no_longer_for_a_text() -> None:
    """The number of words that are looked up does not depend on the records; time is bounded very loosely."""
    records = [record(id=f"s/r{n}", image=f"{n % 97}/r{n}.png", patient=f"PAT{n:06}") for n in range(100_000)]
    known = Known.of(records)
    text = plain("The heart is of normal size, PAT 099999 and all. " * 800)
    began = time.process_time()
    assert len(list(known.find(text, records[0]))) == 800
    assert time.process_time() - began < 3
