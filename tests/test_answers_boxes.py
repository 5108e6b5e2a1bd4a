"""How boxes are read: as published models write them, and never from what cannot be one."""

from __future__ import annotations

import pytest

from unveil.core import answers
from unveil.core.answers import (
    parse,
    refuses,
)
from unveil.core.box_formats import BOX_FORMATS, View


def view_of(box_format: str) -> View:
    return View(BOX_FORMATS[box_format], (1000, 1000), (1000, 1000))


def test_the_scale_of_a_box_is_declared_and_never_guessed() -> None:
    """(321, 128, 473, 252) in an X-ray of 512 x 512: pixels or thousandths, as the format of the model says, though by
    their size all of its pixels might be thousandths."""
    text, size = "nodule [321, 128, 473, 252]", (512, 512)
    assert View(BOX_FORMATS["json-pixels"], size, size).read(text)[0] == [(321, 128, 473, 252)]
    [box] = View(BOX_FORMATS["json-1000"], size, size).read(text)[0]
    assert box == pytest.approx((321 * 0.512, 128 * 0.512, 473 * 0.512, 252 * 0.512), abs=0.01)


# ------------------------------------------------------------------------------------- boxes of published models

NAMES = ["nodule", "cyst"]
A, B, C = (10, 20, 300, 400), (1, 2, 30, 40), (5, 6, 70, 80)


