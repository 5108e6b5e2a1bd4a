"""Boxes, masks and matching, with the arithmetic by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.optimize import linear_sum_assignment

from unveil.core import geometry
from unveil.core.geometry import Box, BoxError, ious, match, mean_iou

settings.register_profile("calm", deadline=None)  # a busy machine is no failure
settings.load_profile("calm")

coordinate = st.floats(-50, 1000, allow_nan=False)
boxes = st.lists(st.tuples(coordinate, coordinate, coordinate, coordinate), max_size=5)


def test_iou_by_hand():
    """(0,0,2,2) and (1,1,3,3) share 1 of 4 + 4 - 1 = 7 pixels; half-open, so (2,0,4,2) touches and shares none."""
    values = ious([(0, 0, 2, 2)], [(1, 1, 3, 3), (2, 0, 4, 2), (0, 0, 2, 2)])
    assert values.tolist() == [[1 / 7, 0.0, 1.0]]


@given(boxes, boxes)
def test_iou_is_always_between_0_and_1(predicted, true):
    """Inverted boxes, boxes outside, boxes without area: never negative, never above 1, never NaN."""
    values = ious(predicted, true)
    assert values.shape == (len(predicted), len(true))
    assert ((values >= 0) & (values <= 1)).all()
    assert 0 <= mean_iou(predicted, true) <= 1


def test_inverted_box_scores_nothing():
    """Read as sides -10 and -10 its area would be +100; it has none."""
    assert geometry.area((10, 10, 0, 0)) == 0
    assert ious([(10, 10, 0, 0)], [(0, 0, 10, 10)]).item() == 0


def test_matching_is_one_to_one_and_best_in_sum():
    """p0 overlaps t0 (1) and t1 (1/3), p1 only t0 (1/3): p0-t0 sums to 1, p0-t1 and p1-t0 only to 2/3."""
    p0, p1, t1 = (0, 0, 2, 1), (-1, 0, 1, 1), (1, 0, 3, 1)
    assert match([p0, p1], [p0, t1]) == [(0, 0, 1.0)]
    assert mean_iou([p0, p1], [p0, t1]) == 0.5


def test_names_decide_between_findings_in_one_place():
    """Two findings share a box: either pairing has IoU 2, the one whose names agree is taken; IoU goes first."""
    box, other = (0, 0, 4, 4), (0, 0, 4, 3)
    assert match([box, box], [box, box], [[False, True], [True, False]]) == [(0, 1, 1.0), (1, 0, 1.0)]
    assert match([box, other], [box, other], [[False, True], [True, False]]) == [(0, 0, 1.0), (1, 1, 1.0)]


def test_mean_iou_charges_surplus_and_missing_boxes():
    box = (0, 0, 10, 10)
    assert mean_iou([box], [box]) == 1
    assert mean_iou([box, (20, 20, 30, 30)], [box]) == 0.5
    assert mean_iou([box], [box, (20, 20, 30, 30)]) == 0.5
    assert mean_iou([], [box]) == mean_iou([box], []) == 0
    assert mean_iou([], []) == 1


def test_giou_by_hand() -> None:
    """Two boxes of 10 x 10 side by side touch: the hull is their union, 0. With a gap of 10 the hull is 300, of which
    200 are filled: 0 - 100 / 300. Half over each other: IoU 1/3, hull 150 = union. A box without area is nowhere."""
    box = (0.0, 0.0, 10.0, 10.0)
    true = [box, (10.0, 0.0, 20.0, 10.0), (20.0, 0.0, 30.0, 10.0), (5.0, 0.0, 15.0, 10.0)]
    assert geometry.gious([box], true)[0].tolist() == pytest.approx([1, 0, -1 / 3, 1 / 3])
    assert geometry.gious([(3.0, 3.0, 3.0, 3.0)], [(3.0, 3.0, 3.0, 3.0)])[0, 0] == -1
    assert geometry.gious([], true).shape == (0, 4)


@given(boxes, boxes)
def test_giou_is_between_minus_1_and_the_iou(predicted, true) -> None:
    values = geometry.gious(predicted, true)
    assert ((values >= -1) & (values <= ious(predicted, true) + 1e-12)).all()


def test_mean_giou_grades_boxes_that_do_not_touch() -> None:
    """(1 - 1/3) / 2 = 1/3 at a gap of 10, less further away; a missing and a surplus box count 0."""
    box = (0.0, 0.0, 10.0, 10.0)
    assert geometry.mean_giou([(20.0, 0.0, 30.0, 10.0)], [box]) == pytest.approx(1 / 3)
    assert geometry.mean_giou([(50.0, 0.0, 60.0, 10.0)], [box]) < 1 / 3
    assert geometry.mean_giou([box], [box, (50.0, 50.0, 60.0, 60.0)]) == 0.5
    assert (geometry.mean_giou([], [box]), geometry.mean_giou([], [])) == (0, 1)


def test_xywh_is_not_xyxy():
    """The MS-CXR fault: 30 wide, 40 high at (10, 20) ends at (40, 60); read as xyxy it is 20 x 20 = 400, IoU 1/3."""
    assert geometry.from_xywh(10, 20, 30, 40) == (10, 20, 40, 60)
    assert ious([(10, 20, 30, 40)], [geometry.from_xywh(10, 20, 30, 40)]).item() == pytest.approx(400 / 1200)
    assert geometry.from_centre(25, 40, 30, 40) == (10, 20, 40, 60)


@pytest.mark.parametrize(
    ("box", "why"),
    [
        ((5, 5, 5, 9), "zero-area"),
        ((9, 5, 5, 9), "inverted"),
        ((0, 0, 12, 5), "outside"),
        ((-2, 0, 5, 5), "outside"),
        ((0, 0, float("nan"), 5), "finite"),
        ((0, 0, 5), "four"),
        ((10, 0, 10.5, 5), "no area inside"),
    ],
)
def test_unusable_annotations_are_refused(box, why):
    with pytest.raises(BoxError, match=why):
        geometry.checked(box, 10, 10)


def test_rounding_over_the_edge_is_clipped():
    assert geometry.checked((-1, 0, 10.5, 5), 10, 10) == (0, 0, 10, 5)


def test_frames():
    """A stretch to half the width and double the height; a mirror; a shift by the padding."""
    assert geometry.scale((2, 3, 4, 5), (10, 10), (5, 20)) == (1, 6, 2, 10)
    assert geometry.mirror((2, 3, 4, 5), 10) == (6, 3, 8, 5)
    assert geometry.shift((2, 3, 4, 5), 1, -1) == (3, 2, 5, 4)
    assert geometry.clip((-1, 3, 14, 5), 10, 4) == (0, 3, 10, 4)


@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 2**32 - 1))
def test_masks_round_trip(height, width, seed):
    mask_HW = np.random.default_rng(seed).random((height, width)) < 0.5
    code = geometry.encode_mask(mask_HW)
    assert code["size"] == [height, width]
    assert (geometry.decode_mask(code) == mask_HW).all()


def test_mask_from_counts_polygon_and_back_to_a_box():
    """Counts run down the columns: 2 off, 1 on, 1 off in 2 x 2 light row 0 of column 1. An empty mask has no box."""
    assert geometry.decode_mask({"size": [2, 2], "counts": [2, 1, 1]}).tolist() == [[False, True], [False, False]]
    square = geometry.decode_mask(geometry.mask_from_polygons([[1, 1, 3, 1, 3, 4, 1, 4]], 6, 5))
    assert square.sum() == 6 and geometry.box_of_mask(square) == (1, 1, 3, 4)
    with pytest.raises(BoxError, match="empty mask"):
        geometry.box_of_mask(np.zeros((2, 2), bool))


@given(mask_HW=hnp.arrays(bool, (7, 50)))
def test_run_lengths(mask_HW):
    """Compressed by pycocotools, taken apart by ours: runs by columns, from the first empty one."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask_HW.T.ravel()]).astype(int)))
    expected = np.diff(np.concatenate([[0], edges, [mask_HW.size]])).tolist()
    code = geometry.encode_mask(mask_HW)
    assert geometry.run_lengths(code["counts"]) == expected
    decoded_HW, compressed = geometry.checked_mask(code, 50, 7)
    assert (decoded_HW == mask_HW).all() and compressed == code


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ({}, "needs a size"),
        ({"size": [2], "counts": "04"}, "needs a size"),
        ({"size": [2, 2.0], "counts": "04"}, "needs a size"),
        ({"size": [-2, -2], "counts": [4]}, "needs a size"),
        ({"size": [9**9, 9**9], "counts": [9**18]}, "larger than any image"),
        ({"size": [2, 2]}, "not whole numbers from 0 to 4"),
        ({"size": [2, 2], "counts": [2, 1]}, "add up to 3, not 4"),
        ({"size": [2, 2], "counts": [True, 3]}, "not whole numbers"),
        ({"size": [2, 2], "counts": [-1, 5]}, "not whole numbers"),
        ({"size": [2, 2], "counts": [10**4000]}, "not whole numbers"),
        ({"size": [2, 2], "counts": "3"}, "add up to 3, not 4"),
        ({"size": [2, 2], "counts": "é"}, "character 'é'"),
        ({"size": [2, 2], "counts": "4o"}, "end in the middle"),
        ({"size": [2, 2], "counts": "o" * 20}, "longer than any image"),
    ],
)
def test_what_is_no_mask(code, reason):
    """pycocotools takes most of these, and reads or leaves memory that nobody wrote."""
    with pytest.raises(geometry.MaskError, match=reason):
        geometry.decode_mask(code)


