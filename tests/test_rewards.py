"""Rewards of small answers by hand, what they add up to, and that cheating does not pay."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import logged
from unveil.core.answered import Answered, Attention
from unveil.core.box_formats import SYNTAXES, View
from unveil.core.geometry import Box
from unveil.core.grading import grade
from unveil.core.plugins import PluginError
from unveil.core.records import Dialogue, Finding, Kind, Record
from unveil.rl.rewards import (
    FUNCTIONS,
    Combination,
    Reward,
    RewardError,
    category,
    detection,
    form,
    hits,
    localisation,
    named,
    relevance,
    shares,
    similarity,
    spread,
    tightened,
    vision,
    vision_lift,
    watched,
    weighted,
)

SIZE = (100, 100)
UNIT = View(SYNTAXES["unit"], SIZE, SIZE)
NAMES = ["cyst", "mass", "nodule"]
COMBINATIONS: tuple[Combination, ...] = get_args(Combination)
#: The left upper quarter of the image, the upper half of the right lower one, and the right half of the first.
AT_NODULE, AT_CYST, HALF = (0.0, 0.0, 50.0, 50.0), (50.0, 50.0, 100.0, 75.0), (25.0, 0.0, 50.0, 50.0)
NODULE, CYST, UNPLACED = Finding("nodule", AT_NODULE), Finding("cyst", AT_CYST), Finding("nodule")


def totals(parts: Any, rewards: Any, usable: Any, how: Combination = "max") -> Any:
    """Each answer's reward: what all of them add."""
    return sum(shares(parts, rewards, usable, how).values(), np.zeros(usable.shape))


def answered(
    kind: Kind,
    text: str,
    *findings: Finding,
    target: str | None = None,
    answer: str = "",
    complete: bool = True,
    cut: bool = False,
    **more: Any,
) -> Answered:
    """An answer to a question on an image with these findings."""
    record = Record("a", "a.png", *SIZE, findings=findings, completeness="exhaustive" if complete else "partial")
    dialogue = Dialogue("a/q", "a", "a.png", "train", kind, "?", answer, target)
    return Answered(grade(dialogue, record, text, UNIT, NAMES, cut), **more)


def diagnosis(names: str, *boxes: Box, verdict: str = "abnormal") -> str:
    """A diagnosis in three steps, boxes as the model writes them."""
    return f"Detection: {verdict}.\nLocalisation: {at(*boxes)}.\nRecognition: {names}."


def at(*boxes: Box) -> str:
    return "; ".join(map(UNIT.write, boxes)) or "none"


NORMAL = diagnosis("nothing abnormal", verdict="normal")


# ---------------------------------------------------------------------------------------------------------------- where


@pytest.mark.parametrize(
    ("boxes", "expected"),
    [
        ((AT_NODULE, AT_CYST), 1),
        ((AT_CYST, AT_NODULE), 1),  # in any order
        ((HALF, AT_CYST), 3 / 4),  # 25 of 50 columns: 1/2, and 1
        ((AT_NODULE,), 1 / 2),  # one of two is missing
        ((AT_NODULE, AT_CYST, (80.0, 0.0, 90.0, 10.0)), 2 / 3),  # one of three is too many
        ((HALF, HALF), 1 / 4),  # one place is hit once
        ((), 0),
    ],
)
def test_localisation_by_hand(boxes: tuple[Box, ...], expected: float) -> None:
    said = diagnosis("; ".join(["nodule"] * len(boxes)), *boxes)
    assert localisation(answered("diagnosis", said, NODULE, CYST)) == pytest.approx(expected)


def test_none_where_there_is_none() -> None:
    assert localisation(answered("diagnosis", NORMAL)) == 1
    assert localisation(answered("diagnosis", diagnosis("nodule", AT_NODULE))) == 0


def test_a_box_outside_of_the_image_is_none() -> None:
    """Up to 1.5 of the width: not a box, so nothing was said. Up to 1.001 is rounding, and is cut at the edge."""
    assert localisation(answered("localisation", "[0.000, 0.000, 1.500, 0.500]", NODULE, target="nodule")) == 0
    whole = Finding("nodule", (50.0, 50.0, 100.0, 100.0))
    assert localisation(answered("localisation", "[0.500, 0.500, 1.001, 1.001]", whole, target="nodule")) == 1


@pytest.mark.parametrize(
    ("said", "complete", "expected"),
    [("There is no mass.", True, 1), (at(HALF), True, 0), ("There is no mass.", False, None), (at(HALF), False, None)],
)
def test_the_place_of_what_is_not_there(said: str, complete: bool, expected: float | None) -> None:
    """A mass is absent, which only an exhaustive annotation proves."""
    assert localisation(answered("localisation", said, NODULE, target="mass", complete=complete)) == expected


