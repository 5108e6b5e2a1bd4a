"""Each fault of the code that others score with (metrics.md of the field, by its sections): what it gives, and ours.

Every row names its fault; the figures of the reference were reproduced from its code, ours follow by hand.
"""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from tests.helpers.outcomes import dialogue, outcome, record
from unveil.core import words
from unveil.core.answers import says_yes
from unveil.core.geometry import ious, match
from unveil.core.grading import Outcome
from unveil.core.words import Overlap
from unveil.evaluate.metrics import counts, metric
from unveil.evaluate.published import flare, llava_med, lmms_eval, medevalkit, pope, vlmevalkit
from unveil.evaluate.published.medevalkit import JudgedAnswer


def ours(gold: str, answer: str, question: str = "?", kind="closed") -> Outcome:
    """What our code makes of an answer."""
    return outcome(record(), replace(dialogue(kind, gold), question=question), answer)


def verdict(gold: str, answer: str, question: str = "?") -> str:
    made = ours(gold, answer, question)
    return made.status if made.status == "unparsable" else "right" if made.right else "wrong"


# ------------------------------------------------------------------------------------------- 2.1 LLaVA-Med's run_eval


@pytest.mark.parametrize(
    ("fault", "gold", "answer", "theirs", "our"),
    [
        ("no within normal (issue 12)", "No", "The lungs appear normal.", 1, "unparsable"),
        ("no within nodule", "No", "Nodule present, abnormal", 1, "unparsable"),
        ("both words, gold yes", "Yes", "Yes and no, cannot tell", 1, "unparsable"),
        ("both words, gold no", "No", "Yes and no, cannot tell", 1, "unparsable"),
        ("yes within eyes", "Yes", "eyes are visible", 1, "unparsable"),
        ("no yes or no in the true answer (issue 113)", "Left", "Left", 0, "right"),
        ("right only by the no of no doubt", "Left", "on the left, no doubt", 1, "wrong"),
        ("the same without it", "Left", "on the left", 0, "wrong"),
        ("an empty answer", "Yes", "", 0, "unparsable"),
    ],
)
def test_llava_med_closed(fault: str, gold: str, answer: str, theirs: int, our: str) -> None:
    assert (llava_med.closed(gold, answer), verdict(gold, answer)) == (theirs, our), fault


def test_llava_med_reads_none_as_a_number() -> None:
    """ "None" becomes 0, in which no no is; ours reads it as the denial that it is."""
    assert llava_med.normalised("None") == "0" and llava_med.closed("No", "None") == 0
    assert verdict("No", "None", "Is anything abnormal?") == "right" and words.tokens("None") == ["none"]


@pytest.mark.parametrize(
    ("fault", "gold", "answer", "theirs", "our"),
    [
        # 4 hits of 4 words; 4 / (4 + 1 missed): ours counts left once, of 4 words and of 2
        ("repeats count", "left lung", "left left left left", (1, 0.8, 8 / 9), (0.25, 0.5, 1 / 3)),
        ("a unit beside its number", "3.5 cm", "3.5cm", (0, 0, 0), (1, 1, 1)),
        ("an empty answer", "left lung", "", (0, 0, 0), (0, 0, 0)),
    ],
)
def test_llava_med_open(fault: str, gold: str, answer: str, theirs: tuple, our: tuple) -> None:
    assert llava_med.open_overlap(gold, answer) == pytest.approx(theirs), fault
    assert words.overlap(answer, gold) == pytest.approx(our), fault


def test_llava_med_exact_match_is_a_share_of_words() -> None:
    """2 of the 4 words left without "the"; ours: not the same answer. An empty one is wrong, and counted as empty."""
    assert llava_med.open_exact("left lung", "the left lung shows opacity") == 0.5
    assert ours("left lung", "the left lung shows opacity", kind="open").sums["exact"] == (0, 1)
    assert llava_med.open_exact("left lung", "") == 0 and counts([ours("left lung", "", kind="open")])["empty"] == 1