def test_covered_shares():
    """Four cells of 2 x 2 pixels. (0,0,2,4) covers the left two whole, (0,0,1,2) half of the first. Two boxes that
    overlap count once: (0,0,1,2) and (0.5,0,1.5,1) cover 2 + 0.5 of the first cell's 4 pixels."""
    cells = np.array([[0, 0, 2, 2], [2, 0, 4, 2], [0, 2, 2, 4], [2, 2, 4, 4]], float)
    assert geometry.covered(cells, [(0, 0, 2, 4)]).tolist() == [1, 0, 1, 0]
    assert geometry.covered(cells, [(0, 0, 1, 2)]).tolist() == [0.5, 0, 0, 0]
    assert geometry.covered(cells, [(0, 0, 1, 2), (0.5, 0, 1.5, 1)]).tolist() == [0.625, 0, 0, 0]
    assert geometry.covered(cells, [(0, 0, 2, 2), (2, 2, 4, 4)]).tolist() == [1, 0, 0, 1]
    assert geometry.covered(cells, []).tolist() == [0, 0, 0, 0]


def test_attention_inside_boxes_by_hand() -> None:
    """Four patches of 1 x 1 with shares 0.4, 0.3, 0.2, 0.1. The box covers the first and half of the second: 0.4 + 0.15
    of the attention, on 1.5 / 4 of the area. A token of no place takes no part in either."""
    places = np.array([[0, 0, 1, 1], [1, 0, 2, 1], [0, 1, 1, 2], [1, 1, 2, 2]], float)
    shares = np.array([0.4, 0.3, 0.2, 0.1])
    assert geometry.attended(shares, places, [(0, 0, 1.5, 1)]) == pytest.approx((0.55, 0.375))
    more = np.concatenate([places, np.full((1, 4), np.nan)])
    assert geometry.attended(np.append(shares, 0), more, [(0, 0, 1.5, 1)]) == pytest.approx((0.55, 0.375))