def test_only_what_the_question_is_about() -> None:
    """Asked for the cyst, in other letters, the nodule is a surplus box; its unknown place is no hindrance."""
    assert localisation(answered("localisation", at(AT_CYST), NODULE, CYST, target="Cyst")) == 1
    assert localisation(answered("localisation", at(AT_CYST, AT_NODULE), NODULE, CYST, target="cyst")) == 1 / 2
    assert localisation(answered("localisation", at(AT_CYST), UNPLACED, CYST, target="cyst")) == 1


def test_a_place_that_is_not_known_gives_no_verdict() -> None:
    """One of the findings has no box: neither the image's boxes nor those of its name are all known."""
    assert localisation(answered("diagnosis", diagnosis("cyst", AT_CYST), UNPLACED, CYST)) is None
    assert localisation(answered("localisation", at(HALF), UNPLACED, NODULE, target="nodule")) is None
    assert localisation(answered("diagnosis", NORMAL, complete=False)) is None


@pytest.mark.parametrize("kind", ["detection", "recognition", "closed", "open"])
def test_other_questions_have_no_place(kind: Kind) -> None:
    """A recognition question says the place itself."""
    one = answered(kind, "Yes.", NODULE, target="<box 0.00 0.00 50.00 50.00>")
    values = [localisation(one), hits(0.5)(one), vision(one), vision_lift(one)]
    assert values == [None] * 4


@pytest.mark.parametrize(
    ("boxes", "threshold", "expected"),
    [
        ((HALF, AT_CYST), 0.5, 1),  # IoU 1/2 is enough for 1/2
        ((HALF, AT_CYST), 0.6, 1 / 2),
        ((HALF,), 0.5, 1 / 2),  # the cyst is missing
        ((AT_NODULE, AT_CYST, (80.0, 0.0, 90.0, 10.0)), 0.5, 2 / 3),
        ((), 0.5, 0),
    ],
)
def test_hits_by_hand(boxes: tuple[Box, ...], threshold: float, expected: float) -> None:
    said = diagnosis("; ".join(["nodule"] * len(boxes)), *boxes)
    assert hits(threshold)(answered("diagnosis", said, NODULE, CYST)) == pytest.approx(expected)


def test_hits_where_there_is_none_or_where_it_is_not_known() -> None:
    assert hits(0.5)(answered("diagnosis", NORMAL)) == 1
    assert hits(0.5)(answered("diagnosis", diagnosis("nodule", AT_NODULE))) == 0
    assert hits(0.5)(answered("diagnosis", NORMAL, complete=False)) is None


def test_half_is_half_after_rounding_too() -> None:
    """7 of 14 columns, written as 0.070 to 0.140 of 100, which are 7.000000000000001 and 14.000000000000002."""
    true, said = Finding("nodule", (0.0, 10.0, 14.0, 30.0)), at((7.0, 10.0, 14.0, 30.0))
    one = answered("localisation", said, true, target="nodule")
    assert one.outcome.right and hits(0.5)(one) == 1


# --------------------------------------------------------------------------------------------------------- looked where

#: Four patches, the quarters of the image, row after row. The nodule covers the first, the cyst half of the last.
PATCHES = np.array([[0, 0, 50, 50], [50, 0, 100, 50], [0, 50, 50, 100], [50, 50, 100, 100]], float)


def looking(**shares: Sequence[float]) -> dict[str, Attention]:
    return {name: Attention(np.array(values), PATCHES) for name, values in shares.items()}


AT_BOTH = looking(nodule=(0.5, 0.2, 0.2, 0.1), cyst=(0.3, 0.2, 0.1, 0.4))


def seen(*findings: Finding, attention: dict[str, Attention] | None, names: str = "nodule", **more: Any) -> Answered:
    return answered("diagnosis", diagnosis(names, AT_NODULE), *findings, attention=attention, **more)


def test_vision_by_hand() -> None:
    """The word nodule pays 0.5 to the first patch, the word cyst 0.4 to the last, half of which is the cyst's: 0.2."""
    assert vision(seen(NODULE, attention=AT_BOTH)) == pytest.approx(0.5)
    assert vision(seen(CYST, attention=AT_BOTH, names="cyst")) == pytest.approx(0.2)
    assert vision(seen(NODULE, CYST, attention=AT_BOTH, names="nodule; cyst")) == pytest.approx(0.35)


def test_vision_of_what_is_not_named() -> None:
    """Nothing for a category that is there and not named: of two, half of the other's; none named, 0."""
    only = {"nodule": AT_BOTH["nodule"]}
    assert vision(seen(NODULE, CYST, attention=only)) == pytest.approx(0.25)
    assert vision(seen(NODULE, attention={}, names="none")) == 0