def test_llava_med_takes_out_32_full_stops() -> None:
    """``re.UNICODE`` (32) stands where the number belongs; of a decimal number ours keeps the point."""
    assert llava_med.normalised("." * 40) == "." * 8
    assert words.tokens("." * 40) == [] and words.tokens("3.5") == ["3.5"]


def test_llava_med_looks_behind_for_two_signs_and_a_digit() -> None:
    r"""``(?!<=\d)`` stands for ``(?<!\d)``, which would keep the full stop of "grade 3."; ours knows it from the point
    of a decimal number."""
    assert llava_med.normalised("grade 3.") == "grade 3" and llava_med.normalised("grade 3.5") == "grade 3.5"
    assert words.tokens("grade 3.") == ["grade", "3"] and words.tokens("grade 3.5") == ["grade", "3.5"]


def test_llava_med_printed_counts_are_swapped() -> None:
    told = llava_med.printed([("OPEN", "lung", "lung"), ("CLOSED", "Yes", "yes"), ("CLOSED", "No", "yes")])
    assert (told["num_open"], told["num_close"], told["yes/no accuracy"], told["recall"]) == (2, 1, 50, 100)
    assert llava_med.printed([("OPEN", "lung", "lung")])["yes/no accuracy"] == 0
    assert metric("closed", [ours("lung", "lung", kind="open")]) == (None, 0), "ours has none"


def test_llava_med_pathvqa_drops_wrong_answers() -> None:
    """Of one right and one wrong answer it has 1 of 1; ours 1 of 2."""
    pairs = [("yes", "yes"), ("no", "yes")]
    assert [llava_med.closed_pathvqa(*pair) for pair in pairs] == [1.0, None]
    assert llava_med.closed_pathvqa("left", "left") == 0 and llava_med.closed("no", "yes") == 0
    assert metric("closed", [ours(*pair) for pair in pairs]) == (0.5, 2)


def test_llava_med_bleu_is_of_one_order_alone() -> None:
    """Of "a b c d" in "a b d c" all words are there; of pairs 1 of 3. BLEU-2 would be the root of 1 x 1/3."""
    assert llava_med.bleu("lung mass left upper", "lung mass upper left", 1) == 1
    assert llava_med.bleu("lung mass left upper", "lung mass upper left", 2) == pytest.approx(1 / 3)
    assert llava_med.bleu("lung", "heart", 1) == 0


def test_scoring_twice_gives_the_same() -> None:
    """The reference writes every word that it meets into a table of its module; nothing here remembers."""
    pairs = [("No", "None"), ("two", "2"), ("left lung", "lung, the left")]
    first = [(llava_med.normalised(b), llava_med.closed(a, b), words.overlap(b, a)) for a, b in pairs]
    assert first == [(llava_med.normalised(b), llava_med.closed(a, b), words.overlap(b, a)) for a, b in pairs]


# ----------------------------------------------------------------------------------------------------- 2.2 MedEvalKit


def test_medevalkit_prints_f1_as_precision() -> None:
    """2 of 5 words are right, which are all of the truth: P 0.4, R 1, F1 4/7."""
    gold, answer = "left lung", "the left lung shows opacity"
    assert medevalkit.printed_overlap(gold, answer) == pytest.approx(Overlap(4 / 7, 0.4, 1.0))
    assert words.overlap(answer, gold) == pytest.approx(Overlap(0.4, 1.0, 4 / 7))


@pytest.mark.parametrize(("gold", "answer"), [("left lung", ""), ("", "left lung")])
def test_medevalkit_crashes_where_a_side_is_empty(gold: str, answer: str) -> None:
    with pytest.raises(TypeError, match="cannot unpack"):
        medevalkit.printed_overlap(gold, answer)
    assert words.overlap(answer, gold) == Overlap(0, 0, 0)


