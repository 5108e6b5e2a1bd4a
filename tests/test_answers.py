"""What is written can be read again, in every box format; what cannot be read is said to be so."""

from __future__ import annotations

import json

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from unveil.core import answers
from unveil.core.answers import Parsed, clean, clean_answer, parse, write_diagnosis
from unveil.core.box_formats import BOX_FORMATS, View, mark, neutral, neutral_json, render, unmark
from unveil.core.geometry import area, ious
from unveil.core.records import KINDS, Finding
from unveil.core.wordings import QUESTIONS, asked_about

settings.register_profile("calm", deadline=None)  # a busy machine is no failure
settings.load_profile("calm")

NAMES = ["effusion", "pleural effusion", "COVID-19", "nodule/mass", "Calcification"]

side = st.integers(1, 4000)
share = st.floats(0, 1)


def view_of(box_format: str, size: tuple[int, int] = (512, 512), frame: tuple[int, int] | None = None) -> View:
    return View(BOX_FORMATS[box_format], size, frame or size)


@st.composite
def boxes_in(draw, size):
    """A box inside the image, from one pixel up, often at an edge."""
    ends = []
    for extent in size:
        length = draw(st.one_of(st.just(1.0), st.floats(1.0, extent)))
        low = draw(st.one_of(st.just(0.0), st.just(extent - length), share.map((extent - length).__mul__)))
        ends.append((low, min(low + length, float(extent))))
    return ends[0][0], ends[1][0], ends[0][1], ends[1][1]


@st.composite
def views(draw):
    size = draw(st.tuples(side, side))
    frame = draw(st.tuples(st.integers(28, 2000), st.integers(28, 2000)))
    return View(BOX_FORMATS[draw(st.sampled_from(sorted(BOX_FORMATS)))], size, frame)


def steps(view: View) -> tuple[float, float]:
    """The pixels of the image that one step of the written numbers stands for, across and down."""
    extent = view.frame if view.box_format.grid is None else (view.box_format.grid,) * 2
    across, down = (c * view.box_format.step / e for c, e in zip(view.canvas, extent, strict=True))
    return across, down


@given(st.data())
def test_a_box_written_is_read_to_within_the_grid(data):
    """Rounding moves an edge by half a step; a side that would vanish grows to one step: 1.5 steps at the most."""
    view = data.draw(views())
    box = data.draw(boxes_in(view.size))
    read, malformed = view.read(view.write(box))
    assert len(read) == 1 and malformed == 0
    for i, (written, again) in enumerate(zip(box, read[0], strict=True)):
        assert abs(written - again) <= 1.5 * steps(view)[i % 2] + 1e-6
    assert area(read[0]) > 0


@given(st.data())
def test_a_box_of_many_steps_keeps_its_iou(data):
    """The edges of a side of 40 steps move by half a step each, at the most: IoU >= (39 / 40)^2 = 0.95 or close."""
    view = data.draw(views())
    box = data.draw(boxes_in(view.size))
    if all(high - low > 40 * step for low, high, step in zip(box[:2], box[2:], steps(view), strict=True)):
        assert ious(view.read(view.write(box))[0], [box]).item() > 0.9


@pytest.mark.parametrize("box_format", sorted(BOX_FORMATS))
@pytest.mark.parametrize("size", [(1, 1), (1, 3000), (3000, 1), (64, 64), (513, 511)])
def test_the_whole_image_and_its_corners(box_format, size):
    view = view_of(box_format, size, (336, 448))
    width, height = size
    for box in ((0, 0, width, height), (0, 0, 1, 1), (width - 1, height - 1, width, height)):
        read, malformed = view.read(view.write(box))
        assert len(read) == 1 and malformed == 0


def test_two_edges_that_round_to_one_number():
    """1.5 and 2.5 both round to 2 (half to even): the box must not vanish, [2, 3]."""
    assert view_of("json-pixels").write((1.5, 1.5, 2.5, 2.5)) in (
        '{"bbox_2d": [1, 1, 3, 3]}',
        '{"bbox_2d": [2, 2, 3, 3]}',
    )


def test_a_thin_image_padded_to_a_square():
    """3000 x 1 on 3000 x 3000: row 1499 of the canvas; a step is 3 pixels and must still touch the picture."""
    view = view_of("unit-square", (3000, 1))
    assert ious(view.read(view.write((0, 0, 3000, 1)))[0], [(0, 0, 3000, 1)]).item() == pytest.approx(1)


