"""Outlines of other programs: rectangles and ellipses that are turned."""

from __future__ import annotations

import pytest

from unveil.core import geometry
from unveil.ingest import outlines
from unveil.ingest.reading import AnnotationError


def test_a_rectangle_turns_clockwise_about_a_point() -> None:
    """(10, 10)-(14, 12) about its first corner by 90 degrees: what was to the right is now below."""
    corners = geometry.turned((10, 10, 14, 12), 90, (10, 10))
    assert corners == pytest.approx([10, 10, 10, 14, 8, 14, 8, 10])
    assert geometry.turned((10, 10, 14, 12), 360, (0, 0)) == [10, 10, 14, 10, 14, 12, 10, 12]


def test_an_ellipse_reaches_as_far_as_its_radii() -> None:
    """Turned by 30 degrees, it reaches sqrt((6 cos 30)^2 + (2 sin 30)^2) to each side."""
    upright, turned = geometry.ellipse(20, 10, 6, 2), geometry.ellipse(20, 10, 6, 2, 30)
    assert (min(upright[::2]), max(upright[::2])) == pytest.approx((14, 26))
    assert (min(upright[1::2]), max(upright[1::2])) == pytest.approx((8, 12))
    assert max(turned[::2]) - 20 == pytest.approx((27 + 1) ** 0.5, abs=0.01)
    with pytest.raises(AnnotationError, match="radii above 0"):
        outlines.ellipse(1, 1, 0, 2)