def test_vision_of_what_is_named_and_not_there() -> None:
    """Nothing for it, and it counts: 0.5 of one, then of two and of three; a wrong name alone, 0.

    So naming all three scores 0.7 / 3 where two are there, less than the 0.35 of these.
    """
    only = {"nodule": AT_BOTH["nodule"]}
    assert vision(seen(NODULE, attention=only, names="nodule; mass")) == pytest.approx(0.5 / 2)
    assert vision(seen(NODULE, attention=only, names="mass; nodule; cyst")) == pytest.approx(0.5 / 3)
    assert vision(seen(NODULE, CYST, attention=AT_BOTH, names="nodule; cyst; mass")) == pytest.approx(0.7 / 3)
    assert vision(seen(CYST, attention=only)) == 0


def test_vision_of_attention_to_what_is_not_there() -> None:
    """The cyst's word looks at the nodule as well, to no avail."""
    both = looking(nodule=(0.5, 0.2, 0.2, 0.1), cyst=(1.0, 0.0, 0.0, 0.0))
    assert vision(seen(NODULE, attention=both, names="nodule; cyst")) == pytest.approx(0.5 / 2)


def test_vision_of_a_name_that_is_said_twice() -> None:
    """Right or wrong, it is one category: (0.5 + 0) / 2."""
    assert vision(seen(NODULE, attention=AT_BOTH, names="nodule; nodule; mass; mass")) == pytest.approx(0.5 / 2)


def test_vision_of_a_category_in_two_places() -> None:
    """One word for both: 0.5 for the first patch, 0.1 for the last, and their category counts once."""
    again = Finding("nodule", (50.0, 50.0, 100.0, 100.0))
    assert vision(seen(NODULE, again, attention=AT_BOTH)) == pytest.approx(0.6)
    both = seen(NODULE, again, CYST, attention=AT_BOTH, names="nodule; cyst")
    assert vision(both) == pytest.approx((0.6 + 0.2) / 2)


def test_vision_knows_a_name_by_its_letters() -> None:
    """The annotation's Nodule is what answers call nodule."""
    assert vision(seen(Finding("Nodule", AT_NODULE), attention=AT_BOTH)) == pytest.approx(0.5)


def test_vision_without_a_verdict() -> None:
    """Attention was not read; there is no finding, or nobody knows; a box is missing; no diagnosis was asked for."""
    assert vision(seen(NODULE, attention=None)) is None
    assert vision(seen(attention=AT_BOTH)) is None
    assert vision(seen(attention=AT_BOTH, complete=False)) is None
    assert vision(seen(UNPLACED, attention=AT_BOTH)) is None
    assert vision(answered("localisation", at(AT_NODULE), NODULE, target="nodule", attention=AT_BOTH)) is None


def test_vision_lift_by_hand() -> None:
    """0.5 on a quarter of the image is 2 times chance, 0.2 on an eighth 1.6 times; what is not named is left out."""
    assert vision_lift(seen(NODULE, CYST, attention=AT_BOTH)) == pytest.approx((2 + 1.6) / 2)
    assert vision_lift(seen(NODULE, CYST, attention={"cyst": AT_BOTH["cyst"]})) == pytest.approx(1.6)
    even = looking(nodule=(0.25,) * 4, cyst=(0.25,) * 4)
    assert vision_lift(seen(NODULE, CYST, attention=even)) == pytest.approx(1)


def test_vision_lift_without_a_verdict() -> None:
    assert vision_lift(seen(NODULE, attention=None)) is None
    assert vision_lift(seen(NODULE, attention={})) is None
    assert vision_lift(seen(CYST, attention={"nodule": AT_BOTH["nodule"]})) is None
    assert vision_lift(seen(attention=AT_BOTH)) is None


# ------------------------------------------------------------------------------------------------------------ said what


def test_relevance_is_the_judge_s() -> None:
    """A judge's 0 is a score like another; where it cannot tell, the rules' 1 does not step in."""
    for score in (0.25, 0.0, None):
        right = answered("localisation", at(AT_NODULE), NODULE, target="nodule", relevance=score, judged=True)
        assert relevance(right) == score


def test_a_score_counts_where_a_judge_was_asked_only() -> None:
    assert relevance(answered("localisation", at(AT_NODULE), NODULE, target="nodule", relevance=0.25)) == 1


def test_relevance_without_a_judge_is_what_the_metrics_say() -> None:
    """A place has one ratio, its IoU of 1/2. An open answer has three: recall 1/2, F1 2 x 1 / 3 tokens, exact 0."""
    assert relevance(answered("localisation", at(HALF), NODULE, target="nodule")) == pytest.approx(1 / 2)
    assert relevance(answered("open", "lung", answer="left lung")) == pytest.approx((1 / 2 + 2 / 3) / 3)
    assert relevance(answered("detection", "Yes.", complete=False)) is None


