"""Each reward of small answers by hand, and how one is chosen by its name."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.helpers.answered import (
    AT_CYST,
    AT_NODULE,
    CYST,
    HALF,
    NODULE,
    NORMAL,
    UNPLACED,
    answered,
    at,
    diagnosis,
    seen,
)
from unveil.core.answered import Answered
from unveil.core.geometry import Box
from unveil.core.plugins import PluginError
from unveil.core.records import Finding, Kind
from unveil.rl.rewards import (
    REWARDS,
    Reward,
    RewardError,
    category,
    detection,
    form,
    hits,
    localisation,
    named,
    relevance,
    similarity,
    tightened,
    vision,
    vision_lift,
    weighted,
)

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


def test_giou_also_grades_boxes_that_touch_nothing() -> None:
    """The nodule is the left upper quarter of 100 x 100. A box of the same size at its right touches it: GIoU 0, 1/2.
    In the opposite corner the hull is the image, of which half is filled: (1 - 1/2) / 2."""
    reward = named("giou", 1.0)
    there = [(50.0, 0.0, 100.0, 50.0), (50.0, 50.0, 100.0, 100.0), AT_NODULE]
    said = [answered("localisation", at(box), NODULE, target="nodule") for box in there]
    assert [reward(one) for one in said] == pytest.approx([1 / 2, 1 / 4, 1])
    assert [localisation(one) for one in said] == [0, 0, 1]
    assert reward(answered("localisation", "", NODULE, target="nodule")) == 0
    assert named("giou", 1.0).function(answered("detection", "Yes.", NODULE)) is None  # type: ignore[arg-type]


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


@pytest.mark.parametrize("name", REWARDS)
def test_rewards_by_name(name: str) -> None:
    """The relevance is a score already, and is the one that "max" leaves as it is."""
    assert named(name, 0.5) == Reward(name, REWARDS[name], 0.5, scaled=name != "relevance")


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
