"""From pixels to millimetres of the patient and back."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from unveil.core.image_plane import PlaneError, corners, in_image, in_patient
from unveil.core.records import ImagePlane

#: Rows are 2 mm apart, columns 0.5 mm; columns are counted towards the left, rows towards the feet: a coronal picture.
CORONAL = ImagePlane(spacing=(2.0, 0.5), origin=(10.0, 20.0, 30.0), across=(1.0, 0.0, 0.0), down=(0.0, 0.0, -1.0))


def test_the_middle_of_the_first_pixel_is_the_origin() -> None:
    assert in_patient(CORONAL, 0.5, 0.5) == (10, 20, 30)


def test_a_point_by_hand() -> None:
    """x = 4.5 is 4 columns on: 2 mm to the left; y = 3.5 is 3 rows on: 6 mm down."""
    assert in_patient(CORONAL, 4.5, 3.5) == (12, 20, 24)
    assert in_image(CORONAL, (12.0, 20.0, 24.0)) == (4.5, 3.5, 0)


def test_across_times_down_tells_the_side_of_the_plane() -> None:
    """left x feet: (1, 0, 0) x (0, 0, -1) = (0, 1, 0), the back; 5 mm behind the plane."""
    assert in_image(CORONAL, (10.0, 25.0, 30.0)) == (0.5, 0.5, 5)


def test_corners_of_the_first_pixel() -> None:
    """Half a column is 0.25 mm, half a row 1 mm; from the left top one as the image shows them."""
    assert corners(CORONAL, (0.0, 0.0, 1.0, 1.0)) == (
        (9.75, 20, 31), (10.25, 20, 31), (10.25, 20, 29), (9.75, 20, 29),
    )  # fmt: skip


def test_a_tilted_plane_there_and_back() -> None:
    """Turned by 30 degrees about the axis from the feet to the head."""
    c, s = math.cos(math.pi / 6), math.sin(math.pi / 6)
    tilted = replace(CORONAL, across=(c, s, 0.0), down=(0.0, 0.0, -1.0))
    assert in_patient(tilted, 2.5, 0.5) == pytest.approx((10 + c, 20 + s, 30))
    assert in_image(tilted, in_patient(tilted, 7.25, 3.75)) == pytest.approx((7.25, 3.75, 0), abs=1e-12)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"origin": None, "down": None}, "no origin, no down"),
        ({"spacing": (0.0, 1.0)}, "not two lengths"),
        ({"across": (2.0, 0.0, 0.0)}, "not two unit vectors at right angles"),
        ({"down": (1.0, 0.0, 0.0)}, "not two unit vectors at right angles"),
    ],
)
def test_a_plane_that_is_none(more: dict, said: str) -> None:
    with pytest.raises(PlaneError, match=said):
        in_patient(replace(CORONAL, **more), 0, 0)