@pytest.mark.parametrize(
    ("fault", "gold", "answer", "theirs", "our"),
    [
        ("no within normal", "no", "The lungs are normal", True, "unparsable"),
        ("no within abnormal and nodule beside a yes", "yes", "Yes, abnormal nodule", False, "right"),
        ("not beside a yes", "yes", "Yes, this is not normal", False, "right"),
    ],
)
def test_medevalkit_yes_or_no(fault: str, gold: str, answer: str, theirs: bool, our: str) -> None:
    assert (medevalkit.judgement(gold, answer), verdict(gold, answer)) == (theirs, our), fault


def test_medevalkit_slake_does_not_know_a_capital_yes() -> None:
    """English SLAKE has "Yes": its answer must be that word alone, and in small letters it need not."""
    assert not medevalkit.closed_slake("Yes", "Yes, there is one") and medevalkit.closed_slake(
        "yes", "Yes, there is one"
    )
    assert medevalkit.closed_slake("Yes", "Yes.") and verdict("Yes", "Yes, there is one") == "right"


def test_medevalkit_slake_counts_a_judged_answer_twice() -> None:
    """One closed question that rule and judge find right: an accuracy of 2. Without the judge it is 1, as ours."""
    rows = [JudgedAnswer("CLOSED", "yes", "yes", True), JudgedAnswer("OPEN", "lung", "the lung", True)]
    assert medevalkit.with_judge(rows, "SLAKE") == {"open": 1, "close": 2, "total": 1.5}
    assert metric("closed", [ours("yes", "yes")]) == (1, 1)


def test_medevalkit_vqa_rad_counts_an_exact_open_answer_twice() -> None:
    rows = [JudgedAnswer("OPEN", "lung", "lung", True)]
    assert medevalkit.with_judge(rows, "VQA_RAD") == {"open": 1, "total": 2}


def test_medevalkit_pathvqa_loses_its_closed_answers_with_a_judge() -> None:
    """Issue 30: set to 0 and never counted again; ours is the same with and without a judge."""
    rows = [JudgedAnswer("CLOSED", "yes", "yes", True), JudgedAnswer("OPEN", "lung", "lung", True)]
    assert medevalkit.with_judge(rows, "PATH_VQA") == {"open": 1, "close": 0, "total": 0.5}


def test_medevalkit_vqa_rad_takes_other_closed_questions_for_open_ones() -> None:
    """Closed is what the source calls so: of two closed questions it counts one, ours both."""
    assert [medevalkit.closed_vqa_rad(gold, gold) for gold in ("yes", "left")] == [True, None]
    assert metric("closed", [ours("yes", "yes"), ours("left", "left")]) == (1, 2)


def test_medevalkit_reports_have_two_denominators() -> None:
    """One perfect report and one that is empty: BLEU 1/2, RaTEScore 1/1. Ours counts the empty answer in all."""
    scores = [1.0, None]
    assert [medevalkit.report_mean(scores, name) for name in ("bleu", "rate")] == [0.5, 1.0]
    rows = [ours("clear lungs", text, kind="open") for text in ("clear lungs", "")]
    assert {metric(name, rows) for name in ("open_recall", "open_f1", "exact")} == {(0.5, 2)}


def test_medevalkit_takes_wrappings_off() -> None:
    assert medevalkit.boxed(r"so \boxed{a {b}} is it") == "a {b}" and medevalkit.boxed("none") == "None"
    assert medevalkit.open_exact("Lung", r"It is \boxed{lung}") and medevalkit.open_exact(
        "lung", "<answer>Lung</answer>"
    )
    assert medevalkit.closed_exact("left", "The answer is left.") is False, "a blank is left over"


# ----------------------------------------------------------------------------------------- 2.3 lmms-eval, VLMEvalKit


