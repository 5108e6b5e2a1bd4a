"""Splits keep clusters together, meet their shares, and are those of their formula."""

from __future__ import annotations

import dataclasses
import time
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unveil.core.records import (
    SPLITS,
    Finding,
    Record,
    RecordError,
    Source,
    Split,
)
from unveil.core.splits import assign_splits, connected


def test_connected_components_by_hand() -> None:
    """a-b, c-d and b-e: {a, b, e}, {c, d} and {f} alone, numbered as they appear."""
    assert connected([("a", "b"), ("c", "d"), ("e", "b")], "fabcde") == {"f": 0, "a": 1, "b": 1, "c": 2, "d": 2, "e": 1}
    assert connected([], "ab") == {"a": 0, "b": 1}
    assert connected([("a", "a"), ("a", "b"), ("b", "a")], "ba") == {"b": 0, "a": 0}


@given(st.lists(st.tuples(st.integers(0, 19), st.integers(0, 19)), max_size=30))
def test_connected_is_an_equivalence(pairs: list[tuple[int, int]]) -> None:
    """Against growing sets until nothing changes."""
    items = [str(i) for i in range(20)]
    groups = {i: {i} for i in items}
    for a, b in ((str(a), str(b)) for a, b in pairs):
        merged = groups[a] | groups[b]
        groups.update(dict.fromkeys(merged, merged))
    numbers = connected([(str(a), str(b)) for a, b in pairs], items)
    assert all((numbers[a] == numbers[b]) == (b in groups[a]) for a in items for b in items)
    assert sorted(set(numbers.values())) == list(range(len({id(g) for g in groups.values()})))


def of_patients(sizes: list[int], labels: str = "x") -> list[Record]:
    """Patients with so many images each; label sets taken in turn."""
    return [
        Record(f"{p}-{i}", "i.png", 1, 1, patient=str(p), findings=(Finding(labels[p % len(labels)]),))
        for p, size in enumerate(sizes)
        for i in range(size)
    ]


@given(
    st.lists(st.integers(1, 9), min_size=1, max_size=60),
    st.sampled_from([(0.7, 0.1, 0.2), (0.5, 0.25, 0.25), (8, 1, 1), (1, 0, 0), (0.5, 0, 0.5)]),
    st.integers(0, 5),
)
def test_splits_keep_patients_together_and_meet_the_shares(sizes: list[int], shares: tuple, seed: int) -> None:
    """With one label set each split ends within the largest patient's size of its share; a share of 0 gets nothing."""
    rows = assign_splits(of_patients(sizes), shares, seed)
    assert [r.id for r in rows] == [r.id for r in of_patients(sizes)]
    assert all(len({r.split for r in rows if r.patient == p}) == 1 for p in {r.patient for r in rows})
    counts = Counter(r.split for r in rows)
    for name, share in zip(SPLITS, shares, strict=True):
        wanted = share / sum(shares) * len(rows)
        assert abs(counts[name] - wanted) <= max(sizes)
        assert share > 0 or counts[name] == 0
    assert rows == assign_splits(of_patients(sizes), shares, seed)


def test_splits_depend_on_the_seed() -> None:
    rows = of_patients([1] * 40)
    assert assign_splits(rows, seed=0) != assign_splits(rows, seed=1)


def test_splits_of_many_patients_take_moments() -> None:
    """Seconds that grow with the patients, not with their square: 50,000 would take ten."""
    rows = of_patients([1] * 50_000)
    started = time.process_time()
    assign_splits(rows)
    assert time.process_time() - started < 4


