"""Whether something that is not medicine tells the better answer from the worse: its length, its words, its yes or no.

Preference optimisation learns from the difference of two scores, so a shortcut is a score of one answer and the pair is
told by the sign of the difference (Bradley and Terry): logistic regression without an intercept on differences of
features, each pair seen from both sides. What counts is the accuracy on pairs of images that the regression has not
seen. Chance is 0.5; a pair on whose sides the features agree counts one half.

Bags of words are shares of an answer's words, not counts. If short and long answers draw their words from the same
distribution, the expected difference of shares is zero, so zero weights minimise the (convex) loss and the words tell
nothing: length does not come back through this door. And since words may tell by themselves how long an answer is
(a bare "yes"), a broader shortcut is a finding only where it tells more than the narrower ones.

Shapes: P pairs, F features.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold
from sklearn.preprocessing import normalize

from unveil.audit.checks import BOX, AuditInput, Check, Figure, Verdict, estimate, tokens, unboxed
from unveil.core.answers import yes_no
from unveil.core.records import Pair

WARNING = 0.60
"""A shortcut is a warning when the interval of its accuracy lies above: it settles one pair in five, a coin others."""
ERROR = 0.75
"""And an error above this: it settles half of the pairs, more than most pairs leave to medicine."""
FEWEST, FEWEST_CLUSTERS = 100, 20
"""With fewer pairs, or fewer clusters of images, nothing is said: chance could lift an interval over a threshold."""
FOLDS = 5
TELLING = 10  # words shown for either side

Features = NDArray[np.float64] | sparse.csr_matrix
Folds = Sequence[tuple[NDArray[Any], NDArray[Any]]]


@dataclass(frozen=True)
class Fitted:
    """How well one shortcut tells: for each pair 1 right, 0 wrong, 0.5 no difference; and what it says of each."""

    right_P: NDArray[np.float64]
    score_P: NDArray[np.float64]


def shortcuts(material: AuditInput) -> list[Check]:
    """The checks of length, words, and yes or no, on pairs whose texts differ by more than where a box is."""
    pairs = [pair for pair in material.pairs if tokens(pair.chosen) != tokens(pair.rejected)]
    clusters = [material.cluster(pair) for pair in pairs]
    answers = [pair.chosen for pair in pairs], [pair.rejected for pair in pairs]
    lengths = {
        f"{side}_{unit}": measure(texts)
        for side, texts in zip(("chosen", "rejected"), answers, strict=True)
        for unit, measure in UNITS.items()
    }
    left = {"pairs": len(pairs), "left_out": len(material.pairs) - len(pairs)}
    judge = _Judge(pairs, clusters, material.seed)
    if few := _few(pairs, clusters, "have two texts that differ"):
        figures = left | {name: float(np.median(n)) for name, n in lengths.items() if len(n)}
        fitted = [Check(name, TITLES[name], *few, len(pairs), figures=figures) for name in ("length", "words")]
    else:
        fitted = [_length(judge, lengths, left), _words(judge, answers, left)]
    return [*fitted, _yes_no(judge, answers, left)]


def _few(pairs: Sequence[Pair], clusters: Sequence[int], what: str) -> tuple[Verdict, str] | None:
    """The verdict where there are too few pairs to judge, and why."""
    if not pairs:
        return "skipped", f"No pairs {what}."
    if len(pairs) >= FEWEST and len(set(clusters)) >= FEWEST_CLUSTERS:
        return None
    why = f"{len(pairs)} pairs of {len(set(clusters))} images or patients {what}: too few to tell."
    return "undecided", f"{why} {FEWEST} pairs of {FEWEST_CLUSTERS} are needed."


TITLES = {"length": "Length alone", "words": "Words alone", "yes_no": "Yes or no alone"}


class _Judge:
    """Tries shortcuts on the same pairs and folds, and remembers what they tell."""

    def __init__(self, pairs: Sequence[Pair], clusters: Sequence[int], seed: int) -> None:
        self.pairs, self.clusters, self.seed = pairs, clusters, seed

    @cached_property
    def folds(self) -> Folds:
        return folds(self.clusters, self.seed)

    def fitted(self, features_PF: Features) -> Fitted:
        return fitted(features_PF, self.folds)

    def accuracy(self, right_P: NDArray[np.float64], of: NDArray[np.bool_] | None = None, low: float = 0.0) -> Figure:
        rows = [i for i in range(len(right_P)) if of is None or of[i]]
        return estimate(right_P[rows], [self.clusters[i] for i in rows], self.seed, low)

    def beyond(self, one: Fitted, narrower: Sequence[Fitted]) -> Figure:
        """How much more one shortcut tells than the best of the narrower ones, on the same pairs."""
        best = max(narrower, key=lambda other: other.right_P.mean())
        return self.accuracy(one.right_P - best.right_P, low=-1.0)

    def clearest(self, one: Fitted, most: int = 50) -> tuple[str, ...]:
        """Pairs that the shortcut tells rightly, the surest first."""
        order = np.argsort(-one.score_P, kind="stable")
        return tuple(self.pairs[i].id for i in order if one.right_P[i] == 1)[:most]


# ---------------------------------------------------------------------------------------------------------- features


def words(texts: Sequence[str]) -> NDArray[np.float64]:
    """Lengths in words; a box is one."""
    return np.array([len(tokens(text)) for text in texts], float)


def characters(texts: Sequence[str]) -> NDArray[np.float64]:
    """Lengths in characters; a box is one."""
    return np.array([len(" ".join(unboxed(text)[0].split())) for text in texts], float)


#: How lengths are measured.
UNITS = {"words": words, "characters": characters}


def length_features(chosen_P: NDArray[np.float64], rejected_P: NDArray[np.float64]) -> NDArray[np.float64]:
    """Differences of the length's logarithm and of its square, (P, 2): long, short or middling can be preferred."""
    logs = np.log1p(np.stack([chosen_P, rejected_P]))
    logs = logs - logs.mean()
    differences = np.stack([logs[0] - logs[1], logs[0] ** 2 - logs[1] ** 2], 1)
    spread = differences.std(0) + np.abs(differences.mean(0))
    features: NDArray[np.float64] = np.divide(differences, spread, out=np.zeros_like(differences), where=spread > 0)
    return features