def test_relevance_of_a_diagnosis_without_a_judge() -> None:
    """Abnormal, yes, and one of two names: (1 + 1/2) / 2, wherever the boxes are.

    Of a normal image nothing is proven where the annotation is not exhaustive. A judge comes first, in a diagnosis too.
    """
    for box in (AT_NODULE, HALF):
        said = diagnosis("nodule; mass", box, AT_CYST)
        assert relevance(answered("diagnosis", said, NODULE, CYST)) == pytest.approx(3 / 4)
        assert relevance(answered("diagnosis", said, NODULE, CYST, relevance=0.5, judged=True)) == 0.5
        assert relevance(answered("diagnosis", said, NODULE, CYST, judged=True)) is None
    assert relevance(answered("diagnosis", NORMAL)) == 1
    assert relevance(answered("diagnosis", NORMAL, NODULE)) == 0
    assert relevance(answered("diagnosis", NORMAL, complete=False)) is None


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ("nodule; cyst", 1),
        ("cyst; nodule", 1),
        ("nodule; mass", 1 / 2),
        ("nodule", 1 / 2),
        ("nodule; cyst; mass", 2 / 3),
        ("nodule; nodule; nodule; nodule", 1 / 4),
        ("none", 0),
    ],
)
def test_category_of_a_diagnosis_by_hand(names: str, expected: float) -> None:
    assert category(answered("diagnosis", diagnosis(names), NODULE, CYST)) == pytest.approx(expected)


def test_category_needs_no_place() -> None:
    assert category(answered("diagnosis", diagnosis("nodule"), UNPLACED)) == 1


def test_category_where_there_is_nothing() -> None:
    """An image without findings proves their absence where the annotation is exhaustive."""
    assert category(answered("diagnosis", NORMAL)) == 1
    assert category(answered("diagnosis", diagnosis("nodule"))) == 0
    assert category(answered("diagnosis", NORMAL, complete=False)) is None


@pytest.mark.parametrize(
    "said",
    [at(AT_NODULE), diagnosis("nothing abnormal", AT_NODULE, verdict="normal"), diagnosis("none", AT_NODULE, HALF)],
)
def test_boxes_without_names_are_not_nothing(said: str) -> None:
    """Who names nothing and points all the same has not said that there is nothing."""
    assert category(answered("diagnosis", said)) == 0


def test_category_of_a_region() -> None:
    """Its finding by name; nothing where there is none, if that is proven."""
    there, elsewhere = "<box 0.00 0.00 50.00 50.00>", "<box 0.00 90.00 10.00 100.00>"
    assert category(answered("recognition", "nodule.", NODULE, target=there)) == 1
    assert category(answered("recognition", "cyst.", NODULE, target=there)) == 0
    assert category(answered("recognition", "Nothing abnormal.", NODULE, target=elsewhere)) == 1
    assert category(answered("recognition", "cyst.", NODULE, target=elsewhere, complete=False)) is None


@pytest.mark.parametrize("kind", ["detection", "localisation", "closed", "open"])
def test_other_questions_ask_for_no_name(kind: Kind) -> None:
    assert category(answered(kind, "nodule", NODULE, target="nodule")) is None


@pytest.mark.parametrize(
    ("kind", "said", "findings", "expected"),
    [
        ("detection", "Yes.", (NODULE,), 1),
        ("detection", "No.", (NODULE,), 0),
        ("detection", "Yes.", (), 0),
        ("detection", "No.", (), 1),
        ("detection", "perhaps", (), 0),  # neither
        ("diagnosis", diagnosis("cyst", HALF), (UNPLACED,), 1),  # whatever and wherever
        ("diagnosis", NORMAL, (NODULE,), 0),
        ("diagnosis", NORMAL, (), 1),
        ("localisation", at(HALF), (NODULE,), None),
        ("closed", "Yes", (NODULE,), None),
    ],
)
def test_detection_by_hand(kind: Kind, said: str, findings: tuple[Finding, ...], expected: float | None) -> None:
    assert detection(answered(kind, said, *findings, target="nodule")) == expected


@pytest.mark.parametrize("said", [NORMAL, diagnosis("nodule", AT_NODULE)])
def test_detection_where_nothing_is_proven(said: str) -> None:
    assert detection(answered("diagnosis", said, complete=False)) is None


