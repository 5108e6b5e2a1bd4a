"""Which boxes are hits, and the curves that follow: equal to pycocotools, and to a hand count."""

from __future__ import annotations

import contextlib
import io
from typing import Any

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from unveil.evaluate.box_curves import RATES, THRESHOLDS, Ranked, Resamples, average_precision, sensitivities
from unveil.evaluate.detections import BoxAnswer, Detections, greedy

WIDTH, HEIGHT = 640, 480  # COCO's usual picture, of which 32 x 32 pixels are 1 / 300 and 96 x 96 are 3 %
SIZES = {"small": (0.0, 1 / 300), "medium": (1 / 300, 0.03), "large": (0.03, np.inf)}
CLASSES = ("a", "b", "c")


def answer(name: str, boxes: Any, true: Any, **more: Any) -> BoxAnswer:
    """Boxes as (name, score, box), true ones as (name, box)."""
    return BoxAnswer(
        *(name, name, "diagnosis", more.pop("cluster", name), WIDTH * HEIGHT, more.pop("exhaustive", True), True, 0),
        boxes=tuple(box for *_, box in boxes),
        names=tuple(label for label, *_ in boxes),
        scores=tuple(score for _, score, _ in boxes),
        true=tuple(box for _, box in true),
        true_names=tuple(label for label, _ in true),
        iou=None,
    )


def drawn(seed: int, images: int, ties: bool, classes: tuple[str, ...] = CLASSES) -> list[BoxAnswer]:
    """True boxes of all sizes, and boxes near them, elsewhere, of another name, twice, or none. Whole pixels, so that
    IoUs meet thresholds and each other."""
    rng = np.random.default_rng(seed)

    def box(longest: int) -> tuple[float, ...]:
        w, h = rng.integers(4, longest, 2)
        x, y = rng.integers(0, WIDTH - w), rng.integers(0, HEIGHT - h)
        return tuple(map(float, (x, y, x + w, y + h)))

    def near(of: tuple[float, ...]) -> tuple[float, ...]:
        x1, y1, x2, y2 = np.array(of) + rng.integers(-3, 4, 4)
        return tuple(map(float, (x1, y1, max(x2, x1 + 1), max(y2, y1 + 1))))

    out = []
    for i in range(images):
        true = [(str(rng.choice(classes)), box(int(rng.choice([12, 40, 200])))) for _ in range(rng.integers(0, 4))]
        said = []
        for label, of in [*true, *true[:1]]:
            if rng.random() < 0.8:
                said.append((label if rng.random() < 0.8 else str(rng.choice(CLASSES)), near(of)))
        said += [(str(rng.choice(CLASSES)), box(60)) for _ in range(rng.integers(0, 3))]
        scores = rng.integers(1, 4, len(said)) / 4 if ties else rng.random(len(said))
        out.append(answer(f"{i:03}", [(n, float(s), b) for (n, b), s in zip(said, scores, strict=True)], true))
    return out


def coco(answers: list[BoxAnswer], named: bool = True) -> COCOeval:
    """pycocotools' own evaluation of the same boxes, without a limit on their number."""
    numbers = {name: i + 1 for i, name in enumerate(sorted({n for a in answers for n in (*a.true_names, *a.names)}))}
    of = numbers.get if named else (lambda _: 1)

    def rows(boxes: Any, names: Any, scores: Any = None) -> Any:
        for j, ((x1, y1, x2, y2), name) in enumerate(zip(boxes, names, strict=True)):
            row = {"category_id": of(name), "bbox": [x1, y1, x2 - x1, y2 - y1]}
            yield row | ({"area": (x2 - x1) * (y2 - y1), "iscrowd": 0} if scores is None else {"score": scores[j]})

    truth: list[Any] = []
    said: list[Any] = []
    for i, a in enumerate(answers):
        truth += [{"id": len(truth) + k + 1, "image_id": i, **row} for k, row in enumerate(rows(a.true, a.true_names))]
        said += [{"image_id": i, **row} for row in rows(a.boxes, a.names, a.scores)]
    with contextlib.redirect_stdout(io.StringIO()):
        images = [{"id": i, "width": WIDTH, "height": HEIGHT} for i in range(len(answers))]
        known = COCO()
        known.dataset = {"images": images, "annotations": truth, "categories": [{"id": n} for n in numbers.values()]}
        known.createIndex()
        if said:
            given = known.loadRes(said)
        else:  # which refuses an empty list
            given = COCO()
            given.dataset = known.dataset | {"annotations": []}
            given.createIndex()
        run = COCOeval(known, given, "bbox")
        run.params.maxDets = [1, 10, 1000]
        run.evaluate()
        run.accumulate()
    return run