def test_lmms_eval_slake_takes_abnormal_for_a_no() -> None:
    """ "Is it abnormal?", gold yes: 异常 is a no there. Ours never reads "abnormal" as a no, nor 异常."""
    assert lmms_eval.slake_normalised("异常") == "no" and lmms_eval.slake_normalised("正常") == "yes"
    assert not lmms_eval.slake("是", "异常")
    assert says_yes("Is it abnormal?", "abnormal") is True and says_yes("有异常吗？", "异常") is None
    assert verdict("yes", "abnormal", "Is it abnormal?") == "right" and verdict("是", "异常") == "unparsable"


def test_lmms_eval_slake_has_an_accuracy_of_nothing() -> None:
    assert lmms_eval.slake_accuracy([]) == 0.0 and metric("closed", []) == (None, 0)


def test_lmms_eval_slake_loses_points_and_brackets() -> None:
    assert lmms_eval.slake("3 5 cm", "3.5 cm (left)") and ours("3 5 cm", "3.5 cm", kind="open").right is False
    assert lmms_eval.slake("X-Ray", "xray.") and lmms_eval.slake("Yes", "yeah")


@pytest.mark.parametrize(
    ("answer", "said"),
    [("Yes.", True), ("no, it is not", False), ("normal", None), ("Yes and no", None), ("", None), ("yes/no", None)],
)
def test_vlmevalkit_reads_words(answer: str, said: bool | None) -> None:
    """The rule that ours began from: yes or no as a word, one without the other."""
    assert vlmevalkit.yes_no(answer) is said and says_yes("?", answer) is said


# ------------------------------------------------------------------------------------------------------------- 3 POPE


def test_pope_takes_whatever_it_cannot_read_for_a_yes() -> None:
    assert pope.says_yes("Normal.") and pope.says_yes("") and not pope.says_yes("No, there is not.")
    assert verdict("yes", "Normal.", "Is there a dog in the image?") != "right"
    assert verdict("yes", "", "Is there a dog in the image?") == "unparsable"


def test_pope_crashes_without_a_yes_and_depends_on_the_order() -> None:
    """A mixed set, shuffled: other figures there. How ours does with such answers: ``test_as_published``."""
    with pytest.raises(ZeroDivisionError):
        pope.figures(["No.", "No."], ["yes", "no"])
    answers, gold = ["Yes.", "Yes.", "No."], ["yes", "yes", "no"]
    assert pope.figures(answers, gold)["accuracy"] == 1
    assert pope.figures(answers[::-1], gold)["accuracy"] == pytest.approx(1 / 3)


def test_lmms_eval_pope_counts_the_truth_and_forgives_the_unreadable() -> None:
    """Two positives, one answered yes, one "maybe"; a negative answered "Yes.": recall 1 of 1, no false alarm, and a
    yes-ratio of 2/3, the truth's."""
    told = lmms_eval.pope([("yes", "yes"), ("yes", "maybe"), ("no", "Yes.")])
    assert told == pytest.approx({"accuracy": 1 / 3, "precision": 1, "recall": 1, "f1": 1, "yes_ratio": 2 / 3})


def test_vlmevalkit_pope_counts_an_unknown_as_a_no() -> None:
    """Two positives and a negative, "maybe" to all: no false alarm, recall 0, accuracy 0."""
    told = vlmevalkit.pope([("Yes", "yes"), ("Yes", "maybe"), ("No", "maybe")])
    assert told == pytest.approx({"accuracy": 1 / 3, "precision": 1, "recall": 0.5, "f1": 2 / 3})
    assert metric("parse_failures", [ours("yes", "maybe"), ours("no", "no")])[0] == 0.5, "ours tells them apart"


# -------------------------------------------------------------------------------------------------------- 6 grounding

CORNER, WIDE = (0.0, 0.0, 0.5, 0.5), (200, 100)


def located(answer: str, box_format: str = "json-pixels", box=(0.0, 0.0, 50.0, 50.0)) -> Outcome:
    """An answer to where the mass is, on an image of 100 x 100."""
    return outcome(record(("mass", box)), dialogue("localisation", target="mass"), answer, box_format=box_format)


