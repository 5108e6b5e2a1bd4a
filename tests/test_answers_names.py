"""How names are read: of any form, denied or not, where they stand, and in answers that nobody would write."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from unveil.core.answers import (
    clean,
    name_of,
    parse,
    refuses,
    says_nothing,
    says_yes,
    write_diagnosis,
    write_localisation,
    write_recognition,
)
from unveil.core.assertions import Clause, Sentence, read
from unveil.core.box_formats import BOX_FORMATS, View, boxes_in, neutral, neutral_json, render
from unveil.core.names import Names, bare, normal
from unveil.core.records import Finding, Kind

NAMES = ["nodule", "cyst"]


def view_of(box_format: str) -> View:
    return View(BOX_FORMATS[box_format], (1000, 1000), (1000, 1000))


# ------------------------------------------------------------------------------------------------- names of any form

PIECES = [
    "no",
    "not",
    "normal",
    "without",
    "nodule",
    "COVID",
    "St",
    "T",
    "right",
    "(benign)",
    "[x]",
    "/",
    "-",
    "_",
    ".",
]
PIECES += [",", ";", ":", "'", '"', "2", "19", "1.5", "%", "é", "ß", "结节", "seen", "is", "abnormal", "yes", "free of"]
PIECES += ["a", "but", "detection", "recognition", "lesion", "unlikely", "change", "of", "and", "cannot", "?", "!"]
piece = st.sampled_from(PIECES) | st.text(min_size=1, max_size=4)
VIEW = view_of("json-1000")


def is_label(text: str) -> bool:
    """What the ingest would keep as a name, and what is no box."""
    own = bare(text) == text and any(c.isalnum() for c in text) and not says_nothing(text)
    return own and not VIEW.read_all(f"{text}.")


label = (
    (st.lists(piece, min_size=1, max_size=5).map(" ".join) | st.lists(piece, min_size=1, max_size=5).map("".join))
    .map(lambda text: " ".join(clean(text).split()))
    .filter(is_label)
)


@given(label, st.dictionaries(st.sampled_from(["shape", "edge"]), st.sampled_from(["round", "sharp", "irregular"])))
def test_a_name_written_is_read_again(name, attributes):
    """Also with full stops, brackets, semicolons, quotes, digits, and with words of denial in it."""
    written = write_recognition(Finding(name, (1.0, 2.0, 30.0, 40.0), None, attributes))
    assert parse("recognition", written, VIEW, [name]).labels == [normal(name)]
    assert name_of(name, [name]) == normal(name)


@given(st.lists(label, min_size=1, max_size=3, unique_by=normal))
def test_a_diagnosis_of_any_names_is_read_again(names):
    found = [Finding(name, (1.0 + i, 2.0, 30.0, 40.0)) for i, name in enumerate(names)]
    parsed = parse("diagnosis", render(write_diagnosis(found), VIEW), VIEW, names)
    assert parsed.findings == tuple((normal(name), (1.0 + i, 2.0, 30.0, 40.0)) for i, name in enumerate(names))


OF_DENIALS = {"no", "not", "there", "is", "a", "evidence", "of", "without", "for", "negative", "seen"}


@given(label)
def test_a_name_that_is_denied_is_not_given(name):
    says = write_localisation([], name)
    assume(not Names([name]).find("There is no x."))  # a name such as "no"
    assert refuses(says, name, [name]) and refuses(says, name, [])
    assume(not OF_DENIALS & set(normal(name).split()))
    for form in ("{}: no.", "No {}.", "No evidence of {}.", "Without {}.", "{} is not seen.", "Negative for {}."):
        said = [parse(kind, form.format(name), VIEW, [name]).labels for kind in ("recognition", "diagnosis")]
        assert said == [[], []], form


@given(label)
def test_case_space_and_underscore_are_the_same(name):
    assume(len(name) == len(name.lower()) == len(name.upper()))  # not so where "ß" becomes "SS"
    for form in (name.upper(), name.lower(), name.replace(" ", "_"), name.replace(" ", "  ")):
        assume(normal(form) == normal(name))
        assert parse("recognition", form, VIEW, [name]).labels == [normal(name)]


@pytest.mark.parametrize(
    ("one", "many"),
    [
        ("nodule", "nodules"), ("mass", "masses"), ("opacity", "opacities"), ("metastasis", "metastases"),
        ("diverticulum", "diverticula"), ("naevus", "naevi"), ("bulla", "bullae"), ("carcinoma", "carcinomata"),
        ("calculus", "calculi"), ("thorax", "thoraces"), ("wisdom tooth", "wisdom teeth"), ("polyp", "polyps"),
        ("lymph node", "lymph nodes"), ("foramen", "foramina"), ("criterion", "criteria"),
    ],
)  # fmt: skip
def test_plurals(one, many):
    for known, said in ((one, many), (many, one)):
        assert parse("recognition", f"{said.capitalize()}.", VIEW, [known]).labels == [known]
        assert parse("diagnosis", f"No {said}.", VIEW, [known]).abnormal is False


def test_a_dash_around_a_name_is_none_of_it():
    """Of any kind: with one in front a name was never found."""
    assert [bare(f"{dash} no plaque {dash}") for dash in "-\u2010\u2013\u2014\u2212"] == ["no plaque"] * 5


def test_a_name_never_stands_within_a_word():
    for text in ("A cystic area.", "A pseudo-cyst.", "A non-cyst.", "Macrocyst."):
        assert "cyst" not in parse("recognition", text, VIEW, ["cyst"]).labels


# ----------------------------------------------------------------------------------- answers that nobody would write

LONG = [
    "no nodule, ", "nodule, ", "not a nodule, a cyst or ", "abnormal (nodule, ", "no (", ": no", "nodule? no. ",
    "[1, 2, 3, ", "[1 ", "(1 2 ", "x1: 1, ", '{"x": 1, "y": ',
    "[[1,2,3,4],", '{"bbox_2d": [', '{"label": "nodule", "bbox_2d": [1,2,30,40]}, ', '"label": "', "(1,2),", "<b1> ",
    "<box>[", "<|box_start|>(", "<ref>nodule</ref>", "Detection: ", "Recognition: nodule; ", "is not ", "?", '\\"', " ",
]  # fmt: skip


@pytest.mark.parametrize("part", LONG)
def test_long_answers_take_no_longer_than_their_length(part):
    """A search that goes back over 20,000 characters would take minutes, this one takes a second; none is an error."""
    text = (part * (20_000 // len(part) + 1))[:20_000]
    for box_format in ("json-1000", "internvl", "qwen2-vl", "bins-64"):
        view = view_of(box_format)
        assert (neutral(text, view) != text) <= (boxes_in(text, view.box_format) != [])
    for kind in ("localisation", "diagnosis"):
        assert parse(kind, text, VIEW, ["nodule", "cyst", "mass (benign)"]).status in ("ok", "unparsable")
    assert len(neutral_json(text, VIEW)) == len(text)
    says_yes("Is there a nodule?", text, ["nodule"])


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("Detection: abnormal.\nLocalisation: x.\nRecognition: cyst; nodule.", "Recognition: cyst; nodule."),
        ("Recognition: cyst.\nLocalisation: none.", None),
        ("A cyst.", None),
        ("localization: x.\nDetection: abnormal.", "Detection: abnormal."),
        ("Localisation: a.\nRecognition: b.\nLocalisation: c.\nRecognition: d.", "Recognition: d."),
        ('Localisation: {"label": "cyst", "bbox_2d": []}.\nRecognition: none.', "Recognition: none."),
        ("", None),
    ],
)
def test_where_places_end(text: str, rest: str | None) -> None:
    """At the heading behind the last places, wherever these stand; None where nothing follows them."""
    end = parse("diagnosis", text, VIEW, NAMES).places_end
    assert (None if end is None else text[end:]) == rest


def test_a_name_that_looks_like_a_heading_ends_no_places() -> None:
    """It is a finding's name, which the answer gives among its places."""
    text = "Localisation: [1, 2, 30, 40] recognition: agnosia.\nRecognition: recognition: agnosia."
    parsed = parse("diagnosis", text, VIEW, ["recognition: agnosia"])
    assert parsed.labels == ["recognition: agnosia"] and parsed.places_end == text.index("\n") + 1