def test_the_dealing_is_that_of_its_formula() -> None:
    """Against the formula in arrays, cluster by cluster: the same splits to the last record for the same seed."""
    rows = of_patients([(7 * p) % 5 + 1 for p in range(300)], "abc")
    clusters: dict[str, list[int]] = {}
    for i, row in enumerate(rows):
        clusters.setdefault(row.cluster, []).append(i)
    shuffled = [list(clusters)[i] for i in np.random.default_rng(3).permutation(len(clusters))]
    wanted, total = np.array([0.6, 0.1, 0.3]), np.zeros(3)
    stratum = {label: np.zeros(3) for label in "abc"}
    expected: dict[int, Split] = {}
    for cluster in sorted(shuffled, key=lambda c: -len(clusters[c])):
        members = clusters[cluster]
        counts, size = stratum[rows[members[0]].findings[0].label], len(members)
        lack = wanted * (counts.sum() + size) - counts + 0.5 * (wanted * (total.sum() + size) - total)
        chosen = int(lack.argmax())
        counts[chosen] += size
        total[chosen] += size
        expected |= dict.fromkeys(members, SPLITS[chosen])
    dealt = assign_splits(rows, (0.6, 0.1, 0.3), 3)
    assert dealt == [dataclasses.replace(row, split=expected[i]) for i, row in enumerate(rows)]


@pytest.mark.parametrize("shares", [(0, 0, 0), (1, -1, 1), (1, float("nan"), 1), (1, float("inf"), 1)])
def test_shares_that_are_none(shares: tuple) -> None:
    with pytest.raises(RecordError, match="shares of train, val, test are numbers from 0"):
        assign_splits(of_patients([1]), shares)


def test_every_split_sees_every_kind() -> None:
    """60 patients of one image with three label sets: 20 each, of which 14, 2 and 4 are 0.7, 0.1 and 0.2."""
    rows = assign_splits(of_patients([1] * 60, "abc"))
    for label in "abc":
        counts = Counter(r.split for r in rows if r.findings[0].label == label)
        assert all(abs(counts[s] - n) <= 1 for s, n in zip(SPLITS, (14, 2, 4), strict=True)), counts


@given(
    st.lists(st.tuples(st.integers(1, 5), st.booleans()), min_size=1, max_size=30),
    st.sampled_from([(0.7, 0.1, 0.2), (1, 0, 0), (0, 0, 1)]),
    st.integers(0, 5),
)
def test_a_benchmarks_test_images_stay_in_test(patients: list[tuple[int, bool]], shares: tuple, seed: int) -> None:
    """With all that belongs to them. The others are shared among train and val alone, within the largest patient."""
    rows = of_patients([size for size, _ in patients])
    held = {str(p) for p, (_, benchmark) in enumerate(patients) if benchmark}
    marks = [Source("s", benchmark="b" if r.patient in held and r.id.endswith("-0") else None) for r in rows]
    dealt = assign_splits([dataclasses.replace(r, source=s) for r, s in zip(rows, marks, strict=True)], shares, seed)
    assert all(r.split == "test" for r in dealt if r.patient in held)
    assert all(len({r.split for r in dealt if r.patient == p}) == 1 for p in {r.patient for r in dealt})
    rest = Counter(r.split for r in dealt if r.patient not in held)
    if held and sum(shares[:2]):
        assert rest["test"] == 0
        assert abs(rest["val"] - shares[1] / sum(shares[:2]) * rest.total()) <= max(size for size, _ in patients)
    if not held:
        assert dealt == assign_splits([dataclasses.replace(r, source=Source("s")) for r in rows], shares, seed)


def test_a_set_beside_a_benchmark_has_a_test_part_of_its_own() -> None:
    """Of 20 patients of another set 4 are tested; of the benchmark's 20, half of them its test images, no others."""
    rows = of_patients([1] * 40)
    marks = [Source("b", benchmark="b" if i < 10 else None) if i < 20 else Source("own") for i in range(40)]
    dealt = assign_splits([dataclasses.replace(row, source=mark) for row, mark in zip(rows, marks, strict=True)])
    counts = {name: Counter(r.split for r in dealt if r.source.dataset == name) for name in ("b", "own")}
    assert counts["own"] == {"train": 14, "val": 2, "test": 4} and counts["b"]["test"] == 10