@pytest.mark.parametrize(
    ("box_format", "text"),
    [
        ("json-pixels", '{"bbox_2d": [128, 256, 384, 512]}'),
        ("json-1000", '{"bbox_2d": [250, 500, 750, 1000]}'),
        ("qwen2-vl", "<|box_start|>(250,500),(750,1000)<|box_end|>"),
        ("internvl", "<box>[[250, 500, 750, 1000]]</box>"),
        ("unit", "[0.250, 0.500, 0.750, 1.000]"),
        ("unit-square", "[0.250, 0.500, 0.750, 1.000]"),
    ],
)
def test_the_forms_by_hand(box_format, text):
    """A quarter, half, three quarters and all of 512 pixels are 128, 256, 384 and 512."""
    assert view_of(box_format).write((128, 256, 384, 512)) == text
    assert view_of(box_format).read(text) == ([(128, 256, 384, 512)], 0)


def test_location_tokens_are_bins_and_y_comes_first():
    """Of 1024 pixels, bin 100 spans 100 to 101 and stands for 100.5."""
    view = view_of("loc-1024", (1024, 1024))
    assert view.write((100, 200, 300, 1024)) == "<loc0200><loc0100><loc1023><loc0300>"
    assert view.read("<loc0200><loc0100><loc1023><loc0300>") == ([(100.5, 200.5, 300.5, 1023.5)], 0)


def test_a_pixel_box_is_not_read_as_thousandths():
    """In 512 x 512, [256, 256, 512, 512] is the lower right quarter in pixels, and another box in thousandths."""
    text = '{"bbox_2d": [256, 256, 512, 512]}'
    assert view_of("json-pixels").read(text)[0] == [(256, 256, 512, 512)]
    assert view_of("json-1000").read(text)[0] == [pytest.approx((131.072, 131.072, 262.144, 262.144))]


@pytest.mark.parametrize(
    ("box_format", "text"),
    [
        ("json-pixels", "[300, 300, 100, 100]"),
        ("json-pixels", "[0, 0, 0, 0]"),
        ("json-pixels", "[600, 600, 700, 700]"),
        ("json-1000", "[10, 10, 20, 1200]"),
        ("unit", "[0.5, 0.5, 0.2, 0.9]"),
        ("unit", "[0.5, 0.5, 0.9, 1.9]"),
        ("bins-64", "<b3><b3><b9><b64>"),
        ("loc-1024", "<loc0000><loc0000><loc0500><loc1024>"),
    ],
)
def test_inverted_and_outlying_boxes_are_malformed(box_format, text):
    assert view_of(box_format).read(text) == ([], 1)


@pytest.mark.parametrize("box_format", sorted(BOX_FORMATS))
def test_numbers_in_prose_are_no_box(box_format):
    text = "There are 4 nodules, 3 cm, 2.5 cm, 10 mm and 7 mm in size, in segments 1, 2, 3 and 4 (2, 3, 4)."
    assert view_of(box_format).read(text) == ([], 0)
    assert parse("localisation", text, view_of(box_format)) == Parsed("unparsable")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("text", ["", "  \n", "???"])
def test_unparsable_is_never_a_box(kind, text):
    """Least of all [0, 0, 0, 0], whose centre would lie in a box at the corner."""
    parsed = parse(kind, text, view_of("json-pixels"), NAMES)
    assert parsed.boxes == []
    if text != "???" or kind not in ("closed", "open", "recognition", "report"):  # these take any words
        assert parsed.status == "unparsable"


@given(st.sampled_from(KINDS), st.text(), views())
@example("diagnosis", '"label": "\\q"', View(BOX_FORMATS["json-1000"], (9, 9), (9, 9)))
@example("diagnosis", '"label": "a\nb"', View(BOX_FORMATS["json-1000"], (9, 9), (9, 9)))
@example("diagnosis", "Localisation: [" + "9" * 400 + ", 1, 2, 3]", View(BOX_FORMATS["json-1000"], (9, 9), (9, 9)))
def test_no_answer_breaks_the_parser(kind, text, view):
    assert parse(kind, text, view, NAMES).status in ("ok", "unparsable")


@given(st.data())
def test_a_diagnosis_written_is_read_again(data):
    """Names in order, one box each, near the true one; an empty list is read as normal."""
    view = data.draw(views())
    words = {"side": "left", "body_part": "lung", "shape": "round", "edge": "sharp"}
    attributes = st.lists(st.sampled_from(sorted(words))).map(lambda keys: {k: words[k] for k in keys})
    finding = st.builds(Finding, st.sampled_from(NAMES), boxes_in(view.size), st.none(), attributes)
    findings = data.draw(st.lists(finding, max_size=4))
    parsed = parse("diagnosis", render(write_diagnosis(findings), view), view, NAMES)
    assert (parsed.status, parsed.abnormal, parsed.malformed) == ("ok", bool(findings), 0)
    assert parsed.labels == [answers.normal(f.label) for f in findings]
    assert len(parsed.boxes) == len(findings)
    for box, f in zip(parsed.boxes, findings, strict=True):
        assert abs(box[0] - f.box[0]) <= 1.5 * steps(view)[0] + 0.02


