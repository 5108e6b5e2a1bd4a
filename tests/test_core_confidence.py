"""How sure a model is of its boxes: which tokens write a box and its name, and what follows from them, by hand."""

from __future__ import annotations

import math
import re

import pytest

from unveil.core.answers import parse
from unveil.core.box_formats import BOX_FORMATS, View
from unveil.core.confidence import ConfidenceError, confidences
from unveil.core.records import Kind

NAMES = ["nodule", "cyst", "mass"]


def tokens(text: str, sure: dict[str, float]) -> list[tuple[int, float]]:
    """Words, numbers and signs as tokens; those in ``sure`` have its probability at each of their places, in order of
    ``sure[word]``, all others 0.5."""
    return [
        (one.end(), math.log(sure.get(one[0], 0.5))) for one in re.finditer(r"\s*[A-Za-z_]+|\s*\d+|\s*[^\w\s]", text)
    ]


def scores(box_format: str, kind: Kind, text: str, sure: dict[str, float]) -> list[tuple[str | None, float | None]]:
    view = View(BOX_FORMATS[box_format], (100, 100), (100, 100))
    parsed = parse(kind, text, view, NAMES, "nodule" if kind == "localisation" else None)
    names = [name for name, box in parsed.findings if box]
    found = confidences(text, parsed, [(end, logp) for end, logp in tokens(text, sure)])
    return [(name, round(one.score, 6) if one else None) for name, one in zip(names, found, strict=True)]


def spaced(sure: dict[str, float]) -> dict[str, float]:
    """A token is the same with a space before it."""
    return sure | {f" {word}": p for word, p in sure.items()} | {f"\n{word}": p for word, p in sure.items()}


#: Of the nodule's numbers, of the cyst's, of their names.
SURE = spaced(dict.fromkeys(("10", "11", "20", "21"), 0.8) | dict.fromkeys(("50", "51", "60", "61"), 0.4))
SURE |= spaced({"nodule": 0.5, "cyst": 0.25})
TWO = [("nodule", 0.4), ("cyst", 0.1)]  # 0.8 * 0.5 and 0.4 * 0.25


@pytest.mark.parametrize(
    ("box_format", "text"),
    [
        (
            "json-pixels",
            '[{"bbox_2d": [10, 11, 20, 21], "label": "nodule"}, {"bbox_2d": [50, 51, 60, 61], "label": "cyst"}]',
        ),
        ("json-pixels", '{"label": "nodule", "x1": 10, "y1": 11, "x2": 20, "y2": 21} {"label": "cyst", "box": 1}'),
        ("internvl", "<ref>nodule</ref><box>[[10, 11, 20, 21]]</box><ref>cyst</ref><box>[[50, 51, 60, 61]]</box>"),
        ("qwen2-vl", "<|box_start|>(10,11),(20,21)<|box_end|> nodule <|box_start|>(50,51),(60,61)<|box_end|> cyst"),
        ("json-pixels", "There is a nodule at [10, 11, 20, 21] and a cyst at [50, 51, 60, 61]."),
        (
            "json-pixels",
            "Detection: abnormal.\nLocalisation: [10, 11, 20, 21]; [50, 51, 60, 61].\nRecognition: nodule; cyst.",
        ),
    ],
)
def test_the_score_is_the_mean_probability_of_the_numbers_times_that_of_the_name(box_format: str, text: str) -> None:
    """exp(mean log p): four numbers of 0.8 have 0.8. What is around them (brackets, keys such as the 2 of bbox_2d, the
    1 of x1), all of 0.5, does not count."""
    found = scores(box_format, "diagnosis", text, SURE)
    assert found == TWO[: len(found)] and found


def test_a_malformed_box_keeps_its_name_and_shifts_no_other() -> None:
    """The first box is inverted; the second finding is the cyst's, with its own numbers."""
    text = "Detection: abnormal.\nLocalisation: [20, 21, 10, 11]; [50, 51, 60, 61].\nRecognition: nodule; cyst."
    assert scores("json-pixels", "diagnosis", text, SURE) == [("cyst", 0.1)]


