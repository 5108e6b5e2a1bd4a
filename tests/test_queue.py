"""The order of use: signals take turns in their shares, a random sample is spread among them, nothing is lost.

Records have one finding, an ulcer in [10, 10, 50, 50] of an image of 100 x 100, unless a test says otherwise.
"""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest

from unveil.core.records import Finding, Record
from unveil.review import queue
from unveil.review.suggestions import Opinion, Suggestion

BOX = (10.0, 10.0, 50.0, 50.0)
RECORD = Record("r", "r.png", 100, 100, findings=(Finding("ulcer", BOX),), completeness="exhaustive")


def says(label: str, box: tuple[float, float, float, float], confidence: float | None = 0.8) -> Suggestion:
    return Suggestion("sft", label, box, confidence)


ELSEWHERE = (60.0, 60.0, 90.0, 90.0)


@pytest.mark.parametrize(
    ("suggestions", "told"),
    [
        ([says("ulcer", BOX)], []),
        ([says("ulcer", (10.0, 10.0, 50.0, 32.0))], []),  # IoU 0.55: a matter of taste
        ([says("ulcer", (10.0, 10.0, 50.0, 26.0))], [("place differs", 0.6)]),  # IoU 0.4
        ([says("ulcer", ELSEWHERE)], [("place differs", 1.0)]),
        ([says("polyp", BOX)], [("name differs", 0.8)]),
        ([says("polyp", BOX, None)], [("name differs", queue.UNKNOWN)]),
        ([says("polyp", ELSEWHERE)], [("not annotated", 0.8), ("not seen", 1.0)]),
        ([says("ulcer", BOX), says("polyp", ELSEWHERE, 0.6)], [("not annotated", 0.6)]),
        ([], [("not seen", 1.0)]),
    ],
)
def test_differences(suggestions: list[Suggestion], told: list[tuple[queue.Signal, float]]) -> None:
    found = [*queue.differences(RECORD, suggestions, str.lower)]
    assert [signal for signal, _ in found] == [signal for signal, _ in told]
    assert [value for _, value in found] == pytest.approx([value for _, value in told])


def test_an_opinion_without_places_differs_from_none() -> None:
    """A model that was not asked for all places, or whose answer could not be read, denies nothing."""
    assert queue.signals_of(RECORD, [Opinion("sft")], str.lower) == {}
    assert queue.signals_of(RECORD, [Opinion("sft", placed=True)], str.lower) == {"not seen": 1.0}


def test_presence() -> None:
    """P(yes) 0.1 speaks against a finding by 0.9; of an image without any it speaks for nothing, and where nobody has
    said that all is annotated a yes is no contradiction."""
    clean = Record("n", "n.png", 100, 100, completeness="exhaustive")
    asked = [(RECORD, 0.1), (clean, 0.1), (clean, 0.7), (Record("u", "u.png", 100, 100), 0.7)]
    found = [queue.signals_of(r, [Opinion("sft", abnormal=p)], str.lower)["presence differs"] for r, p in asked]
    assert found == pytest.approx([0.9, 0.0, 0.7, 0.0])


def test_low_confidence_and_nearness_to_the_decision() -> None:
    """The least sure box counts; of 0.5 against 0.5 a decision is nearest."""
    opinion = Opinion("sft", (says("ulcer", BOX, 0.9), says("ulcer", BOX, 0.3)), True, 0.75)
    found = queue.signals_of(RECORD, [opinion], str.lower)
    assert found["low confidence"] == pytest.approx(0.7) and found["near the decision"] == pytest.approx(0.5)


def test_rarity() -> None:
    """Of three records with an ulcer one has a polyp too: 1/1 there, 1/3 elsewhere, 0 without findings."""
    both = Record("b", "b.png", 100, 100, findings=(Finding("ulcer", BOX), Finding("polyp", BOX)))
    rarity = queue.rarity([RECORD, RECORD, both, Record("n", "n.png", 100, 100)])
    assert [rarity(r) for r in (RECORD, both, Record("n", "n.png", 100, 100))] == [pytest.approx(1 / 3), 1.0, 0.0]


def test_signals_take_turns_in_their_shares() -> None:
    """Of ten rounds of turns, all signals having plenty; none comes three times in a row."""
    signals = {n: {name: (n % 97 + 1) / 100} for n, name in enumerate([*queue.TURNS] * 50)}
    order = queue.by_use(signals, 0.0, 0)
    whys = [queued.why for queued in order[: 10 * sum(queue.TURNS.values())]]
    assert Counter(whys) == {name: 10 * turns for name, turns in queue.TURNS.items()}
    assert not any(a == b == c for (a, b), (_, c) in pairwise(pairwise(whys)))
    of_one = [queued.value or 0 for queued in order if queued.why == "wrong answer"]
    assert of_one == sorted(of_one, reverse=True)


def test_what_is_merely_not_known_well_comes_after_what_contradicts() -> None:
    """An item of both kinds comes by the contradiction, and once."""
    signals: dict[int, dict[queue.Signal, float]] = {n: {"low confidence": 1.0, "rare finding": 1.0} for n in range(20)}
    signals |= {n: {"name differs": 0.01 + n / 100, "low confidence": 1.0} for n in range(10, 15)}
    order = queue.by_use(signals, 0.0, 0)
    assert [(queued.number, queued.why) for queued in order[:5]] == [(n, "name differs") for n in range(14, 9, -1)]
    assert {queued.why for queued in order[5:]} == {"low confidence", "rare finding"} and len(order) == 20


@pytest.mark.parametrize("share", [0.0, 0.2, 1.0])
def test_all_items_come_once_and_the_sample_is_spread(share: float) -> None:
    """Of a hundred items, a share of 0.2 of them as one of each five, give or take two; item 0, of which no signal
    tells, is a random one too."""
    signals: dict[int, dict[queue.Signal, float]] = {n: {"not annotated": n / 100} for n in range(100)}
    order = queue.by_use(signals, share, 3)
    assert sorted(queued.number for queued in order) == list(range(100))
    sample = {queued.number for queued in queue.at_random([*signals], 3)[: round(100 * share)]}
    assert {queued.number for queued in order if queued.why == queue.RANDOM} == sample | {0}
    places = [place for place, queued in enumerate(order) if queued.number in sample]
    assert all(abs(sum(p < end for p in places) - share * end) <= 2 for end in range(0, 100, 10))


def test_the_sample_is_the_same_whatever_the_signals_say() -> None:
    """Else what is doubted would be missing from it, and the share of errors in it too low."""
    plain: dict[int, dict[queue.Signal, float]] = {n: {} for n in range(50)}
    doubted: dict[int, dict[queue.Signal, float]] = {n: {"check": 1.0} for n in range(50)}
    sample = {queued.number for queued in queue.by_use(doubted, 0.2, 1) if queued.why == queue.RANDOM}
    assert sample == {queued.number for queued in queue.at_random([*plain], 1)[:10]}


def test_each_item_goes_to_as_many_readers_as_are_asked_for() -> None:
    order = queue.as_in_file(range(10))
    dealt = queue.dealt(order, ("anna", "ben", "carla"), 2)
    readers = Counter(queued.number for of in dealt.values() for queued in of.entries)
    assert set(readers.values()) == {2} and {len(of) for of in dealt.values()} == {6, 7}
    found = dealt["anna"].find(0)
    assert found and found.number == 0 and dealt["anna"].find(2) is None