@pytest.mark.parametrize(
    ("box_format", "text", "findings"),
    [
        # Qwen's grounding JSON: fenced, one object alone, label first, floats, several objects, prose around, cut
        ("json-1000", '```json\n[\n\t{"bbox_2d": [10, 20, 300, 400], "label": "nodule"}\n]\n```', [("nodule", A)]),
        ("json-1000", '{"bbox_2d": [10, 20, 300, 400], "label": "nodules"}', [("nodule", A)]),
        ("json-1000", '{"label": "nodule", "bbox_2d": [10.0, 20.0, 300.0, 400.0]}', [("nodule", A)]),
        ("json-pixels", '[{"bbox_2d": [10.0, 20, 3e2, 400.]}] is where it is.', [(None, A)]),
        ("json-pixels", "[{'bbox_2d': [10, 20, 300, 400], 'label': 'cyst'}]", [("cyst", A)]),
        (
            "json-1000",
            '[{"label": "nodule", "bbox_2d": [10, 20, 300, 400]}, {"label": "cyst", "bbox_2d": [1, 2, 30, 40]}]',
            [("nodule", A), ("cyst", B)],
        ),
        (
            "json-1000",
            '[{"bbox_2d": [10, 20, 300, 400], "label": "nodule"}, {"bbox_2d": [1, 2, 30, 40], "label": "cyst"}]',
            [("nodule", A), ("cyst", B)],
        ),
        ("json-1000", '{"bbox_2d": [[10, 20, 300, 400], [1, 2, 30, 40]], "label": "cyst"}', [("cyst", A), ("cyst", B)]),
        ("json-1000", '[{"bbox": [10, 20, 300, 400], "label": "granuloma"}]', [("granuloma", A)]),
        ("json-1000", '[{"bbox_2d": [10, 20, 300, 400], "label": "nodule"}, {"bbox_2d": [1, 2', [("nodule", A)]),
        ("json-1000", "nodule [10, 20, 300, 400], cyst [1, 2, 30, 40]", [("nodule", A), ("cyst", B)]),
        ("json-1000", "[10, 20, 300, 400] nodule; [1, 2, 30, 40] cyst", [("nodule", A), ("cyst", B)]),
        # other brackets, no commas, corners by name in any order: four numbers all the same
        ("json-1000", "nodule (10, 20, 300, 400) and cyst (1 2 30 40)", [("nodule", A), ("cyst", B)]),
        ("json-1000", '{"bbox_2d": (10, 20, 300, 400), "label": "nodule"}', [("nodule", A)]),
        ("json-1000", '{"bbox_2d": [10 20 300 400], "label": "nodule"}', [("nodule", A)]),
        ("json-1000", '{"box": "[10 20 300 400]", "label": "nodule"}', [("nodule", A)]),
        ("json-1000", '{"x1": 10, "y1": 20, "x2": 300, "y2": 400, "label": "nodule"}', [("nodule", A)]),
        ("json-pixels", "{'label': 'nodule', 'box': {'x_max': 300, 'x_min': 10, 'y_min': 20., 'y_max': '400'}}",
         [("nodule", A)]),
        (
            "json-1000",
            '[{"label": "nodule", "bbox": {"x0": 10, "y0": 20, "x1": 300, "y1": 400}},'
            ' {"label": "cyst", "bbox": {"left": 1, "top": 2, "right": 30, "bottom": 40}}]',
            [("nodule", A), ("cyst", B)],
        ),
        (
            "json-1000",
            '[{"label": "nodule", "xmin": 10, "ymin": 20, "xmax": 300, "ymax": 400},'
            ' {"label": "cyst", "bbox_2d": [{"x1": 1, "y1": 2, "x2": 30, "y2": 40}]}]',
            [("nodule", A), ("cyst", B)],
        ),
        ("unit", "nodule: x1=0.01, y1=0.02, x2=0.3, y2=0.4", [("nodule", A)]),
        # another order under another key
        ("json-yx-1000", '[{"box_2d": [20, 10, 400, 300], "label": "nodule"}]', [("nodule", A)]),
        # InternVL: several boxes of one name in one tag, with and without the tags
        (
            "internvl",
            "<ref>nodule</ref><box>[[10, 20, 300, 400], [1, 2, 30, 40]]</box>"
            "<ref>cyst</ref><box>[[5, 6, 70, 80]]</box>",
            [("nodule", A), ("nodule", B), ("cyst", C)],
        ),
        ("internvl", "nodule[[10, 20, 300, 400], [1, 2, 30, 40]] and cyst[[5, 6, 70, 80]]",
         [("nodule", A), ("nodule", B), ("cyst", C)]),
        ("internvl", "<ref>granuloma</ref><box>[[10, 20, 300, 400]]</box>", [("granuloma", A)]),
        ("internvl", "<ref>nodule</ref><box>[10.0,20.0,300.0,400.0]</box>", [("nodule", A)]),
        ("internvl", "nodule [10, 20, 300, 400] and cyst (5, 6, 70, 80)", [("nodule", A), ("cyst", C)]),
        # GLM: several boxes in one pair of tokens, in other brackets, and where the tokens are gone or open
        ("glm", "nodule<|begin_of_box|>[[10, 20, 300, 400], [1, 2, 30, 40]]<|end_of_box|>"
         "cyst<|begin_of_box|>[5,6,70,80]<|end_of_box|>", [("nodule", A), ("nodule", B), ("cyst", C)]),
        ("glm", "nodule [[10, 20, 300, 400]] and cyst (5, 6, 70, 80)", [("nodule", A), ("cyst", C)]),
        ("glm", "nodule <|begin_of_box|>[[10, 20, 300, 400]]", [("nodule", A)]),
        # Qwen2-VL, also where its special tokens are gone
        (
            "qwen2-vl",
            "<|object_ref_start|>nodule<|object_ref_end|><|box_start|>(10,20),(300,400)<|box_end|>"
            "<|box_start|>(1,2),(30,40)<|box_end|>",
            [("nodule", A), ("nodule", B)],
        ),
        ("qwen2-vl", "nodule(10,20),(300,400) cyst(1,2),(30,40)", [("nodule", A), ("cyst", B)]),
        # shares
        ("unit", "nodule [.01, 0.02, 0.3000, 0.4]", [("nodule", A)]),
        ("unit", "[1%, 2%, 30%, 40%]", [(None, A)]),
        ("unit", "[0, 0, 1, 1.0]", [(None, (0, 0, 1000, 1000))]),
    ],
)  # fmt: skip
def test_boxes_of_published_models(box_format, text, findings):
    parsed = parse("diagnosis", text, view_of(box_format), ["nodule", "cyst"])
    assert [(name, box and tuple(round(v, 6) for v in box)) for name, box in parsed.findings] == findings


def test_paligemma_names_follow_their_boxes():
    """Bin k of 1024 on 1024 pixels stands for k + 0.5; y comes first."""
    view = View(BOX_FORMATS["loc-1024"], (1024, 1024), (448, 448))
    text = "<loc0010><loc0020><loc0300><loc0400> nodule ; <loc0001><loc0002><loc0030><loc0040> cyst"
    parsed = parse("diagnosis", text, view, ["nodule", "cyst"])
    assert parsed.findings == (("nodule", (20.5, 10.5, 400.5, 300.5)), ("cyst", (2.5, 1.5, 40.5, 30.5)))