@pytest.mark.parametrize(
    ("kind", "said", "expected"),
    [
        ("diagnosis", diagnosis("nodule; cyst", AT_NODULE, AT_CYST), 1),
        ("diagnosis", diagnosis("mass", (0.0, 0.0, 1.0, 1.0)), 1),  # wrong, and in form
        ("diagnosis", NORMAL, 1),
        ("diagnosis", diagnosis("nodule; cyst", AT_NODULE), 0),  # a name without a box
        ("diagnosis", diagnosis("nodule", AT_NODULE, AT_CYST), 0),  # a box without a name
        ("diagnosis", diagnosis("nodule", AT_NODULE).replace("0.500]", "1.900]"), 0),  # leads outside
        ("diagnosis", "It is what it is.", 0),
        ("localisation", at(AT_NODULE, AT_CYST), 1),
        ("localisation", f"{at(AT_NODULE)}; [0.500, 0.500, 0.100, 0.900]", 0),  # inverted
        ("detection", "Yes.", 1),
        ("detection", "Yes and no.", 0),
        ("open", "  ", 0),
    ],
)
def test_form_by_hand(kind: Kind, said: str, expected: float) -> None:
    assert form(answered(kind, said, NODULE, CYST, target="nodule")) == expected


def test_an_answer_that_was_cut_is_out_of_form() -> None:
    assert form(answered("detection", "Yes.", NODULE, cut=True)) == 0


@pytest.mark.parametrize(
    ("said", "expected"), [("the left lung", 4 / 5), ("Left lung.", 1), ("right kidney", 0), ("", 0)]
)
def test_similarity_by_hand(said: str, expected: float) -> None:
    """Of "left lung": both of its words among three are 2 x 2 / (3 + 2)."""
    assert similarity(answered("open", said, answer="left lung")) == pytest.approx(expected)


# ------------------------------------------------------------------------------------------------------ one by its name


def giving(value: Any) -> Reward:
    return Reward("own", lambda answered: value)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, "1", [1.0], np.float64("nan")])
def test_what_is_no_number_is_refused(value: Any) -> None:
    """The message says which reward, and on which item."""
    with pytest.raises(RewardError, match=r"^a/q: reward own gave .*, not a finite number or None$"):
        giving(value)(seen(NODULE, attention=None))


def test_what_raises_is_told_with_the_item() -> None:
    def broken(answered: Answered) -> float:
        return 1 / 0

    with pytest.raises(RewardError, match=r"a/q: reward own raised ZeroDivisionError") as told:
        Reward("own", broken)(seen(NODULE, attention=None))
    assert isinstance(told.value.__cause__, ZeroDivisionError)


@pytest.mark.parametrize("value", [0, 1, -2.5, True, np.float32(0.5), np.int64(3)])
def test_any_finite_number_will_do(value: Any) -> None:
    found = giving(value)(seen(NODULE, attention=None))
    assert type(found) is float and found == value


def test_no_verdict_is_nan() -> None:
    assert math.isnan(giving(None)(seen(NODULE, attention=None)))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_rewards_by_name(name: str) -> None:
    """The relevance is a score already, and is the one that "max" leaves as it is."""
    assert named(name, 0.5) == Reward(name, FUNCTIONS[name], 0.5, scaled=name != "relevance")


def test_hits_by_name() -> None:
    """A place of IoU 1/2 is a hit at 0.5 and none at 0.6."""
    half = answered("localisation", at(HALF), NODULE, target="nodule")
    assert (named("hits@0.5", 1.0)(half), named("hits@0.6", 1.0)(half)) == (1, 0)
    assert named("hits@0.6", 2.0).name == "hits@0.6" and named("hits@0.6", 2.0).weight == 2


@pytest.mark.parametrize("threshold", ["x", "0.5.1", "0", "-0.5", "1.001", "50", "nan", "inf"])
def test_a_threshold_is_a_number(threshold: str) -> None:
    """Above 0, from which on all would be hits, and up to 1, above which nothing would be."""
    name = f"hits@{threshold}"
    with pytest.raises(RewardError, match=rf"^'{name}': a threshold is a number above 0 and up to 1, as in hits@0.5$"):
        named(name, 1.0)


def test_a_threshold_of_1_is_met_by_the_true_box() -> None:
    said = [answered("localisation", at(box), NODULE, target="nodule") for box in (AT_NODULE, HALF)]
    assert [named("hits@1", 1.0)(one) for one in said] == [1, 0]


@pytest.mark.parametrize(
    ("text", "name", "weight"),
    [
        ("form", "form", 1), ("form=0.5", "form", 0.5), ("vision=-2", "vision", -2), ("relevance=0", "relevance", 0),
        ("hits@0.6=1e-1", "hits@0.6", 0.1),
    ],
)  # fmt: skip
def test_rewards_with_weights(text: str, name: str, weight: float) -> None:
    found = weighted(text)
    assert (found.name, found.weight, found.scaled) == (name, weight, name != "relevance")


