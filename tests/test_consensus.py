"""One truth from several readers: joined boxes, votes and confidences, worked out by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from unveil.core.geometry import Box
from unveil.core.records import Finding
from unveil.ingest.consensus import RULES, Mark, agreed, fused, has_read, majority, rule_of, union, wbf
from unveil.ingest.reading import IngestError

#: Three readers see one nodule: IoU of the first two 81/90 = 0.9; the third is elsewhere, over a tenth of both.
A, B, FAR = (0.0, 0.0, 10.0, 9.0), (0.0, 0.0, 10.0, 10.0), (9.0, 0.0, 19.0, 10.0)


def mark(reader: str, box: Box | None, label: str = "nodule", confidence: float = 1.0, **words: str) -> Mark:
    return Mark(reader, Finding(label, box, attributes=words), confidence)


def shown(findings: list[Finding]) -> list[tuple[str, Box | None, str]]:
    return [(f.label, f.box, f.attributes["readers"]) for f in findings]


def test_the_union_joins_what_is_at_the_same_place() -> None:
    """The mean of A and B is (0, 0, 10, 9.5); FAR stays alone; another name at A is another finding."""
    marks = [mark("r1", A), mark("r2", B), mark("r3", FAR), mark("r3", A, "mass")]
    assert shown(union(marks, {"r1", "r2", "r3"})) == [
        ("nodule", (0, 0, 10, 9.5), "2 of 3"),
        ("nodule", FAR, "1 of 3"),
        ("mass", A, "1 of 3"),
    ]


@pytest.mark.parametrize(("readers", "kept"), [("r1 r2 r3", 1), ("r1 r2", 1), ("r1 r2 r3 r4", 0)])
def test_the_majority_is_more_than_half_of_all_who_read(readers: str, kept: int) -> None:
    """Two of three and two of two are more than half, two of four are not: r4 found nothing, which is a vote."""
    assert len(majority([mark("r1", A), mark("r2", B)], set(readers.split()))) == kept


def test_a_reader_who_marks_twice_votes_once() -> None:
    assert majority([mark("r1", A), mark("r1", B)], {"r1", "r2"}) == []


def test_labels_without_boxes_agree_by_their_name() -> None:
    marks = [mark("r1", None), mark("r2", None), mark("r2", A), mark("r3", None, "mass")]
    assert shown(majority(marks, {"r1", "r2", "r3"})) == [("nodule", None, "2 of 3")]


def test_weighted_boxes_fusion() -> None:
    """Weights .9 and .3: the lower edge is (.9 * 9 + .3 * 10) / 1.2 = 9.25, the confidence (.9 + .3)/2 * 2/3 = .4;
    alone it is .6 * 1/3 = .2."""
    marks = [mark("r2", B, confidence=0.3), mark("r1", A, confidence=0.9, side="left"), mark("r3", FAR, confidence=0.6)]
    one, other = wbf(marks, {"r1", "r2", "r3"})
    assert one.box == pytest.approx((0, 0, 10, 9.25)) and other.box == FAR
    assert one.attributes == {"side": "left", "readers": "2 of 3", "confidence": "0.4"}
    assert other.attributes == {"readers": "1 of 3", "confidence": "0.2"}


def test_a_box_goes_to_the_fused_box_that_it_overlaps_most() -> None:
    """(5, 0, 15, 10) overlaps B and (8, 0, 18, 10) by 5/15 and 7/13: only the second by half."""
    second = (8.0, 0.0, 18.0, 10.0)
    found = fused([mark("r1", B), mark("r1", second), mark("r2", (5.0, 0.0, 15.0, 10.0))], 0.5)
    assert [f.box for f in found] == [B, (6.5, 0, 16.5, 10)]


@pytest.mark.parametrize("rule", RULES)
def test_nobody_marked_anything(rule: str) -> None:
    assert RULES[rule]([], {"r1"}) == []


def seen(box: Box | None, *readers: str, label: str = "nodule", phrase: str | None = None) -> Finding:
    return Finding(label, box, phrase=phrase, readers=readers)


@pytest.mark.parametrize(
    ("rule", "expected", "dropped"),
    [
        ("keep", [(A, ("r1",)), (B, ("r2",)), (FAR, ("r3",)), (None, ("r1", "r2", "r3"))], False),
        ("union", [((0, 0, 10, 9.5), ("r1", "r2")), (FAR, ("r3",)), (None, ("r1", "r2", "r3"))], False),
        ("majority", [((0, 0, 10, 9.5), ("r1", "r2")), (None, ("r1", "r2", "r3"))], True),
        ("all", [(None, ("r1", "r2", "r3"))], True),
        ("r2", [(B, ("r2",)), (None, ("r1", "r2", "r3"))], True),
    ],
)
def test_what_three_readers_agree_on(
    rule: str, expected: list[tuple[Box | None, tuple[str, ...]]], dropped: bool
) -> None:
    """Two of three meet at A and B, one marks FAR, all say the name without a place."""
    found, lost = agreed(
        [seen(A, "r1"), seen(B, "r2"), seen(FAR, "r3"), seen(None, "r1", "r2", "r3")], ["r1", "r2", "r3"], rule
    )
    assert [(f.box, f.readers) for f in found] == expected and lost is dropped


def test_one_reader_agrees_with_himself() -> None:
    """Nothing is joined or counted; and what nobody's name stands under counts under each."""
    marks = [seen(A, "r1"), seen(B, "r1"), seen(FAR)]
    assert agreed(marks, ["r1"], "all") == (marks, False)
    assert agreed(marks, ["r1", "r2"], "r2") == ([seen(FAR)], True)


def test_phrases_are_told_apart() -> None:
    """Two sentences at one place stay two."""
    found, _ = agreed([seen(A, "r1", phrase="one"), seen(A, "r2", phrase="two")], ["r1", "r2"], "union")
    assert [(f.phrase, f.readers) for f in found] == [("one", ("r1",)), ("two", ("r2",))]


def test_what_the_option_may_say() -> None:
    """A set's own rule where nothing is said; a name that nobody has is refused, and the names told."""
    assert rule_of(None, ["R1"]) == "keep" and rule_of(None, ["R1"], "union") == "union"
    assert rule_of("all", []) == "all" and rule_of("R1", ["R1"], "union") == "R1"
    with pytest.raises(IngestError, match="R2 is none of keep, union, all, majority, wbf, nor a reader: R1"):
        rule_of("R2", ["R1"])
    assert has_read("R1", ["R1", "R2"]) and has_read("all", []) and not has_read("R1", ["R2"])


def test_a_mask_of_one_reader_is_none_of_a_fused_box() -> None:
    """Who alone marked a place keeps the mask; of two readers' masks neither fits the mean of their boxes."""
    mask = {"size": [100, 100], "counts": "x"}
    first, second = (replace(seen(box, reader), mask=mask) for box, reader in ((A, "r1"), (B, "r2")))
    alone, _ = agreed([first], ["r1", "r2"], "union")
    both, _ = agreed([first, second], ["r1", "r2"], "union")
    assert alone[0].mask == mask and len(both) == 1 and both[0].mask is None