def test_the_other_answers_are_read_again():
    view = view_of("json-pixels", (100, 100))
    f = Finding("pleural effusion", (10.0, 20.0, 30.0, 40.0), None, {"body_part": "lung", "shape": "flat"})
    read = {
        "detection": parse("detection", answers.write_detection([f]), view),
        "localisation": parse("localisation", render(answers.write_localisation([f], f.label), view), view),
        "recognition": parse("recognition", answers.write_recognition(f), view, NAMES),
        "absent": parse("localisation", answers.write_localisation([], "nodule"), view),
        "nothing": parse("recognition", answers.write_recognition(None), view, NAMES),
    }
    assert read["detection"] == Parsed("ok", True)
    assert read["localisation"] == Parsed("ok", True, ((None, f.box),))
    assert read["recognition"] == Parsed("ok", True, (("pleural effusion", None),))
    assert read["absent"] == read["nothing"] == Parsed("ok", False)


def test_a_malformed_box_keeps_its_name():
    """Two names, two boxes, the first inverted: the second box belongs to the second name."""
    text = "Detection: abnormal.\nLocalisation: [9, 9, 1, 1]; [10, 10, 20, 20].\nRecognition: effusion; calcification."
    parsed = parse("diagnosis", text, view_of("json-pixels"), NAMES)
    assert parsed.findings == (("effusion", None), ("calcification", (10, 10, 20, 20)))
    assert parsed.malformed == 1


def test_an_answer_in_prose():
    """The longest name counts once ("effusion" stands in "pleural effusion"); a name that is denied is no finding."""
    view = view_of("json-pixels")
    assert parse("diagnosis", "I see a pleural effusion.", view, NAMES).labels == ["pleural effusion"]
    assert parse("diagnosis", "There is no effusion.", view, NAMES) == Parsed("ok", False)
    mixed = parse("diagnosis", "No effusion, but a calcification [1, 2, 30, 40].", view, NAMES)
    assert mixed.findings == (("calcification", (1, 2, 30, 40)),)
    grounded = '[{"bbox_2d": [1, 2, 30, 40], "label": "effusion"}]'
    assert parse("diagnosis", grounded, view, NAMES).findings == (("effusion", (1, 2, 30, 40)),)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Yes.", True),
        ("NO", False),
        ("Yes, this is not normal", True),
        ("Yes, abnormal nodule", True),
        ("The lungs appear normal.", None),
        ("Nodule present, abnormal", None),
        ("eyes are visible", None),
        ("Yes and no, cannot tell", None),
        ("abnormal", None),
        ("None", None),
        ("", None),
    ],
)
def test_yes_and_no_are_words(text, said):
    """No substring: "no" in "normal" and "nodule", "yes" in "eyes"; "abnormal" is not "no"."""
    assert answers.yes_no(text) is said


TOKENS = ["<image>", "<|im_start|>", "<|im_end|>", "[INST]", "[/INST]", "<<SYS>>", "</s>", "<box 1 2 3 4>", "<loc0001>"]
TOKENS += ["<b7>", "<start_of_turn>", "<end_of_turn>", "<image_soft_token>", "<IMG_CONTEXT>", "<img>", "<|box_start|>"]


@pytest.mark.parametrize("token", TOKENS)
@pytest.mark.parametrize("invisible", ["", *"\u200b\u200d\ufeff\u2060\u00ad\x00\ufe0f\u034f"])
def test_clean_removes_tokens_in_any_case_and_when_split(token, invisible):
    for form in (token, token.upper(), token.title()):
        split = invisible.join(form)
        assert clean(f"before {split} after") == "before after"


@pytest.mark.parametrize("text", ["p < 0.05, size > 3 cm", "a <5 mm nodule", "<unclear>", "Größe 3 cm, 正常", "{x}[1]"])
def test_clean_keeps_the_words(text):
    assert clean(text) == text


def test_clean_removes_what_its_own_removals_make():
    assert clean("<im<image>age>") == "<im age>"
    assert clean("<|im_<|im_start|>start|>") == ""


@given(st.text(st.one_of(st.characters(), st.sampled_from("<>|/[]imageINSTbox\u200b\u0301"))))
@example("e\u200b\u0301")
def test_clean_twice_is_clean_once(text):
    assert clean(clean(text)) == clean(text)


@given(st.data())
def test_markup_round_trip(data):
    """Neutral markup holds hundredths of a pixel."""
    box = data.draw(boxes_in((4000, 3000)))
    assert unmark(f"see {mark(box)}.")[0] == pytest.approx(box, abs=0.00501)


# ------------------------------------------------------------------------------------------- a model's text and back