@pytest.mark.parametrize(
    ("box_format", "text", "malformed"),
    [
        ("json-1000", '{"bbox_2d": [10, 20, 300], "label": "nodule"}', 1),
        ("json-1000", '{"bbox_2d": [10, 20, 300, 400, 5], "label": "nodule"}', 1),
        ("json-1000", '{"bbox_2d": [300, 20, 10, 400], "label": "nodule"}', 1),
        ("json-1000", '{"bbox_2d": [-10, 20, 300, 400], "label": "nodule"}', 1),
        ("json-1000", '{"bbox_2d": [NaN, 20, 300, 400], "label": "nodule"}', 1),
        ("json-1000", '{"bbox_2d": [10, 20, Infinity, 400], "label": "nodule"}', 1),
        ("json-1000", '{"bbox_2d": [10, 20, 1e999, 400], "label": "nodule"}', 1),
        ("json-1000", '{"bbox_2d": [null, null, null, null], "label": "nodule"}', 1),
        ("json-1000", '{"bbox_2d": null, "label": "nodule"}', 1),
        ("json-1000", '{"bbox_2d": [[10, 20], [300, 400]], "label": "nodule"}', 1),
        ("json-1000", '{"label": "nodule", "bbox_2d": [10, 20', 1),
        ("json-1000", '{"box_2d": [10, 20, 300, 400], "label": "nodule"}', 1),  # y1, x1, y2, x2: of another order
        ("json-yx-1000", '{"bbox_2d": [10, 20, 300, 400], "label": "nodule"}', 1),
        ("json-1000", '{"box_2d": {"x1": 10, "y1": 20, "x2": 300, "y2": 400}, "label": "nodule"}', 1),
        ("json-yx-1000", '{"x1": 10, "y1": 20, "x2": 300, "y2": 400, "label": "nodule"}', 1),
        ("json-1000", '{"x1": 10, "y1": 20, "x2": 300, "label": "nodule"}', 1),
        ("json-1000", '{"x1": 300, "y1": 20, "x2": 10, "y2": 400, "label": "nodule"}', 1),
        ("json-1000", '{"label": "nodule", "x1": 10, "y1": ', 1),
        ("json-1000", '{"label": "nodule", "x": 10, "y": 20, "width": 290, "height": 380}', 1),
        ("json-1000", '{"label": "nodule", "bounding_box": null}', 1),
        ("json-1000", '{"label": "nodule", "top_left": [10, 20], "bottom_right": [300, 400]}', 1),
        ("json-1000", "nodule [10 20 300]", 1),
        ("json-1000", "nodule [10, 20, 300, 400)", 1),
        ("json-1000", "nodule (300, 20, 10, 400)", 1),
        ("json-1000", "nodule (10, 20, 300", 1),
        ("json-1000", "nodule (10, 20), (300, 400)", 1),
        ("json-1000", "nodule [[10, 20], [300, 400]]", 1),
        ("internvl", "<ref>nodule</ref><box>[[300, 20, 10, 400], [10, 20, 300]]</box>", 2),
        ("internvl", "<ref>nodule</ref><box></box>", 1),
        ("internvl", "nodule [[-10, 20, 300, 400]]", 1),
        ("internvl", "nodule [10, 20, 300]", 1),
        ("glm", "nodule <|begin_of_box|>[[300, 20, 10, 400], [10, 20, 300]]<|end_of_box|>", 2),
        ("glm", "nodule <|begin_of_box|>[[10, 20]]<|end_of_box|>", 1),
        ("qwen2-vl", "nodule <|box_start|>(10,20),(300<|box_end|>", 1),
        ("qwen2-vl", "nodule <|box_start|>(-10,20),(300,400)<|box_end|>", 1),
        ("loc-1024", "<loc0010><loc0020><loc0300> nodule", 1),
        ("bins-64", "nodule <b1><b2><b3>", 1),
        ("unit", "nodule [0.1, 0.2, 0.3", 1),
        ("unit", "nodule [10, 20, 300, 400]", 1),
    ],
)
def test_what_cannot_be_a_box_is_counted_and_keeps_its_name(box_format, text, malformed):
    parsed = parse("diagnosis", text, view_of(box_format), ["nodule"])
    assert (parsed.boxes, parsed.malformed, parsed.labels) == ([], malformed, ["nodule"])
    assert view_of(box_format).read(text) == ([], malformed)


@pytest.mark.parametrize(
    "text",
    [
        "nodule (slices 1, 2, 3, 4)",
        "nodule (1, 2, 3), as on [1] and [2, 3]",
        "nodule at (10, 20)",
        '{"label": "nodule", "point_2d": [10, 20]}',
        '{"label": "nodule", "x": 10, "y": 20}',
        '{"label": "nodule", "width": 640, "height": 480}',
    ],
)
def test_other_numbers_are_no_box(text):
    for box_format in ("json-1000", "json-pixels", "json-yx-1000", "unit"):
        parsed = parse("diagnosis", text, view_of(box_format), ["nodule"])
        assert (parsed.findings, parsed.malformed) == ((("nodule", None),), 0)