def drawn(rng, number: int) -> list[Box]:
    """Boxes of thirds of pixels, of which some are inverted."""
    corners = rng.integers(0, 27, (number, 4)) / 3
    return [(x1, y1, x2, y2) for x1, y1, x2, y2 in corners.tolist()]


def test_few_boxes_are_compared_as_many_are(monkeypatch):
    """The same numbers to the last bit, and the same pairs, without numpy's and scipy's calls; inverted boxes too."""
    rng = np.random.default_rng(0)
    for n, m in [(1, 1), (1, 4), (4, 1), (3, 5), (0, 2), (2, 0)] * 20:
        said, true = (drawn(rng, k) for k in (n, m))
        few = geometry.ious(said, true), geometry.match(said, true)
        with monkeypatch.context() as patch:
            patch.setattr(geometry, "FEW", 0)
            assert np.array_equal(geometry.ious(said, true), few[0])
        values = few[0]
        rows, columns = linear_sum_assignment(values, maximize=True)
        expected = [(i, j, values[i, j]) for i, j in zip(rows, columns, strict=True) if values[i, j] > 0]
        assert few[1] == expected


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=200, deadline=None)
def test_boxes_without_a_choice_are_matched_as_by_the_plain_assignment(seed: int) -> None:
    rng = np.random.default_rng(seed)
    corners = rng.integers(0, 40, (2, 5, 2))
    boxes = np.concatenate([corners, corners + rng.integers(1, 20, (2, 5, 2))], -1).astype(float)
    n, m = rng.integers(1, 6, 2)
    predicted, true = [[tuple(box) for box in of] for of in (boxes[0, :n].tolist(), boxes[1, :m].tolist())]
    agree = (rng.random((n, m)) < 0.5).tolist()
    values = ious(predicted, true)
    rows, columns = linear_sum_assignment(values + 1e-6 * np.array(agree), maximize=True)
    plain = [(i, j, values[i, j]) for i, j in zip(rows.tolist(), columns.tolist(), strict=True) if values[i, j] > 0]
    assert match(predicted, true, agree) == plain


def test_names_decide_where_an_overlap_is_as_good_as_none() -> None:
    """A pair that touches by less than names count is given up for two right names, as the assignment has it."""
    first, second = (0.0, 0.0, 1e4, 1e4), (1e4 - 0.01, 1e4 - 0.01, 2e4, 2e4)
    assert 0 < ious([first], [second])[0, 0] < 1e-6
    far = (5e4, 0.0, 6e4, 1e4)
    assert match([first, far], [second, far], [[False, False], [False, True]]) == [
        (0, 0, ious([first], [second])[0, 0]),
        (1, 1, 1.0),
    ]
    away = (7e4, 0.0, 8e4, 1e4)
    assert match([first, far], [second, away], [[False, True], [True, False]]) == []