@pytest.mark.parametrize(
    ("kind", "text", "names", "boxes"),
    [
        (
            "diagnosis",
            "Detection: a cyst.\nLocalisation: [1, 2, 30, 40], [5, 6, 7].\nRecognition: Cysts.",
            ["Cysts"],
            2,
        ),
        ("diagnosis", "Localisation: [1, 2, 3].\nRecognition: no cyst; a nodule, a nodule", ["nodule", "nodule"], 1),
        ("diagnosis", "Recognition:\n- a cyst\n- nodule (round)\nThe cyst is seen.", ["cyst", "nodule"], 0),
        ("diagnosis", "There is a cyst at [1, 2, 30, 40], and no nodule. The cyst is old.", ["cyst", "cyst"], 1),
        ("diagnosis", "<ref>old scar</ref> [1, 2, 30, 40]", ["old scar"], 1),
        ("diagnosis", '{"bbox_2d": [1, 2, 30, 40], "label": "cyst"}, {"label": "nodule", "bbox_2d": []}', ["cyst"], 1),
        ("localisation", "[1, 2, 30, 40]; [9, 9, 9, 9].", [], 2),
        ("recognition", "The cyst is not a nodule.", ["cyst"], 0),
        ("recognition", "An old scar (round).", ["An old scar (round)"], 0),
        ("recognition", '[{"label": "cyst"}, {"label": "nodule"}]', ["cyst", "nodule"], 0),
        ("detection", "A cyst.", [], 0),
    ],
)
def test_where_names_and_boxes_stand(kind: Kind, text: str, names: list[str], boxes: int) -> None:
    """The words that give names, none of those that deny them; the boxes that are its places, malformed ones too."""
    parsed = parse(kind, text, VIEW, ["nodule", "cyst"])
    assert [text[a:b] for _, (a, b) in parsed.named_at] == names
    assert [text[a:b].strip("{}")[-1] for a, b in parsed.boxes_at] == ["]"] * boxes


