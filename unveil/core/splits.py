"""Splits: whole patients, studies and copies dealt to train, validation and test."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from unveil.core.records import SPLITS, Record, RecordError, Split
from unveil.core.untrusted import quoted


def connected(pairs: Iterable[tuple[str, str]], items: Sequence[str]) -> dict[str, int]:
    """Numbers the connected components of ``items`` under ``pairs``, in order of first appearance."""
    parent = {item: item for item in items}

    def root(item: str) -> str:
        while parent[item] != item:
            parent[item] = item = parent[parent[item]]
        return item

    for a, b in pairs:
        parent[root(a)] = root(b)
    numbers: dict[str, int] = {}
    return {item: numbers.setdefault(root(item), len(numbers)) for item in items}


def assign_splits(
    records: Sequence[Record], shares: tuple[float, float, float] = (0.7, 0.1, 0.2), seed: int = 0
) -> list[Record]:
    """Deals whole clusters to train, val and test so that no patient, study or group lies in two splits.

    A cluster with an image of a benchmark's test split (``source.benchmark``) stays in test; the others of its data set
    are shared among train and val alone, in the proportion of their shares.

    Clusters are shuffled with ``seed`` and each goes to the split that lacks most images relative to its share, counted
    per label set first, so that every split sees every kind of finding where the number of clusters allows it.
    """
    import numpy as np

    if not all(0 <= share < math.inf for share in shares) or not sum(shares):
        raise RecordError(f"shares of {', '.join(SPLITS)} are numbers from 0, not all of them 0; not {quoted(shares)}")
    number: dict[str, int] = {}
    clusters = [number.setdefault(record.cluster, len(number)) for record in records]
    # few objects that live long: of a million lists or sets, Python's collector would look at each again and again
    sizes, labels, known = [0] * len(number), [frozenset[str]()] * len(number), dict[frozenset[str], frozenset[str]]()
    kept = {cluster for cluster, record in zip(clusters, records, strict=True) if record.source.benchmark}
    tested = {record.source.dataset for record in records if record.source.benchmark} if sum(shares[:2]) else set()
    has_test = [False] * len(number)
    for cluster, record in zip(clusters, records, strict=True):
        sizes[cluster] += 1
        has_test[cluster] = has_test[cluster] or record.source.dataset in tested
        names = labels[cluster].union(finding.label for finding in record.findings)
        labels[cluster] = known.setdefault(names, names)
    per_stratum = {(names, told): [0, 0, 0] for names in known for told in (False, True)}
    shuffled = np.random.default_rng(seed).permutation(len(number))
    # stable: large clusters first, they are the hardest to place
    order = shuffled[np.argsort(-np.array(sizes)[shuffled], kind="stable")].tolist()
    # plain numbers: calling numpy for three costs more
    allowed = {told: _parts((*shares[:2], 0.0) if told else shares) for told in {False, bool(tested)}}
    total, everywhere = {told: [0, 0, 0] for told in allowed}, dict.fromkeys(allowed, 0)
    split_of = [SPLITS[0]] * len(number)
    for cluster in order:
        if cluster in kept:
            split_of[cluster] = "test"
            continue
        size, told = sizes[cluster], has_test[cluster]
        counts = per_stratum[labels[cluster], told]
        here, everywhere[told] = sum(counts) + size, everywhere[told] + size
        lack = [
            share * here - counts[k] + 0.5 * (share * everywhere[told] - total[told][k]) for k, share in allowed[told]
        ]
        chosen = allowed[told][lack.index(max(lack))][0]
        counts[chosen] += size
        total[told][chosen] += size
        split_of[cluster] = SPLITS[chosen]
    return [_in_split(record, split_of[cluster]) for record, cluster in zip(records, clusters, strict=True)]


def _parts(shares: tuple[float, float, float]) -> list[tuple[int, float]]:
    """The number and the part of each split that gets any; the parts add up to 1."""
    return [(k, share / sum(shares)) for k, share in enumerate(shares) if share]


def _in_split(record: Record, split: Split) -> Record:
    """The record in that split: ``dataclasses.replace`` in a fifth of its time, which counts for a million."""
    out = object.__new__(type(record))
    vars(out).update(vars(record), split=split)
    return out
