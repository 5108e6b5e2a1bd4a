"""Whether two models' boxes differ by more than chance: the permutation test (``permutations``) of figures of boxes.

A curve over confidences is no function of sums. So the answers of both models stand side by side on twice as many
clusters, and a swap weights those of either model by 0 or 1.

Shapes: as in ``box_curves``; D clusters in which two models differ.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from unveil.evaluate.box_curves import Bools, Floats, Ranked, Resamples, average_precision, sensitivities, side_by_side
from unveil.evaluate.box_figures import FEWEST, Boxes, curve_resamples, mean
from unveil.evaluate.estimates import divided
from unveil.evaluate.permutations import EXACT, p_of_figures, p_of_swaps

_BLOCK = 2_000_000  # weights held at once


def p_values(first: Boxes, second: Boxes, figures: Sequence[str], swaps: int, seed: int) -> dict[str, float]:
    """Two-sided p of the figures of boxes that both models have, of ratios and of ``CURVES``."""
    sums = [name for name in figures if name not in CURVES]
    curves = [name for name in figures if name in CURVES]
    first_CK, second_CK = (
        np.stack([of for name in sums for of in one.ratios[name][:2]], 1) if sums else np.zeros((0, 0))
        for one in (first, second)
    )
    ratios = {name: partial(_ratio, at=2 * i) for i, name in enumerate(sums)}
    found = p_of_figures(ratios, first_CK, second_CK, swaps, seed) if sums else {}
    return found | (_p_of_curves(first, second, curves, swaps, seed) if curves else {})


def _ratio(sums_K: Floats, at: int) -> Floats:
    return divided(sums_K[..., at], sums_K[..., at + 1])


def _p_of_curves(first: Boxes, second: Boxes, curves: Sequence[str], swaps: int, seed: int) -> dict[str, float]:
    names = [side_by_side(_coarse(one), _coarse(second.by_name[name])) for name, one in first.by_name.items()]
    pooled = side_by_side(first.pooled, second.pooled)
    images_C = np.concatenate([first.images_C, second.images_C])
    differ_C: Bools = np.any([first.differing(second, name) for name in curves], axis=0)

    def figures(weights_BC: Floats) -> dict[str, Floats]:
        drawn = Resamples.of(weights_BC)
        found = {}
        if "ap50" in curves:
            found["ap50"] = mean(np.array([average_precision(one, drawn)[:, 0] for one in names]))
        if "froc" in curves:
            found["froc"] = sensitivities(pooled, images_C, drawn).mean(1)
        return found

    def apart(swaps_BD: Floats) -> dict[str, Floats]:
        parts: dict[str, list[Floats]] = {name: [] for name in curves}
        for some_BD in np.array_split(swaps_BD, -(-len(swaps_BD) * 2 * len(differ_C) // _BLOCK)):
            swapped_BC = np.zeros((len(some_BD), len(differ_C)))
            swapped_BC[:, differ_C] = some_BD
            of = figures(np.block([[1 - swapped_BC, swapped_BC], [swapped_BC, 1 - swapped_BC]]))  # of both at once
            for name in curves:
                one_B, other_B = np.split(of[name], 2)
                parts[name].append(other_B - one_B)
        return {name: np.concatenate(of) for name, of in parts.items()}

    both = first, second
    drawn = max(min(swaps, FEWEST), curve_resamples(both, 2 * swaps) // 2)  # a swap draws the boxes of two models
    return p_of_swaps(apart, int(differ_C.sum()), drawn, seed, most=curve_resamples(both, 2**EXACT))


def _coarse(ranked: Ranked) -> Ranked:
    """The same at the first threshold of IoU alone."""
    return Ranked(ranked.cluster_D, ranked.score_D, ranked.hit_DT[:, :1], ranked.true_C)


#: The figures over confidences that two models are tested in.
CURVES = ("ap50", "froc")