def word_features(chosen: Sequence[str], rejected: Sequence[str]) -> tuple[sparse.csr_matrix, NDArray[Any]]:
    """Differences of the words' shares, (P, F), and the words. Numbers are one word, and so are boxes."""
    counter = CountVectorizer(analyzer=lambda text: ["0" if t[0].isdigit() else t for t in tokens(text)])
    counts = counter.fit_transform([*chosen, *rejected])
    shares = normalize(counts.astype(float), norm="l1")
    return (shares[: len(chosen)] - shares[len(chosen) :]).tocsr(), counter.get_feature_names_out()


def yes_features(chosen: Sequence[str], rejected: Sequence[str]) -> NDArray[np.float64]:
    """1 where yes stands against no, -1 where no stands against yes, else 0, (P, 1)."""
    sides = zip(map(yes_no, chosen), map(yes_no, rejected), strict=True)
    return np.array([0.0 if None in (a, b) else float(bool(a)) - float(bool(b)) for a, b in sides]).reshape(-1, 1)


def folds(clusters: Sequence[int], seed: int) -> Folds:
    """Rows to learn from and rows to tell; a cluster never stands in both."""
    split = GroupKFold(FOLDS, shuffle=True, random_state=seed)
    return list(split.split(np.zeros(len(clusters)), groups=clusters))


def fitted(features_PF: Features, folds: Folds) -> Fitted:
    """What a regression on the other folds says of each pair."""
    score_P = np.zeros(features_PF.shape[0])
    for train, test in folds:
        score_P[test] = features_PF[test] @ _weights(features_PF[train])
    sure = np.abs(score_P) > 1e-9
    return Fitted(np.where(sure, score_P > 0, 0.5).astype(float), score_P)


def _weights(features_PF: Features) -> NDArray[np.float64]:
    """Without an intercept, and from both sides, so that nothing depends on which answer stands first."""
    both = sparse.vstack([sparse.csr_matrix(features_PF), sparse.csr_matrix(-features_PF)]).tocsr()
    sides = np.repeat([1, 0], features_PF.shape[0])
    weights: NDArray[np.float64] = LogisticRegression(fit_intercept=False, max_iter=1000).fit(both, sides).coef_[0]
    return weights


# ------------------------------------------------------------------------------------------------------------ checks


def verdict(accuracy: Figure) -> Verdict:
    """By the interval: what may be chance is no finding, and what may be a shortcut is not called fine."""
    low = accuracy.value if accuracy.low is None else accuracy.low
    high = accuracy.value if accuracy.high is None else accuracy.high
    return "error" if low > ERROR else "warning" if low > WARNING else "undecided" if high > WARNING else "fine"


def _worst(*verdicts: Verdict) -> Verdict:
    order: tuple[Verdict, ...] = ("error", "warning", "undecided", "fine")
    return min(verdicts, key=order.index)


def _unsure(found: Verdict) -> str:
    return f" The interval reaches above {WARNING:.0%}: more pairs would tell." if found == "undecided" else ""