@pytest.mark.parametrize("weight", ["", "much", "1.2.3", ".", "-.", "nan", "inf", "-inf", "1/2"])
def test_a_weight_is_a_finite_number(weight: str) -> None:
    with pytest.raises(RewardError, match=rf"^'form={weight}': a weight is a number, as in form=0.5$"):
        weighted(f"form={weight}")


@pytest.mark.parametrize("name", ["luck", "hits", "hits@", "vision@0.5", ""])
def test_unknown_rewards_are_refused(name: str) -> None:
    with pytest.raises(RewardError, match=f"no reward '{name}': one of localisation, vision, .*hits@THRESHOLD, or FIL"):
        named(name, 1.0)


def test_a_reward_of_one_s_own(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text("def brief(answered):\n    return 1 / len(answered.text.split())\n")
    reward = named(f"{file}:brief", 0.5)
    assert (reward.name, reward.weight, reward.scaled) == ("mine.brief", 0.5, True)
    assert reward(answered("open", "left upper lung lobe", answer="lung")) == 1 / 4
    with pytest.raises(PluginError, match="has no function long"):
        named(f"{file}:long", 1.0)


@pytest.mark.parametrize(("mean", "expected"), [(0.0, 0.3), (0.3, 0.3), (0.5, 0.5), (0.75, 0.75), (0.9, 0.75)])
def test_the_threshold_follows_the_mean_within_bounds(mean: float, expected: float) -> None:
    assert tightened(mean) == expected


# -------------------------------------------------------------------------------------------------------------- the sum

NOBODY = Reward("nobody's", lambda answered: None)
PLACE, LOOK = Reward("place", NOBODY.function), Reward("look", NOBODY.function)
TOPIC = Reward("topic", NOBODY.function, scaled=False)


def added(
    how: Combination, usable: Sequence[Sequence[bool]] | None = None, **parts: tuple[Reward, list[list[float]]]
) -> list[list[float]]:
    """What parts, each a reward and its values, add up to; usable if not said otherwise."""
    values = {reward.name: np.array(rows, float) for reward, rows in parts.values()}
    shape = next(iter(values.values())).shape
    can = np.ones(shape, bool) if usable is None else np.array(usable)
    return totals(values, [reward for reward, _ in parts.values()], can, how).tolist()


def test_over_the_largest_by_hand() -> None:
    """Of 0.2, 0.4, 0 the largest is 0.4: 1/2, 1, 0. A group of nothing stays at 0. Each group has its own largest."""
    rows = [[0.2, 0.4, 0.0], [0.0, 0.0, 0.0], [0.5, 1.0, 1.0]]
    assert added("max", a=(PLACE, rows)) == [[0.5, 1.0, 0.0], [0.0, 0.0, 0.0], [0.5, 1.0, 1.0]]


def test_the_largest_in_size_by_hand() -> None:
    """-3 over -1 would be 3, and better than 1: over 3, -1 and -3 are -1/3 and -1. Of 2 and -4 it is 4 as well."""
    rows = [[-1.0, -3.0], [2.0, -4.0]]
    assert added("max", a=(PLACE, rows)) == [[-1 / 3, -1.0], [1 / 2, -1.0]]


def test_the_relevance_is_not_scaled() -> None:
    """Twice (1/2, 1) and the relevance, (0.6, 0.3): 1.6 and 2.3."""
    twice = Reward("place", NOBODY.function, 2.0)
    assert added("max", a=(twice, [[0.2, 0.4]]), b=(TOPIC, [[0.6, 0.3]]))[0] == pytest.approx([1.6, 2.3])


def test_over_the_spread_by_hand() -> None:
    """1, 3: mean 2 and deviation 1. All alike: 0. The relevance too."""
    assert added("z", a=(PLACE, [[1.0, 3.0], [0.3, 0.3]])) == [[-1.0, 1.0], [0.0, 0.0]]
    assert added("z", a=(PLACE, [[1.0, 3.0]]), b=(TOPIC, [[0.3, 0.1]]))[0] == pytest.approx([0.0, 0.0])


def test_all_alike_has_no_spread_after_rounding() -> None:
    """The mean of three 0.1 is 0.10000000000000002: no spread all the same."""
    assert added("z", a=(PLACE, [[0.1] * 3])) == [[0.0] * 3]


def test_the_plain_sum_by_hand() -> None:
    minus = Reward("look", NOBODY.function, -0.5)
    assert added("sum", a=(PLACE, [[0.2, 0.4]]), b=(minus, [[0.2, 1.0]]))[0] == pytest.approx([0.1, -0.1])


@pytest.mark.parametrize("how", COMBINATIONS)
def test_weight_0_only_watches(how: Combination) -> None:
    idle = Reward("look", NOBODY.function, 0.0)
    alone = added(how, a=(PLACE, [[0.2, 0.4, 0.1]]))
    assert added(how, a=(PLACE, [[0.2, 0.4, 0.1]]), b=(idle, [[5.0, math.nan, -5.0]])) == alone


def test_no_verdict_counts_as_the_group_s_mean() -> None:
    """Of 0.2, none, 0.4: 0.3, so neither gains nor loses. Where no answer has one, nothing is added."""
    none = math.nan
    assert added("sum", a=(PLACE, [[0.2, none, 0.4]]))[0] == pytest.approx([0.2, 0.3, 0.4])
    assert added("max", a=(PLACE, [[0.2, none, 0.4]]))[0] == pytest.approx([0.5, 0.75, 1.0])
    assert added("z", a=(PLACE, [[1.0, none, 3.0]]))[0] == pytest.approx([-math.sqrt(1.5), 0, math.sqrt(1.5)])
    assert added("sum", a=(PLACE, [[none, none]]), b=(LOOK, [[1.0, 2.0]])) == [[1.0, 2.0]]


def test_unusable_answers_by_hand() -> None:
    """A cut answer that was in the right place scores 0 in every part, so the largest of its group is 0.5, not 1.

    The others' 1 and 0.2 remain; its own 0 is their least or below. Below 0 it sinks with them: to -1, the least.
    """
    cut = [[True, False, True]]
    assert added("max", cut, a=(PLACE, [[0.5, 1.0, 0.1]]))[0] == pytest.approx([1.0, 0.0, 0.2])
    assert added("sum", cut, a=(PLACE, [[-1.0, 1.0, 0.1]]))[0] == pytest.approx([-1.0, -1.0, 0.1])
    assert added("sum", [[False, False]], a=(PLACE, [[1.0, 0.5]])) == [[0.0, 0.0]]


@st.composite
def groups(draw: st.DrawFn) -> tuple[dict[str, np.ndarray], list[Reward], np.ndarray]:
    """Values of some rewards with weights of either sign, none among them, and who can be used."""
    shape = draw(st.integers(1, 3)), draw(st.integers(1, 5))
    one = st.one_of(st.sampled_from([0.0, 1.0, math.nan]), st.integers(-20, 20).map(lambda n: n / 10))
    count = shape[0] * shape[1]

    def table(of: st.SearchStrategy) -> np.ndarray:
        return np.array(draw(st.lists(of, min_size=count, max_size=count))).reshape(shape)

    rewards = [
        Reward(f"r{i}", NOBODY.function, draw(st.sampled_from([-1.0, 0.0, 0.5, 1.0])), draw(st.booleans()))
        for i in range(draw(st.integers(1, 3)))
    ]
    return {r.name: table(one) for r in rewards}, rewards, table(st.booleans())


@pytest.mark.parametrize("how", COMBINATIONS)
@given(groups())
def test_what_cannot_be_used_is_never_above_what_can(
    how: Combination, found: tuple[dict[str, np.ndarray], list[Reward], np.ndarray]
) -> None:
    parts, rewards, usable = found
    got = totals(parts, rewards, usable, how)
    assert np.isfinite(got).all()
    for values, can in zip(got, usable, strict=True):
        assert values[~can].max(initial=-np.inf) <= min(0.0, values[can].min(initial=np.inf))


@pytest.mark.parametrize("how", COMBINATIONS)
@pytest.mark.parametrize("value", [0.0, 0.1, 0.7, 1.0, math.nan])
def test_a_group_in_which_all_score_the_same(how: Combination, value: float) -> None:
    """All get the same, to the last bit; and beside it another group is what it is alone."""
    parts = [[value] * 7, [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6]]
    got = added(how, a=(PLACE, parts), b=(TOPIC, parts))
    assert len(set(got[0])) == 1
    assert got[1] == added(how, a=(PLACE, parts[1:]), b=(TOPIC, parts[1:]))[0]


def test_what_is_watched_by_hand() -> None:
    """Of 0, 1/2, 1 and one without a verdict: mean 1/2, deviation sqrt(1/6), zero a third of the three.

    The first group is told apart, the second has one verdict only.
    """
    parts = {"place": np.array([[0.0, 0.5], [1.0, math.nan]]), "look": np.full((2, 2), math.nan)}
    hand = {"place": 0.5, "place_spread": 0.40825, "place_zero": 1 / 3, "place_none": 1 / 4, "place_alike": 1 / 2}
    hand |= {"look_none": 1.0, "look_alike": 1.0}
    assert spread(logged(watched(parts, np.ones((2, 2), bool)))) == pytest.approx(hand, abs=1e-5)


def test_only_answers_that_can_be_used_are_told_apart() -> None:
    """0.5 against the 0 of an answer that was cut, and 0.5 against 0.5: the reward has told nothing apart."""
    found = watched({"own": np.array([[0.5, 0.0], [0.5, 0.5]])}, np.array([[True, False], [True, True]]))
    assert logged(found)["own_alike"] == 1.0


def test_a_spread_of_none_is_0() -> None:
    found = logged(watched({"own": np.full((3, 7), 0.1)}, np.ones((3, 7), bool)))
    assert spread(found)["own_spread"] == 0.0


# ------------------------------------------------------------------------------------------------------------- cheating

USUAL = [named(name, 1.0) for name in ("relevance", "localisation", "vision")]
ALL = [named(name, 1.0) for name in FUNCTIONS if name != "similarity"]
TRUTH = diagnosis("nodule; cyst", AT_NODULE, AT_CYST)

#: What was said, whether it was cut, and where the words looked.
CHEATS: dict[str, tuple[str, bool, dict[str, Attention]]] = {
    "nothing": ("", False, {}),
    "white space": (" \n", False, {}),
    "one place eight times": (diagnosis("; ".join(["nodule"] * 8), *[AT_NODULE] * 8), False, AT_BOTH),
    "the truth and one place again and again": (
        diagnosis("; ".join(["nodule", "cyst"] * 4), *[AT_NODULE, AT_CYST] * 4),
        False,
        AT_BOTH,
    ),
    "boxes only": (at(*[AT_NODULE] * 8), False, {}),
    "no end": (f"{TRUTH} {TRUTH}", True, AT_BOTH),
    "names without end": (diagnosis("nodule; cyst; " * 20, AT_NODULE, AT_CYST), True, AT_BOTH),
}


def compete(rewards: list[Reward], how: Combination, *group: Answered) -> list[float]:
    """What answers of one group come to."""
    parts = {reward.name: np.array([[reward(one) for one in group]]) for reward in rewards}
    return totals(parts, rewards, np.array([[one.usable for one in group]]), how)[0].tolist()


@pytest.mark.parametrize("how", COMBINATIONS)
@pytest.mark.parametrize("rewards", [USUAL, ALL], ids=["usual", "all"])
@pytest.mark.parametrize("cheat", CHEATS)
@pytest.mark.parametrize("honest", [TRUTH, diagnosis("nodule; cyst", HALF, AT_CYST), diagnosis("nodule", AT_NODULE)])
def test_cheating_does_not_pay(honest: str, cheat: str, rewards: list[Reward], how: Combination) -> None:
    """An honest answer, right, half right or half of it, is worth more than each cheat in its group."""
    said, cut, looked = CHEATS[cheat]
    own = AT_BOTH if "cyst" in honest else {"nodule": AT_BOTH["nodule"]}
    group = [
        answered("diagnosis", honest, NODULE, CYST, attention=own),
        answered("diagnosis", said, NODULE, CYST, cut=cut, attention=looked),
    ]
    truthful, cheating = compete(rewards, how, *group)
    assert truthful > cheating


@pytest.mark.parametrize("how", COMBINATIONS)
@pytest.mark.parametrize("cheat", CHEATS)
def test_cheating_does_not_pay_where_there_is_nothing(cheat: str, how: Combination) -> None:
    said, cut, _ = CHEATS[cheat]
    group = [answered("diagnosis", NORMAL, attention={}), answered("diagnosis", said, cut=cut, attention={})]
    truthful, cheating = compete(ALL, how, *group)
    assert truthful > cheating


@pytest.mark.parametrize("how", COMBINATIONS)
@pytest.mark.parametrize("cheat", ["nothing", "white space", "no end", "names without end"])
def test_silence_is_no_better_than_a_mistake(cheat: str, how: Combination) -> None:
    """It names no wrong place, and yet is not worth more than an answer that sees what is not there."""
    said, cut, _ = CHEATS[cheat]
    group = [
        answered("diagnosis", diagnosis("cyst", HALF), attention={}),
        answered("diagnosis", said, cut=cut, attention={}),
    ]
    mistaken, silent = compete(ALL, how, *group)
    assert mistaken >= silent


def test_the_same_answer_cut_is_worth_nothing() -> None:
    whole, cut = (answered("diagnosis", TRUTH, NODULE, CYST, cut=c, attention=AT_BOTH) for c in (False, True))
    assert whole.usable and not cut.usable
    for how in COMBINATIONS:
        truthful, cheating = compete(USUAL, how, whole, cut)
        assert truthful > 0 >= cheating
