"""Faults of published code that scores boxes (lmms-eval, VLMEvalKit, MS-CXR's own), each a test that it is not ours."""

from __future__ import annotations

import pytest

from tests.helpers.outcomes import SIZE, A, diagnosis, dialogue, outcome, predicted, record
from unveil.core.box_formats import BOX_FORMATS, View
from unveil.core.geometry import BoxError, checked, from_xywh, gious, ious
from unveil.core.records import Prediction
from unveil.evaluate.metrics import cases
from unveil.evaluate.sections.boxes import BOXES, keep
from unveil.evaluate.sections.section import Answers, Scoring

CORNER = (0.0, 0.0, 40.0, 40.0)  # touches (0, 0), where the centre of [0, 0, 0, 0] would lie


def kept(answer: str, box=CORNER, **more):
    r, d = record(("nodule", box)), dialogue("localisation", target="nodule")
    [(case, prediction)] = cases([r], [d], [predicted(d, answer, **more)])
    return keep(case, prediction)


def figures(*answers) -> dict:
    section = BOXES.summarise(Answers({"m": answers}, {}), Scoring([], [], (), 20, 0))
    assert section
    found: dict = next(iter(section["kinds"].values()))["models"]["m"]
    return found


@pytest.mark.parametrize("answer", ["", "I cannot tell.", "[", "[0.1, 0.2", "It is in the corner."])
def test_lmms_eval_reads_what_cannot_be_read_as_a_box_of_zeros(answer: str) -> None:
    """[0, 0, 0, 0], whose centre lies in any true box that touches (0, 0): Center_ACC 1. Ours has no box, no hit, and
    is counted as unreadable; GIoU is the worst there is, not that of a point."""
    found = figures(kept(answer))
    assert [found["figures"][k]["value"] for k in ("pointing", "acc50", "giou", "iou")] == [0, 0, -1, 0]
    assert (found["unparsable"], found["boxes"]) == (1, 0)


@pytest.mark.parametrize("answer", ["[40, 40, 0, 0]", "[40, 0, 0, 40]", "[10, 10, 10, 20]"])
def test_lmms_eval_gives_an_inverted_box_an_area_and_vlmevalkit_turns_it(answer: str) -> None:
    """A negative width times a negative height is an area above 0, and the IoU leaves [0, 1]. Ours is malformed."""
    found = figures(kept(answer))
    assert (found["malformed"], found["boxes"], found["figures"]["iou"]["value"]) == (1, 0, 0)
    x1, y1, x2, y2 = (40.0, 40.0, 0.0, 0.0)
    assert ious([(x1, y1, x2, y2)], [CORNER])[0, 0] == 0
    assert -1 <= gious([(x1, y1, x2, y2)], [CORNER])[0, 0] <= 1


def test_vlmevalkit_guesses_the_range_of_numbers() -> None:
    """A box of pixels in 512 x 512 has only numbers below 1000, which it reads as 0-1000. Ours has the declared one:
    [256, 256, 512, 512] are the same pixels, not a box from 131 to 262."""
    view = View(BOX_FORMATS["json-pixels"], (512, 512), (512, 512))
    assert view.read("[256, 256, 512, 512]") == ([(256, 256, 512, 512)], 0)
    per_mille = View(BOX_FORMATS["json-1000"], (512, 512), (512, 512))
    assert per_mille.read("[256, 256, 512, 512]")[0][0][0] == pytest.approx(131.072)


@pytest.mark.parametrize(
    "answer", ["4 nodules, 3 cm, 12 mm and 7 mm", "Sizes of 10, 20, 30 and 40 mm.", "Slices 10 11 20 21 show a nodule."]
)
def test_vlmevalkit_takes_the_first_four_numbers_anywhere(answer: str) -> None:
    found = figures(kept(answer))
    assert (found["boxes"], found["malformed"]) == (0, 0)


def test_pycocotools_refuses_an_empty_list_of_predictions() -> None:
    """``loadRes([])`` raises. Ours: nothing was found, so AP and sensitivity are 0, whether confidences are known or
    not."""
    r, d = record(("nodule", A)), dialogue("diagnosis")
    text = "Detection: normal.\nLocalisation: none.\nRecognition: nothing abnormal."
    [(case, prediction)] = cases([r], [d], [predicted(d, text)])
    found = figures(keep(case, prediction))
    assert found["reason"] is None
    assert [found["figures"][k]["value"] for k in ("ap50", "ap", "froc", "f1_50")] == [0, 0, 0, 0]
    assert found["figures"]["precision_50"]["value"] is None  # no box was given: nothing is right or wrong


def test_ms_cxr_box2mask_reads_a_corner_and_an_extent_as_two_corners() -> None:
    """x = 30, y = 40, w = 20, h = 30 is [30, 40, 50, 70]. Read as two corners it is inverted, and refused; where it is
    not (10, 10, 20, 20), its IoU with the right one, [10, 10, 30, 30], is 1/4."""
    assert from_xywh(30, 40, 20, 30) == (30, 40, 50, 70)
    with pytest.raises(BoxError, match="inverted"):
        checked((30, 40, 20, 30), SIZE, SIZE)
    assert ious([(10, 10, 20, 20)], [from_xywh(10, 10, 20, 20)])[0, 0] == 1 / 4
    found = figures(kept("[10, 10, 20, 20]", from_xywh(10, 10, 20, 20)))
    assert found["figures"]["acc50"]["value"] == 0


def test_a_pixel_box_of_a_resized_picture_is_scaled_and_not_taken_as_it_is() -> None:
    """The model saw 200 x 200 of an image of 100 x 100: [0, 0, 80, 80] is CORNER."""
    r, d = record(("nodule", CORNER)), dialogue("localisation", target="nodule")
    prediction = Prediction(d.id, d.record, d.kind, "[0, 0, 80, 80]", "json-pixels", (200, 200), "m")
    [(case, _)] = cases([r], [d], [prediction])
    assert figures(keep(case, prediction))["figures"]["iou"]["value"] == 1


def test_a_box_without_confidence_is_not_given_one() -> None:
    """One point is no curve: an AP from a constant confidence would depend on the order of rows. A reason stands in
    its place; F1 needs no confidence: 2 * 1 / (1 + 1)."""
    found = outcome(record(("nodule", A)), dialogue("diagnosis"), diagnosis(("nodule", A)))
    assert found.right
    r, d = record(("nodule", A)), dialogue("diagnosis")
    [(case, prediction)] = cases([r], [d], [predicted(d, diagnosis(("nodule", A)))])
    told = figures(keep(case, prediction))
    assert told["reason"] == "1 of 1 answers with boxes have one without a confidence, such as d"
    assert "ap50" not in told["figures"] and "froc" not in told["figures"]
    assert told["figures"]["f1_50"]["value"] == told["figures"]["f1_named_50"]["value"] == 1