def test_several_boxes_of_one_name_have_their_own_numbers() -> None:
    text = "<ref>nodule</ref><box>[[10, 11, 20, 21], [50, 51, 60, 61]]</box>"
    assert scores("internvl", "diagnosis", text, SURE) == [("nodule", 0.4), ("nodule", 0.2)]


def test_a_box_that_is_denied_is_none() -> None:
    text = "No cyst at [50, 51, 60, 61]. There is a nodule at [10, 11, 20, 21]."
    assert scores("json-pixels", "diagnosis", text, SURE) == [("nodule", 0.4)]


def test_a_name_that_the_question_gives_adds_nothing() -> None:
    text = "[10, 11, 20, 21] in the left nodule; [50, 51, 60, 61]."
    assert scores("json-pixels", "localisation", text, SURE) == [(None, 0.8), (None, 0.4)]


def test_of_a_name_that_is_said_twice_the_first_counts() -> None:
    """The second place follows from the first and is always sure: (0.5 + 0.99 ...) would say nothing."""
    text = "A nodule at [10, 11, 20, 21]. The Nodule is round."
    assert scores("json-pixels", "diagnosis", text, SURE | spaced({"Nodule": 0.99})) == [("nodule", 0.4)]


def test_one_token_for_each_coordinate() -> None:
    """Bins of 1024: y before x. Tokens of 0.9, 0.9, 0.4 and 0.4: (0.9 * 0.9 * 0.4 * 0.4) ^ (1/4) = 0.6."""
    text = "<loc0100><loc0100><loc0500><loc0500> nodule"
    view = View(BOX_FORMATS["loc-1024"], (100, 100), (100, 100))
    ends = [(9, 0.9), (18, 0.9), (27, 0.4), (36, 0.4), (43, 0.5), (43, 0.1)]  # the last one ends the text
    [found] = confidences(text, parse("diagnosis", text, view, NAMES), [(end, math.log(p)) for end, p in ends])
    assert found and found.score == pytest.approx(0.6 * 0.5)


def test_digits_of_one_number_are_tokens_each() -> None:
    """ "10" as two tokens of 0.5 and 0.125: with three numbers of one token of 1, (0.5 * 0.125) ^ (1/5)."""
    text = "[10,20,30,40]"
    view = View(BOX_FORMATS["json-pixels"], (100, 100), (100, 100))
    ends = [(1, 0.1), (2, 0.5), (3, 0.125), (4, 0.1), (6, 1), (7, 0.1), (9, 1), (10, 0.1), (12, 1), (13, 0.1)]
    parsed = parse("localisation", text, view, NAMES, "nodule")
    [found] = confidences(text, parsed, [(end, math.log(p)) for end, p in ends])
    assert found and found.score == pytest.approx((1 / 16) ** 0.2)


def test_without_tokens_no_confidence() -> None:
    text = "[10,20,30,40]"
    parsed = parse("localisation", text, View(BOX_FORMATS["json-pixels"], (100, 100), (100, 100)), NAMES, "nodule")
    assert confidences(text, parsed, ()) == [None]
    assert confidences(text, parsed, [(1, -0.5)]) == [None]  # of the bracket only


@pytest.mark.parametrize(
    ("tokens", "told"),
    [
        ([(13, math.nan)], "log-probability is nan"),
        ([(13, 0.7)], "log-probability is 0.7, not a number up to 0"),
        ([(14, -1.0)], "within the 13 letters"),
        ([(9, -1.0), (3, -1.0)], "one after the other"),
    ],
)
def test_tokens_that_cannot_be_those_of_the_answer(tokens: list[tuple[int, float]], told: str) -> None:
    text = "[10,20,30,40]"
    parsed = parse("localisation", text, View(BOX_FORMATS["json-pixels"], (100, 100), (100, 100)), NAMES, "nodule")
    with pytest.raises(ConfidenceError, match=told):
        confidences(text, parsed, tokens)


def test_a_probability_of_0_is_a_score_of_0() -> None:
    text = "[10,20,30,40]"
    parsed = parse("localisation", text, View(BOX_FORMATS["json-pixels"], (100, 100), (100, 100)), NAMES, "nodule")
    [found] = confidences(text, parsed, [(13, -math.inf)])
    assert found and found.score == 0
