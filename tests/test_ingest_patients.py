"""Patients that only file names may tell."""

from __future__ import annotations

import pytest

from unveil.ingest.patients import suggestion

NAME, FOLDER = r"'([^/_-]*[0-9][^/_-]*)[_-][^/]*$'", "'^([^/]*[0-9][^/]*)/'"


def told(number: int, one: str, file: str, pattern: str) -> str:
    return (
        f"no image has a patient, and names look as if {number} patients stood in them, such as {one} in {file}: "
        f"--patient-pattern {pattern} would take them"
    )


@pytest.mark.parametrize(
    "files, expected",
    [
        (["P0-00000-0.png", "P0-00000-1.png", "P1-00000-0.png", "P1-00001-0.png"], (2, "P0", NAME)),
        (["01_000.png", "01_001.png", "02_000.png", "03_000.png"], (3, "01", NAME)),
        (["p10/a.png", "p10/b.png", "p11/a.png", "p11/b.png"], (2, "p10", FOLDER)),
    ],
)
def test_names_that_several_images_share_are_told(files: list[str], expected: tuple[int, str, str]) -> None:
    number, one, pattern = expected
    assert suggestion(files) == told(number, one, files[0], pattern)


@pytest.mark.parametrize(
    "files",
    [
        [],
        ["a.png"],
        ["CHNCXR_0001_0.png", "CHNCXR_0002_0.png"],  # no number before the first sign
        ["1_0.png", "2_0.png", "3_0.png"],  # an image each
        ["1_0.png", "1_1.png", "1_2.png", "2_0.png"],  # one for most of them: the number of a set
        ["1_0.png", "1_1.png", "2_0.png", "x.png"],  # one without
    ],
)
def test_names_that_tell_no_patient(files: list[str]) -> None:
    assert suggestion(files) is None