def expected(run: COCOeval, size: int = 0) -> np.ndarray:
    """pycocotools' AP by threshold and class, (T, K), NaN where it has -1."""
    precision_TRK = run.eval["precision"][:, :, :, size, -1]
    found: np.ndarray = np.where(precision_TRK[:, 0] < 0, np.nan, precision_TRK.mean(1))
    return found


def ours(answers: list[BoxAnswer], named: bool = True, size: tuple[float, float] = (0.0, np.inf), weights: Any = None):
    """The same by ours."""
    found = Detections.of(answers)
    hit_DT, counts_DT = greedy(found, THRESHOLDS, named, *size)
    inside_G = (found.share_G >= size[0]) & (found.share_G <= size[1])
    weights_BC = np.ones((1, len(answers))) if weights is None else weights
    columns = []
    for k in range(len(found.names) if named else 1):
        own_D = found.name_D == k if named else np.ones(len(found.name_D), bool)
        own_G = (found.name_G == k if named else np.ones(len(found.name_G), bool)) & inside_G
        true_C = np.bincount(found.answer_G[own_G], minlength=len(answers))
        one = []
        for t in range(len(THRESHOLDS)):
            of = own_D & counts_DT[:, t]
            ranked = Ranked.of(found.answer_D[of], found.score_D[of], hit_DT[of][:, [t]], true_C)
            one.append(average_precision(ranked, Resamples.of(weights_BC))[:, 0])
        columns.append(one)
    return np.array(columns).transpose(2, 1, 0)


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_average_precision_is_that_of_pycocotools(seed: int, ties: bool) -> None:
    answers = drawn(seed, 40, ties)
    run = coco(answers)
    np.testing.assert_allclose(ours(answers)[0], expected(run), atol=1e-12)
    np.testing.assert_allclose(ours(answers, named=False)[0], expected(coco(answers, named=False))[:, :1], atol=1e-12)
    for i, size in enumerate(SIZES.values(), 1):
        np.testing.assert_allclose(ours(answers, size=size)[0], expected(run, i), atol=1e-12)


def test_published_boxes_have_the_published_figures() -> None:
    """Of the detections that the COCO API comes with as an example (instances_val2014_fakebbox100_results.json, BSD),
    those on four images, with their true boxes (COCO 2014, CC BY 4.0). The figures are those of pycocotools, as
    torchmetrics' own test gave them (tests/detection/test_map.py, version 0.6): to three digits."""
    near, far = (87.87, 276.25, 384.29, 379.43), (61.87, 276.25, 358.29, 379.43)
    people = [
        (0.407, (296.55, 93.96, 314.97, 152.79), (295.55, 93.96, 313.97, 152.79)),
        (0.611, (328.94, 97.05, 342.49, 122.98), (326.94, 97.05, 340.49, 122.98)),
        (0.335, (356.62, 95.47, 372.33, 147.55), (356.62, 95.47, 372.33, 147.55)),
        (0.805, (464.08, 105.09, 495.74, 146.99), (462.08, 105.09, 493.74, 146.99)),
        (0.953, (276.11, 103.84, 291.44, 150.72), (277.11, 103.84, 292.44, 150.72)),
    ]
    answers = [
        answer("42", [("4", 0.236, (258.15, 41.29, 606.41, 285.07))], [("4", (214.15, 41.29, 562.41, 285.07))]),
        answer(
            "73",
            [("3", 0.318, (61.0, 22.75, 565.0, 632.42)), ("2", 0.726, (12.66, 3.32, 281.26, 275.23))],
            [("2", (13.0, 22.75, 548.98, 632.42)), ("2", (1.66, 3.32, 270.26, 275.23))],
        ),
        answer(
            "74",
            [("4", 0.546, near), ("1", 0.3, (0.0, 3.66, 142.15, 316.06)), *(("0", p, box) for p, box, _ in people)],
            [("4", far), ("1", (2.75, 3.66, 162.15, 316.06)), *(("0", box) for *_, box in people)],
        ),
        answer("133", [("5", 0.699, (0.0, 2.87, 601.0, 421.52))], [("5", (13.99, 2.87, 640.0, 421.52))]),
    ]
    found_TK = ours(answers)[0]
    by_class = found_TK.mean(0)
    assert by_class[[0, 1, 2, 4, 5]] == pytest.approx([0.725, 0.8, 0.454, 0.65, 0.9], abs=5e-4) and np.isnan(
        by_class[3]
    )
    named = [np.nanmean(of) for of in (found_TK, found_TK[0], found_TK[5])]
    assert named == pytest.approx([0.706, 0.901, 0.846], abs=5e-4)  # AP, AP50, AP75


def test_no_class_of_the_answers_has_a_true_box_and_the_other_way_round() -> None:
    """ "c" is said and never true: no value. "a" is true and never said: 0."""
    answers = [answer("1", [("c", 0.5, (0, 0, 9, 9))], [("a", (0, 0, 9, 9))])]
    np.testing.assert_array_equal(ours(answers)[0], expected(coco(answers)))
    np.testing.assert_array_equal(ours(answers)[0, 0], [0, np.nan])