@given(st.data())
def test_a_models_own_boxes_come_back_as_it_wrote_them(data):
    """Markup keeps hundredths of a pixel, which is finer than half a step from 24 pixels up (24 / 1000 / 2 = 0.012).

    Only where a square is padded around the image, a box at the image's edge loses what lies in the padding.
    """
    name = data.draw(st.sampled_from(sorted(BOX_FORMATS)))
    size = data.draw(st.tuples(st.integers(24, 4000), st.integers(24, 4000)))
    frame = data.draw(st.tuples(st.integers(28, 1500), st.integers(28, 1500)))
    view, box = View(BOX_FORMATS[name], size, frame), data.draw(boxes_in(size))
    if view.box_format.square:
        far = 2 * max(steps(view))
        assume(min(*box[:2], size[0] - box[2], size[1] - box[3]) > far)
    text = f"Localisation: {view.write(box)} in the left lung; {view.write(box)}.\nRecognition: nodule (3, 4)."
    assert len(unmark(neutral(text, view))) == 2
    assert render(neutral(text, view), view) == text


@pytest.mark.parametrize("box_format", sorted(BOX_FORMATS))
def test_a_malformed_box_stays_as_it_was_written(box_format):
    """From 60 down to 10."""
    view = view_of(box_format, (64, 64))
    inverted = view.box_format.write([60, 60, 10, 10] if view.box_format.grid != 1 else [0.9, 0.9, 0.1, 0.1])
    assert neutral(f"at {inverted}.", view) == f"at {inverted}."


def test_in_json_boxes_stand_in_strings_only():
    """[0, 0, 1, 0.5] in a text is a box; as a value it is a list. What JSON escapes is a box like any other."""
    view = view_of("unit", (100, 100))
    values = {"answer": 'at [0, 0, 1, 0.5] "ü"\n', "numbers": [0, 0, 1, 0.5]}
    assert json.loads(neutral_json(json.dumps(values), view)) == values | {
        "answer": 'at <box 0.00 0.00 100.00 50.00> "ü"\n'
    }
    view = view_of("json-pixels", (100, 100))
    said = json.dumps({"answer": 'at {"bbox_2d": [1, 2, 30, 40]}.'})
    assert json.loads(neutral_json(said, view)) == {"answer": "at <box 1.00 2.00 30.00 40.00>."}
    for text in ('{"a": "no end', '"\\q [1, 2, 30, 40]"', "", '{"a": "\\u00fc"}'):
        assert neutral_json(text, view) == text


# ------------------------------------------------------------------------------------------------ questions and back

targets = st.one_of(st.sampled_from([*NAMES, "mass?", "?", " a ", "{}", "Where is the cyst?"]), st.text(min_size=1))


@given(st.sampled_from([(k, i) for k in QUESTIONS if k != "report" for i in range(len(QUESTIONS[k]))]), targets)
def test_what_a_question_is_about_is_what_was_filled_in(form, target):
    """For a whole image "", else the name or box; no other kind understands it."""
    kind, number = form
    wording_ = QUESTIONS[kind][number]
    question = wording_.format(target)
    assert asked_about(kind, question) == (target if "{}" in wording_ else "")
    assert asked_about(kind, f" {question}\n") == asked_about(kind, question)
    assert [other for other in KINDS if asked_about(other, question) is not None] == [kind]


@pytest.mark.parametrize(
    "question", ["", "Where is the ?", "Where is the?", "where is the cyst?", "Is anything abnormal"]
)
def test_other_questions_are_about_nothing(question):
    assert all(asked_about(kind, question) is None for kind in KINDS)


# ------------------------------------------------------------------------------------------------- answers of a model


@pytest.mark.parametrize("token", [t for t in TOKENS if not t.startswith("<box")])
@pytest.mark.parametrize("invisible", ["", *"\u200b\ufeff\u00ad\x00\u034f"])
def test_an_answer_keeps_its_boxes_and_loses_control_tokens(token, invisible):
    """Also where a box stands in the middle of a token, or one that is no box of ours: it goes with the token."""
    box, split = mark((1, 2, 30, 40)), invisible.join(token)
    assert clean_answer(f"at {box} {split}; {split}{box}.") == f"at {box} ; {box}."
    assert clean_answer("at <bo\u200bx 1 2 3 4> <box 1 2 3> and </box>") == "at and"
    assert clean_answer(f"a <|im_{box}start|> b") == "a b"


@given(st.data())
def test_boxes_of_an_answer_stay_bit_for_bit(data):
    """Whatever stands around them, the brackets included by which they are held meanwhile."""
    around = st.text(st.sampled_from("ab \n0123456789\u27e6\u27e7\u200b."))
    box = boxes_in((400, 300)).map(mark)
    parts = data.draw(st.lists(st.tuples(around, box), max_size=3))
    text = "".join(a + b for a, b in parts)
    made = clean_answer(text)
    assert unmark(made) == [unmark(b)[0] for _, b in parts]
    assert clean_answer(made) == made and not set(made) & set("\u27e6\u27e7\u200b")
