"""The figures of one kind of question for places, from what was kept of a model's answers, with their intervals.

All figures are computed again on each resample of clusters, those of two models on the same resamples.

Shapes: as in ``detections`` and ``box_curves``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from unveil.core import bootstrap
from unveil.core.grading import EXACT
from unveil.evaluate.box_curves import (
    RECALLS,
    THRESHOLDS,
    Bools,
    Floats,
    Ints,
    Ranked,
    Resamples,
    average_precision,
    differing_clusters,
    precision_at_recalls,
    sensitivities,
)
from unveil.evaluate.detections import BoxAnswer, Detections, greedy
from unveil.evaluate.estimates import Difference, Estimate, difference, divided, estimate

#: The thresholds of IoU for precision, recall and F1, in per cent.
IOUS = (30, 40, 50, 60, 70)
#: COCO's small ends and its large begins at 32 x 32 and 96 x 96 pixels, in photographs of 640 x 480; both sides take
#: the edge. As pixels that says nothing of a radiograph of 3000, so sizes are shares of the image here: 1/300 and 3 %.
SIZES = {"small": (0.0, 1 / 300), "medium": (1 / 300, 0.03), "large": (0.03, np.inf)}
#: What two models are compared in.
COMPARED = ("ap50", "froc", "f1_named_50", "f1_50", "acc50")
#: So many boxes of a model are drawn for its curves in all resamples together, at most.
BOXES_DRAWN = 20_000_000
FEWEST = 200
"""But in no fewer resamples, where so many are asked for."""
#: The figures that need a confidence for every box.
BY_CONFIDENCE = ("ap50", "ap", *(f"ap50_{size}" for size in SIZES), "ap50_any", "froc", "froc_any")


class Ratio(NamedTuple):
    """Numerators and denominators by cluster, and the number of answers."""

    numerators_C: Floats
    denominators_C: Floats
    n: int


@dataclass(frozen=True)
class Boxes:
    """One model's answers to one kind of question. ``clusters`` are those of all models' answers, sorted."""

    answers: Sequence[BoxAnswer]
    clusters: Sequence[str]

    @cached_property
    def placed(self) -> Detections:
        """All answers about images whose findings all have a place."""
        return Detections.of([a for a in self.answers if a.true is not None])

    @cached_property
    def proven(self) -> Detections:
        """Those of them about images that are annotated exhaustively: only there a box without a true one is false."""
        answers = [a for a in self.placed.answers if a.exhaustive]
        return self.placed if len(answers) == len(self.placed.answers) else Detections.of(answers)

    @cached_property
    def unsure(self) -> list[str]:
        """The answers of these that hold a box without a confidence."""
        return [a.id for a in self.proven.answers if None in a.scores]

    @property
    def reason(self) -> str | None:
        """Why there is no curve over confidences, if there is none."""
        if not self.proven.answers:
            return "no image is annotated exhaustively, so that no box is proven false"
        if not len(self.proven.answer_G):
            return "no image has a true box"
        if self.unsure:
            of = sum(bool(a.boxes) for a in self.proven.answers)
            return (
                f"{len(self.unsure)} of {of} answers with boxes have one without a confidence, such as {self.unsure[0]}"
            )
        return None

    @property
    def named(self) -> bool:
        """Whether answers give names: else the question gives them, and a name is never wrong."""
        return bool(self.answers) and self.answers[0].kind == "diagnosis"

    def by_cluster(self, of: Detections, answers_N: Ints, worth_N: Floats | None = None) -> Floats:
        """What is added up by cluster, given the answer of each item; (C,)."""
        cluster_U = self._proven_U if of is self.proven else self._placed_U
        sums_C: Floats = np.bincount(cluster_U[answers_N], worth_N, len(self.clusters)).astype(float)
        return sums_C

    @cached_property
    def _placed_U(self) -> Ints:
        return self._numbers(self.placed)

    @cached_property
    def _proven_U(self) -> Ints:
        return self._numbers(self.proven)

    def _numbers(self, of: Detections) -> Ints:
        """The number of each answer's cluster."""
        number = {cluster: i for i, cluster in enumerate(self.clusters)}
        return np.array([number[a.cluster] for a in of.answers], int)

    # ---------------------------------------------------------------------------------------------------- ratios

    @cached_property
    def ratios(self) -> dict[str, Ratio]:
        """The figures that are ratios of sums."""
        found = dict(self._hits())
        for name, worth_U in {**self.placed.first(), "iou": self._ious()}.items():
            there_U = ~np.isnan(worth_U)
            own = np.flatnonzero(there_U)
            sums_C = self.by_cluster(self.placed, own, worth_U[own])
            found[name] = Ratio(sums_C, self.by_cluster(self.placed, own), len(own))
        return found

    def _ious(self) -> Floats:
        true_U = np.bincount(self.placed.answer_G, minlength=len(self.placed.answers)) > 0
        values_U = np.array([np.nan if a.iou is None else a.iou for a in self.placed.answers], float)
        return np.where(true_U, values_U, np.nan)

    def _hits(self) -> Iterator[tuple[str, Ratio]]:
        """Precision and F1 over what is proven; recall over all that is placed, since a true box there is one."""
        said_C = self.by_cluster(self.proven, self.proven.answer_D)
        own_C, true_C = (self.by_cluster(of, of.answer_G) for of in (self.proven, self.placed))
        n, with_true = len(self.proven.answers), len(np.unique(self.placed.answer_G))
        for words in ("", "named_") if self.named else ("",):
            for iou in IOUS:
                wide_C, hits_C = (self._hits_at(of, iou, bool(words)) for of in (self.placed, self.proven))
                yield f"f1_{words}{iou}", Ratio(2 * hits_C, said_C + own_C, n)
                yield f"precision_{words}{iou}", Ratio(hits_C, said_C, n)
                yield f"recall_{words}{iou}", Ratio(wide_C, true_C, with_true)

    def _hits_at(self, of: Detections, iou: int, named: bool) -> Floats:
        answers, values, agree = of.matched
        return self.by_cluster(of, answers[(values >= iou / 100 - EXACT) & (agree | (not named))])

    # ---------------------------------------------------------------------------------------------------- curves

    @cached_property
    def by_name(self) -> dict[str, Ranked]:
        """The boxes of each name that has a true box."""
        hit_DT, _ = greedy(self.proven, THRESHOLDS)
        return {name: self._ranked(hit_DT, name) for name in self.true_names}

    @cached_property
    def true_names(self) -> list[str]:
        return [self.proven.names[k] for k in np.unique(self.proven.name_G)]

    @cached_property
    def by_size(self) -> dict[str, list[Ranked]]:
        """At IoU 0.5, for true boxes of one size, by name."""
        found = {}
        for size, limits in SIZES.items():
            hit_DT, counts_DT = greedy(self.proven, THRESHOLDS[:1], True, *limits)
            share_G = self.proven.share_G
            inside_G = (share_G >= limits[0]) & (share_G <= limits[1])
            found[size] = [self._ranked(hit_DT, name, counts_DT[:, 0], inside_G) for name in self.true_names]
        return found

    @cached_property
    def pooled(self) -> Ranked:
        """All boxes together, at IoU 0.5, a hit only with the right name."""
        return self._ranked(greedy(self.proven, THRESHOLDS[:1])[0])

    @cached_property
    def nameless(self) -> Ranked:
        """The same, whatever the names."""
        return self._ranked(greedy(self.proven, THRESHOLDS[:1], named=False)[0])

    @cached_property
    def answers_C(self) -> Ints:
        counts_C: Ints = self.by_cluster(self.proven, np.arange(len(self.proven.answers))).astype(int)
        return counts_C

    @cached_property
    def images_C(self) -> Ints:
        """The images that are asked about: of one there may be several questions, as of every name that it may have."""
        number = {cluster: i for i, cluster in enumerate(self.clusters)}
        images = {a.image: number[a.cluster] for a in self.proven.answers}
        counts_C: Ints = np.bincount(np.array(list(images.values()), int), minlength=len(self.clusters))
        return counts_C

    def _ranked(
        self, hit_DT: Bools, name: str | None = None, counts_D: Bools | None = None, inside_G: Bools | None = None
    ) -> Ranked:
        """The boxes of one name, or all; of those that count, and of true boxes of one size, where told."""
        of, cluster_U = self.proven, self._proven_U
        k = None if name is None else of.names.index(name)
        own_D = np.ones(len(of.name_D), bool) if k is None else of.name_D == k
        own_G = np.ones(len(of.name_G), bool) if k is None else of.name_G == k
        own_D = own_D if counts_D is None else own_D & counts_D
        own_G = own_G if inside_G is None else own_G & inside_G
        true_C = np.bincount(cluster_U[of.answer_G[own_G]], minlength=len(self.clusters))
        return Ranked.of(cluster_U[of.answer_D[own_D]], of.score_D[own_D], hit_DT[own_D], true_C)

    # ---------------------------------------------------------------------------------------------------- values

    def values(self, weights_BC: Floats) -> dict[str, Floats]:
        """The ratios at these weights of the clusters, (B,) each; NaN where there is nothing to compute one from."""
        sums_B2R = weights_BC @ np.stack([of for one in self.ratios.values() for of in one[:2]], 1)
        return {name: divided(sums_B2R[:, 2 * i], sums_B2R[:, 2 * i + 1]) for i, name in enumerate(self.ratios)}

    def by_confidence(self, drawn: Resamples) -> dict[str, Floats]:
        """The same of the figures that need confidences; none where these are not known."""
        if self.reason:
            return {}
        aps_NBT = np.array([average_precision(one, drawn) for one in self.by_name.values()])
        found = {f"ap50:{name}": ap_BT[:, 0] for name, ap_BT in zip(self.by_name, aps_NBT, strict=True)}
        mean_BT = mean(aps_NBT)
        found |= {"ap50": mean_BT[:, 0], "ap": mean_BT.mean(1)}
        for size, ranked in self.by_size.items():
            found[f"ap50_{size}"] = mean(np.array([average_precision(one, drawn)[:, 0] for one in ranked]))
        found["ap50_any"] = average_precision(self.nameless, drawn)[:, 0]
        for name, boxes in (("froc", self.pooled), ("froc_any", self.nameless)):
            at_BF = sensitivities(boxes, self.images_C, drawn)
            found[name] = at_BF.mean(1)
            found |= {f"{name}:{i}": at_BF[:, i] for i in range(at_BF.shape[1])}
        return found

    def curves(self, points: int = 49) -> dict[str, list[list[float]]]:
        """What the page draws: FROC from 1/8 to 8 false boxes an image, and the precision at each recall, the mean over
        names, whose mean is ``ap50``."""
        once, rates_F = Resamples.of(np.ones((1, len(self.clusters)))), 2.0 ** np.linspace(-3, 3, points)
        froc = sensitivities(self.pooled, self.images_C, once, rates_F)[0]
        precision = mean(np.array([precision_at_recalls(one) for one in self.by_name.values()]))
        return {
            "froc": [[round(float(x), 4), round(float(y), 4)] for x, y in zip(rates_F, froc, strict=True)],
            "precision": [
                [round(x, 4), round(y, 4)] for x, y in zip(RECALLS.tolist(), precision.tolist(), strict=True)
            ],
        }

    def size(self, figure: str) -> tuple[int, int, int]:
        """The answers that take part in a figure, their clusters, and the clusters with something to count in it."""
        if figure in self.ratios:
            ratio = self.ratios[figure]
            counting = int((ratio.denominators_C > 0).sum())
            whole_C = self.answers_C > 0 if figure.startswith(("f1", "precision")) else ratio.denominators_C > 0
            return ratio.n, int(whole_C.sum()), counting
        counting = int((self.pooled.true_C > 0).sum())
        if ":" in figure and figure.startswith("ap50"):
            counting = int((self.by_name[figure.partition(":")[2]].true_C > 0).sum())
        if (size := figure.removeprefix("ap50_")) in SIZES:
            counting = int(np.any([one.true_C for one in self.by_size[size]], axis=0).sum())
        return len(self.proven.answers), int((self.answers_C > 0).sum()), counting

    def differing(self, other: Boxes, figure: str) -> Bools:
        """The clusters in which what goes into one of ``COMPARED`` is not the same of another model, (C,)."""
        if figure in self.ratios:
            own, its = (np.stack(of.ratios[figure][:2]) for of in (self, other))
            differ_C: Bools = (np.abs(own - its) > bootstrap.ROUNDING).any(0)
            return differ_C
        if figure == "froc":
            return differing_clusters(self.pooled, other.pooled)
        found_C: Bools = np.any(
            [differing_clusters(one, other.by_name[name]) for name, one in self.by_name.items()], axis=0
        )
        return found_C