def test_lmms_eval_gives_an_unreadable_answer_a_hit_in_the_corner() -> None:
    """(0, 0, 0, 0) has its middle in a box that touches the corner; ours is a parse failure and no hit."""
    box = lmms_eval.refcoco_box("I cannot see it clearly.")
    assert box == (0, 0, 0, 0) and lmms_eval.refcoco_center(box, CORNER) and lmms_eval.refcoco_iou(box, CORNER) == 0
    ours = located("I cannot see it clearly.")
    assert (ours.status, ours.right, ours.iou) == ("unparsable", False, 0)


def test_lmms_eval_gives_inverted_boxes_an_area() -> None:
    """From x = 0.5 to 0 and y = 0 to 0.5 its area is -0.25: with the true one, 0.25, the union is 0, and the division
    fails. Inverted on both sides its middle still hits. Ours: malformed, and an IoU of 0."""
    with pytest.raises(ZeroDivisionError):
        lmms_eval.refcoco_iou((0.5, 0.0, 0.0, 0.5), CORNER)
    assert lmms_eval.refcoco_center((0.5, 0.5, 0.0, 0.0), CORNER)
    inverted = located("[50, 50, 0, 0]")
    assert inverted.malformed == 1 and inverted.iou == 0 and not inverted.right


def test_vlmevalkit_swaps_and_clips() -> None:
    """Inverted shares and a box beyond the image become boxes; ours counts both as malformed."""
    assert vlmevalkit.refcoco_box("[1, 1, 0, 0]", WIDE) == (0, 0, 200, 100)
    assert vlmevalkit.refcoco_box("[-100, 0, 1500, 90]", WIDE) == (0, 0, 200, 90)
    assert located("[0, 0, 500, 50]").malformed == 1


def test_vlmevalkit_guesses_the_scale() -> None:
    """A box in pixels of a 512 x 512 image is taken for thousandths: 256 is 131. Ours is told the format."""
    assert vlmevalkit.refcoco_box("[0, 0, 256, 256]", (512, 512)) == pytest.approx((0, 0, 131.072, 131.072))
    true = (0.0, 0.0, 256.0, 256.0)
    assert vlmevalkit.refcoco_iou("[0, 0, 256, 256]", true, (512, 512)) == pytest.approx(0.512**2)
    assert located('{"bbox_2d": [0, 0, 50, 50]}').iou == 1 and located("[0, 0, 500, 500]", "json-1000").iou == 1


def test_vlmevalkit_reads_prose_as_a_box() -> None:
    """Four numbers anywhere are one: 4, 3, 2, 6 are thousandths of the image, swapped. Ours needs a box."""
    text = "4 nodules of 3 cm and 2 cm, the first in segment 6"
    assert vlmevalkit.refcoco_box(text, (100, 100)) == pytest.approx((0.2, 0.3, 0.4, 0.6))
    assert located(text).status == "unparsable" and vlmevalkit.refcoco_box("4 nodules", (100, 100)) is None


def test_empty_predictions_and_corners_for_sides() -> None:
    """No box at all is an IoU of 0 and no crash. Width and height read as a corner (MS-CXR's box2mask): the box
    (60, 60) of 20 x 20 becomes one from (60, 60) to (20, 20), which is inverted, and malformed."""
    assert ious([], [(0.0, 0.0, 1.0, 1.0)]).shape == (0, 1) and located("").iou == 0
    assert located("[60, 60, 20, 20]", box=(60.0, 60.0, 80.0, 80.0)).malformed == 1


def test_iou_is_a_share_for_any_boxes() -> None:
    """Ours lies within 0 and 1 for whatever numbers a model writes."""
    draw = random.Random(0)
    for _ in range(200):
        answer = str([draw.randint(-20, 150) for _ in range(4)])
        assert 0 <= (located(answer).iou or 0) <= 1