def test_without_predictions_or_without_truth() -> None:
    nothing_said = [answer("1", [], [("a", (0, 0, 9, 9))]), answer("2", [], [])]
    np.testing.assert_array_equal(ours(nothing_said)[0], expected(coco(nothing_said)))
    nothing_there = [answer("1", [("a", 0.5, (0, 0, 9, 9))], [])]
    assert np.isnan(ours(nothing_there)).all()


def test_a_weight_is_a_copy() -> None:
    """A resample that draws an image twice, another not at all: pycocotools on images repeated so often."""
    answers = drawn(7, 25, ties=False)
    weights_BC = np.random.default_rng(1).integers(0, 4, (3, len(answers))).astype(float)
    found = ours(answers, weights=weights_BC)
    for weights, values in zip(weights_BC, found, strict=True):
        copies = [a for a, n in zip(answers, weights, strict=True) for _ in range(int(n))]
        np.testing.assert_allclose(values, expected(coco(copies)), atol=1e-12)


# ------------------------------------------------------------------------------------------------------------- FROC

A, B, C, FAR = (0, 0, 10, 10), (50, 50, 60, 60), (80, 0, 90, 10), (200, 200, 220, 220)


def froc(answers: list[BoxAnswer], rates: Any, weights: Any = None, named: bool = True) -> list[float]:
    found = Detections.of(answers)
    hit_DT, _ = greedy(found, np.array([0.5]), named)
    true_C = np.bincount(found.answer_G, minlength=len(answers))
    ranked = Ranked.of(found.answer_D, found.score_D, hit_DT, true_C)
    weights_BC = np.ones((1, len(answers))) if weights is None else np.array([weights], float)
    return sensitivities(ranked, np.ones(len(answers), int), Resamples.of(weights_BC), np.array(rates, float))[
        0
    ].tolist()


def test_froc_by_hand() -> None:
    """Four images, one of them normal, with three true boxes. From the surest box on: hit (0.9), false on the normal
    image (0.8), hit (0.7), false (0.6), false (0.5). The third true box is never found.

    False per image / found: 0 / 1, 1/4 / 1, 1/4 / 2, 2/4 / 2, 3/4 / 2. So at 1/8 one of three, from 1/4 on two.
    """
    answers = [
        answer("1", [("a", 0.9, A), ("a", 0.6, FAR)], [("a", A)]),
        answer("2", [("a", 0.8, A)], []),
        answer("3", [("a", 0.7, B), ("a", 0.5, B)], [("a", B)]),
        answer("4", [], [("a", C)]),
    ]
    assert froc(answers, [1 / 8, 1 / 4, 1 / 2, 1, 8]) == pytest.approx([1 / 3, 2 / 3, 2 / 3, 2 / 3, 2 / 3])
    assert np.mean(froc(answers, RATES)) == pytest.approx((1 / 3 + 6 * 2 / 3) / 7)


def test_equally_sure_boxes_come_together() -> None:
    """A hit and a false one of 0.5 each: no threshold has the one without the other, so 0 at a rate below 1."""
    answers = [answer("1", [("a", 0.5, A), ("a", 0.5, FAR)], [("a", A)])]
    assert froc(answers, [0.5, 1]) == [0, 1]


def test_a_hit_needs_the_name_where_names_count() -> None:
    answers = [answer("1", [("b", 0.5, A)], [("a", A)])]
    assert froc(answers, [1]) == [0] and froc(answers, [1], named=False) == [1]


def test_without_a_true_box_there_is_no_sensitivity() -> None:
    assert np.isnan(froc([answer("1", [("a", 0.5, A)], [])], [1, 2])).all()
    assert froc([answer("1", [], [("a", A)])], [1, 2]) == [0, 0]


@pytest.mark.parametrize("seed", range(3))
def test_froc_of_a_resample_is_that_of_copies(seed: int) -> None:
    """And by a loop over thresholds: the largest sensitivity with at most so many false boxes."""
    answers, rng = drawn(seed, 20, ties=True), np.random.default_rng(seed)
    weights = rng.integers(0, 3, len(answers))
    copies = [a for a, n in zip(answers, weights, strict=True) for _ in range(n)]
    assert froc(answers, RATES, weights) == pytest.approx(froc(copies, RATES))
    found = Detections.of(copies)
    hit_D = greedy(found, np.array([0.5]))[0][:, 0]
    slow = []
    for rate in RATES:
        points = [(~hit_D & (found.score_D >= s), hit_D & (found.score_D >= s)) for s in {*found.score_D, 2.0}]
        slow.append(max(h.sum() / len(found.answer_G) for f, h in points if f.sum() <= rate * len(copies)))
    assert froc(copies, RATES) == pytest.approx(slow)