def figures(
    models: Mapping[str, Boxes], pairs: Iterable[tuple[str, str]], resamples: int, seed: int
) -> tuple[dict[str, dict[str, Estimate]], dict[str, dict[str, dict[str, Difference]]]]:
    """Each model's figures, and of each of the pairs the first model's less the second's in ``COMPARED``."""
    clusters = len(next(iter(models.values())).clusters)
    once_1C = np.ones((1, clusters))
    whole = {
        m: {k: float(v[0]) for k, v in (of.values(once_1C) | of.by_confidence(Resamples.of(once_1C))).items()}
        for m, of in models.items()
    }
    parts: dict[str, dict[str, list[Floats]]] = {m: {k: [] for k in of} for m, of in whole.items()}
    left = curve_resamples(models.values(), resamples)
    for weights_BC in bootstrap.weights(clusters, resamples, seed):
        curved = Resamples.of(weights_BC[:left])
        for model, of in models.items():
            for figure, values_B in (of.values(weights_BC) | of.by_confidence(curved)).items():
                parts[model][figure].append(values_B)
        left = max(0, left - len(weights_BC))
    drawn = {m: {k: np.concatenate(blocks) for k, blocks in of.items()} for m, of in parts.items()}
    known = {
        m: {k: estimate(v, drawn[m][k], *models[m].size(k), lowest=-1.0 if k == "giou" else 0.0) for k, v in of.items()}
        for m, of in whole.items()
    }
    apart = dict[str, dict[str, dict[str, Difference]]]()
    for b, a in pairs:
        if b in models and a in models:
            both = [k for k in COMPARED if k in whole[a] and k in whole[b]]
            apart.setdefault(b, {})[a] = {
                k: _difference(models[a], models[b], k, whole[b][k] - whole[a][k], drawn[b][k] - drawn[a][k])
                for k in both
            }
    return known, apart


def curve_resamples(models: Iterable[Boxes], resamples: int) -> int:
    """How many of the resamples the curves over confidences take: all, but at most ``BOXES_DRAWN`` boxes of the model
    with the most, and no fewer than ``FEWEST``. Of 100,000 boxes it is 200, which move the end of an interval by a
    fifth of a standard error."""
    most = max(len(of.proven.answer_D) for of in models)
    return min(resamples, max(FEWEST, BOXES_DRAWN // max(1, most)))


def _difference(a: Boxes, b: Boxes, figure: str, value: float, drawn_B: Floats) -> Difference:
    n, clusters, fewest = map(min, a.size(figure), b.size(figure))
    found = estimate(value, drawn_B, n, clusters, fewest, lowest=-1.0)
    return difference(found, int(a.differing(b, figure).sum()))


def mean(values_N: Floats) -> Floats:
    """The mean over the first axis of what is a number; NaN where nothing is."""
    known_N = ~np.isnan(values_N)
    return divided(np.where(known_N, values_N, 0.0).sum(0), known_N.sum(0))