def test_where_a_name_stands_among_letters_that_are_composed() -> None:
    """The o and its dots are two letters in the answer, and one in the name."""
    text = "e\u0301: Kno\u0308tchen, [1, 2, 30, 40]"
    parsed = parse("diagnosis", text, VIEW, ["knötchen"])
    assert [text[a:b] for _, (a, b) in parsed.named_at] == ["Kno\u0308tchen"]
    assert [text[a:b] for a, b in parsed.boxes_at] == ["[1, 2, 30, 40]"]


@given(
    st.lists(st.sampled_from(["mass", "Pleural effusion", "nodule/mass"]), min_size=1), st.sampled_from([";", " ; "])
)
def test_a_list_of_names_is_read_as_every_other_text(said: list[str], sign: str) -> None:
    """Alone it is read at once, and word by word where one follows that is no name: its sentences are the same."""
    names, text = Names(["mass", "pleural effusion", "nodule/mass"]), sign.join(said)
    alone, among = read(text, names), read(f"{text}; here", names)
    assert among[:-1] == [*alone[:-1], replace(alone[-1], sign=";")]
    end = len(text) + 1
    last = Sentence(end, end, "", (Clause(end, end, (), denies=False, unread=False),))
    assert read(f"{text}.", names) == [*alone[:-1], replace(alone[-1], sign="."), last]