@pytest.mark.parametrize("kind", ["detection", "localisation", "recognition", "diagnosis"])
@pytest.mark.parametrize(
    "text",
    [
        "[]", "```json\n[]\n```", "{}", '{"boxes": []}', '{ "objects": [ ] }',
        '```json\n{"findings": [], "boxes": [[]]}```',
        '[{"bbox_2d": [], "label": "nodule"}]', '[{"label": "nodule", "bbox_2d": []}]', '{"nodule": []}',
    ],
)  # fmt: skip
def test_json_that_holds_nothing_says_that_nothing_is_there(kind, text):
    assert parse(kind, text, view_of("json-1000"), ["nodule"]).abnormal is False


def test_a_box_that_is_denied_is_no_finding():
    text = "There is no nodule at [10, 20, 300, 400], but a cyst at [1, 2, 30, 40]."
    assert parse("diagnosis", text, view_of("json-1000"), ["nodule", "cyst"]).findings == (("cyst", B),)


@pytest.mark.parametrize(
    ("text", "findings"),
    [
        ("No effusion. [10, 20, 300, 400] nodule", [("nodule", A)]),
        ("No effusion, [10,20,300,400] shows a nodule and [1,2,30,40] shows a cyst.", [("nodule", A), ("cyst", B)]),
        ("[10, 20, 300, 400] nodule. No effusion at [1, 2, 30, 40].", [("nodule", A)]),
        ("No effusion; nodule [10, 20, 300, 400]; no cyst; cyst [1, 2, 30, 40].", [("nodule", A), ("cyst", B)]),
        ("No effusion, [10, 20, 300, 400] is a granuloma.", [(None, A)]),
        ("No effusion is seen, at [10, 20, 300, 400].", []),
        ("A nodule, not a cyst, at [10, 20, 300, 400].", [("nodule", A)]),
        ("The nodule is at [10, 20, 300, 400]. [1, 2, 30, 40] shows a cyst.", [("nodule", A), ("cyst", B)]),
        ("There is a nodule. It is at [10, 20, 300, 400].", [("nodule", A)]),
    ],
)
def test_a_box_goes_with_what_is_said_of_it_and_not_with_a_denial_before(text, findings):
    parsed = parse("diagnosis", text, view_of("json-1000"), ["nodule", "cyst", "effusion"])
    assert (list(parsed.findings), parsed.malformed) == (findings, 0)


def test_an_empty_list_of_boxes_denies_its_label_only():
    text = '[{"bbox_2d": [], "label": "cyst"}, {"bbox_2d": [10, 20, 300, 400], "label": "nodule"}]'
    assert parse("diagnosis", text, VIEW, NAMES).findings == (("nodule", A),)
    assert parse("localisation", text[:34] + "]", VIEW, NAMES, "nodule").status == "unparsable"
    for cut in ('{"boxes": [', '[{"bbox_2d": null, "label": "nodule"}]'):
        assert parse("detection", cut, VIEW, NAMES).abnormal is not False


@pytest.mark.parametrize(
    ("what", "findings"),
    [
        ("no nodule; cyst", ((None, A), ("cyst", B))),
        ("nodule, granuloma", (("nodule", A), ("granuloma", B))),
        ("granuloma and nodule (round, sharp edge)", (("granuloma", A), ("nodule", B))),
        ("nodule; no cyst; nodule", (("nodule", A), ("nodule", B))),
    ],
)
def test_names_keep_their_place_where_there_are_as_many_boxes(what, findings):
    text = f"Detection: abnormal.\nLocalisation: [10, 20, 300, 400]; [1, 2, 30, 40].\nRecognition: {what}."
    assert parse("diagnosis", text, VIEW, NAMES).findings == findings


def test_a_denial_of_another_name_is_no_refusal_for_whoever_asks():
    """What the parser says, the scores, the audit and the balance of pairs say."""
    said = {name: parse("localisation", f"There is no {name}.", VIEW, NAMES, "nodule") for name in NAMES}
    assert [(one.status, one.abnormal) for one in said.values()] == [("ok", False), ("unparsable", None)]


def test_to_ask_for_a_known_label_makes_no_new_vocabulary():
    labels = [f"finding no. {i}" for i in range(50)]
    assert refuses("There is no finding no. 0.", labels[0], labels)
    made = answers._names.cache_info().misses
    assert all(refuses(f"There is no {label}.", label, labels) for label in labels)
    assert answers._names.cache_info().misses == made


def test_what_says_nothing_keeps_its_place_among_the_names():
    text = "Detection: abnormal.\nLocalisation: [10, 20, 300, 400]; [1, 2, 30, 40].\nRecognition: ?; cyst."
    assert parse("diagnosis", text, view_of("json-1000"), ["cyst"]).findings == ((None, A), ("cyst", B))


VIEW = view_of("json-1000")