def _length(judge: _Judge, lengths: Mapping[str, NDArray[np.float64]], left: Mapping[str, int]) -> Check:
    by = {u: judge.fitted(length_features(lengths[f"chosen_{u}"], lengths[f"rejected_{u}"])) for u in UNITS}
    accuracies = {unit: judge.accuracy(one.right_P) for unit, one in by.items()}
    yes = judge.fitted(yes_features([p.chosen for p in judge.pairs], [p.rejected for p in judge.pairs]))
    # "no" has fewer characters than "yes": that is not length
    beyond = judge.beyond(by["characters"], [yes])
    found = _worst(verdict(accuracies["words"]), verdict(accuracies["characters"]) if _more(beyond) else "fine")
    medians = {name: float(np.median(n)) for name, n in lengths.items()}
    message = (
        f"The length in words tells the better answer in {accuracies['words'].text()} of the pairs, in characters in "
        f"{accuracies['characters'].text()}; median lengths are {medians['chosen_words']:g} and "
        f"{medians['rejected_words']:g} words."
    )
    figures = {
        **left,
        **{f"accuracy_{u}": a for u, a in accuracies.items()},
        **medians,
        "characters_beyond_yes_no": beyond,
    }
    series = {side: [float(n) for n in lengths[f"{side}_words"]] for side in ("chosen", "rejected")}
    clearest = judge.clearest(max(by.values(), key=lambda one: one.right_P.mean()))
    return Check(
        "length", TITLES["length"], found, message + _unsure(found), len(judge.pairs), (), figures, clearest, series
    )


def _more(beyond: Figure) -> bool:
    return (beyond.value if beyond.low is None else beyond.low) > 0


def _words(judge: _Judge, answers: tuple[list[str], list[str]], left: Mapping[str, int]) -> Check:
    features, names = word_features(*answers)
    one = judge.fitted(features)
    accuracy = judge.accuracy(one.right_P)
    lengths = [length_features(*map(measure, answers)) for measure in UNITS.values()]
    beyond = judge.beyond(one, [judge.fitted(f) for f in [*lengths, yes_features(*answers)]])
    found, told_by = verdict(accuracy), _telling(features, names)
    message = f"Which words stand in it tells the better answer in {accuracy.text()} of the pairs."
    if found in ("error", "warning") and not _more(beyond):
        found, message = "note", f"{message} That is no more than its length or its yes or no tells."
    elif found in ("error", "warning"):
        message += (
            f" For the better: {', '.join(told_by['better'][:5])}; for the worse: {', '.join(told_by['worse'][:5])}."
        )
    figures = {**left, "accuracy": accuracy, "beyond_length_and_yes_no": beyond, "telling": told_by}
    return Check(
        "words", TITLES["words"], found, message + _unsure(found), len(judge.pairs), (), figures, judge.clearest(one)
    )


def _telling(features_PF: sparse.csr_matrix, names: NDArray[Any]) -> dict[str, list[str]]:
    """The words that speak most for either side."""
    weights = _weights(features_PF)
    shown = {BOX: "(a box)", "0": "(a number)"}
    order = [(float(weights[i]), shown.get(names[i], str(names[i]))) for i in np.argsort(-weights, kind="stable")]
    better = [name for weight, name in order[:TELLING] if weight > 0]
    return {"better": better, "worse": [name for weight, name in order[::-1][:TELLING] if weight < 0]}


def _yes_no(judge: _Judge, answers: tuple[list[str], list[str]], left: Mapping[str, int]) -> Check:
    features = yes_features(*answers)
    apart = features[:, 0] != 0
    told_sides = Counter("yes" if f > 0 else "no" for f in features[apart, 0])
    counts = {**left, "pairs": int(apart.sum()), "chosen_yes": told_sides["yes"], "chosen_no": told_sides["no"]}
    rows, title = np.flatnonzero(apart).tolist(), TITLES["yes_no"]
    clusters = [judge.clusters[i] for i in rows]
    if few := _few([judge.pairs[i] for i in rows], clusters, "have a yes against a no"):
        return Check("yes_no", title, *few, len(rows), figures=counts)
    one = judge.fitted(features)
    accuracy = judge.accuracy(one.right_P, apart)
    message = (
        f"Where a yes stands against a no, the one word tells the better answer in {accuracy.text()} of the pairs: "
        f"{told_sides['yes']} x yes, {told_sides['no']} x no."
    )
    found, figures = verdict(accuracy), {**counts, "accuracy": accuracy}
    return Check("yes_no", title, found, message + _unsure(found), len(rows), (), figures, judge.clearest(one))
