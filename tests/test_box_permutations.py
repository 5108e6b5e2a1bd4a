"""The permutation test of figures of boxes, curves over confidences among them, against every swap made by hand."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np
import pytest

from unveil.evaluate.box_curves import Resamples
from unveil.evaluate.box_figures import COMPARED, Boxes, figures
from unveil.evaluate.box_permutations import p_values
from unveil.evaluate.detections import BoxAnswer

TRUE, FAR = (0.0, 0.0, 10.0, 10.0), (50.0, 50.0, 60.0, 60.0)


def answers(seed: int, share: float, images: int = 7) -> list[BoxAnswer]:
    """Each image has an a, and every other a b there as well; ``share`` of the boxes said are in that place."""
    rng, found = np.random.default_rng(seed), []
    for i in range(images):
        names = ("a", "b")[: 1 + i % 2]
        said = [TRUE if rng.random() < share else FAR for _ in names]
        scores = tuple(rng.random(len(names)).tolist())
        one = BoxAnswer(
            *(f"q{i}", f"i{i}", "diagnosis", f"p{i}", 10_000.0, True, True, 0),
            *(tuple(said), names, scores, (TRUE,) * len(names), names, None),
        )
        found.append(one)
    return found


def values(rows: Sequence[BoxAnswer]) -> dict[str, float]:
    of = Boxes(rows, sorted({row.cluster for row in rows}))
    once_1C = np.ones((1, len(of.clusters)))
    found = of.values(once_1C) | of.by_confidence(Resamples.of(once_1C))
    return {name: float(found[name][0]) for name in COMPARED}


@pytest.mark.parametrize("seed", [1, 4])
def test_every_figure_has_the_p_of_all_swaps(seed: int) -> None:
    """Seven patients, so 128 swaps of whose answers are whose, each of which is scored as two models of its own."""
    first, second = answers(seed, 0.4), answers(seed + 10, 0.9)
    clusters = [row.cluster for row in first]
    found = p_values(Boxes(first, clusters), Boxes(second, clusters), COMPARED, 100, 0)
    swapped = [
        [(b, a) if turn else (a, b) for turn, a, b in zip(turns, first, second, strict=True)]
        for turns in product((0, 1), repeat=7)
    ]
    apart = [
        {name: abs(whole[name] - other[name]) for name in COMPARED}
        for pairs in swapped
        for other, whole in [(values([a for a, _ in pairs]), values([b for _, b in pairs]))]
    ]
    wanted = {name: float(np.mean([one[name] >= apart[0][name] - 1e-12 for one in apart])) for name in COMPARED}
    assert found == pytest.approx(wanted) and len(set(wanted.values())) > 1


def test_of_many_patients_some_swaps_are_drawn() -> None:
    """Twenty patients whom the first model misses and the second finds: no drawn swap of 300 is as large."""
    missed, found = answers(0, 0.0, 20), answers(1, 1.0, 20)
    clusters = [row.cluster for row in missed]
    p = p_values(Boxes(missed, clusters), Boxes(found, clusters), COMPARED, 300, 0)
    assert p == pytest.approx(dict.fromkeys(COMPARED, 1 / 301))
    same = [row._replace() for row in found]
    assert set(p_values(Boxes(same, clusters), Boxes(found, clusters), COMPARED, 300, 0).values()) == {1.0}


def test_models_that_differ_in_the_names_of_false_boxes_or_in_how_sure_they_are_are_told_apart() -> None:
    """Seven patients have an a, found at 0.5, and a b that is missed, and one box is false.

    It is an a of the first model and a b of the second, both at 0.9, so AP of a is 1/2 and 1, mAP 1/4 and 1/2. With j
    of the false ones called a, AP of a is 7 / (7 + j): as far apart are the models with all swapped and with none only,
    2 of 128. FROC takes names together, and hits and misses are as sure. Then a b at 0.9 and one at 0.1 against two at
    0.5 each, which add up to the same.
    """

    def made(*said: tuple[str, float]) -> Boxes:
        names, scores = zip(("a", 0.5), *said, strict=True)
        boxes = (TRUE, *[FAR] * len(said))
        rows = [
            BoxAnswer(
                *(f"q{i}", f"i{i}", "diagnosis", f"p{i}", 10_000.0, True, True, 0),
                *(boxes, names, scores, (TRUE, (80.0, 80.0, 90.0, 90.0)), ("a", "b"), None),
            )
            for i in range(7)
        ]
        return Boxes(rows, [row.cluster for row in rows])

    first, second = made(("a", 0.9)), made(("b", 0.9))
    p = p_values(first, second, COMPARED, 100, 0)
    assert (p["ap50"], p["froc"]) == (2 / 128, 1)
    apart = figures({"first": first, "second": second}, [("second", "first")], 100, 0)[1]["second"]["first"]
    assert (apart["ap50"].value, apart["ap50"].differing) == (0.25, 7)
    assert (apart["froc"].value, apart["froc"].differing) == (0, 0)
    unsure, sure = made(("b", 0.5), ("b", 0.5)), made(("b", 0.9), ("b", 0.1))
    assert unsure.differing(sure, "froc").all() and not unsure.differing(unsure, "froc").any()