# ------------------------------------------------------------------------------------------------------ FLARE-MLLM-2D


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("[1, 2, 30, 40]", [(1, 2, 30, 40)]),
        ("It is at [1,2,30,40].", [(1, 2, 30, 40)]),
        ('{"1": [[1, 2, 30, 40]], "2": []}', [(1, 2, 30, 40)]),
        ('[{"bbox": [1, 2, 30, 40], "label": "Head"}]', [(1, 2, 30, 40)]),
        ('{"x": 1, "y": 2, "width": 29, "height": 38}', [(1, 2, 30, 40)]),
        ("None", []),
        ("[1, 2, 30, 40] or [1, 2]", []),  # the second takes the first with it
        ('[{"bbox_2d": [1, 2, 30, 40], "label": "head"}]', []),  # a key that it does not know
        ("I cannot tell", []),
        ('{"x1": null, "y1": 1, "x2": 2, "y2": 3}', []),  # where it stops
    ],
)
def test_flare_boxes(text: str, found: list) -> None:
    assert [one.box for one in flare.boxes(text)] == found


def test_flare_f1_of_boxes() -> None:
    """Of 2 + 1 boxes one is found: 2 / 3. What cannot be read is no false alarm: 0 / 1. Without any box it is 1; ours
    has no such question."""
    assert flare.detection_f1([("[0, 0, 10, 10]", "[0, 0, 10, 10], [50, 50, 60, 60]")]) == pytest.approx(2 / 3)
    assert flare.detection_f1([("[0, 0, 10, 10]", "left")]) == 0 and flare.detection_f1([("[]", "none")]) == 1
    assert flare.detection_f1([("[0, 0, 10, 10]", "[0, 0, 10, 4]")], 0.3) == 1  # an IoU of 0.4


def test_flare_takes_the_closest_pair_first() -> None:
    """True 0-10 and 6-16; said 2-12 (IoU 8/12 and 6/14 with them) and 0-4 (4/10 with the first alone). The closest pair
    leaves 0-4 alone, whose true box is taken; ours, by the largest sum, finds 0-4 and 2-12 at IoU 0.4."""
    true = [(0.0, 0.0, 10.0, 1.0), (6.0, 0.0, 16.0, 1.0)]
    said = [(2.0, 0.0, 12.0, 1.0), (0.0, 0.0, 4.0, 1.0)]
    assert flare.hits([flare.NamedBox(b) for b in true], [flare.NamedBox(b) for b in said], 0.4) == 1
    assert {(i, j) for i, j, _ in match(said, true)} == {(0, 1), (1, 0)}


def test_flare_names_must_agree_where_both_have_one() -> None:
    one, other = flare.NamedBox((0, 0, 9, 9), "head"), flare.NamedBox((0, 0, 9, 9), "neck")
    assert flare.hits([one], [other]) == 0 and flare.hits([one], [flare.NamedBox(other.box)]) == 1


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Caries; Endodontic, Restorative", {"caries", "endodontic, restorative"}),
        ("Endodontic, Restorative", {"endodontic", "restorative"}),  # one label, in two
        ('["A", "b"]', {"a", "b"}),
        ('{"A": true, "B": 0}', {"a"}),
        ("No finding", set()),
    ],
)
def test_flare_labels(text: str, found: set) -> None:
    assert flare.labels(text) == found


def test_flare_classes_and_numbers() -> None:
    """The letter alone is right; of class B one of two, of A none: 1/4. T2 is a 2, and no number a 0."""
    rows = [("B", "b"), ("B", "B: coronal"), ("A", "B")]
    assert flare.balanced_accuracy(rows) == 0.25
    assert [flare.number(text) for text in ("T2", "about 1,200 cells", "many", "[7]", "[7, 8]", "-3.5")] == [
        *(2, 1200, 0, 7, 0, -3.5)
    ]
    assert flare.labels_f1("none", "") == 1 and flare.labels_f1("a; b", "b") == pytest.approx(2 / 3)
