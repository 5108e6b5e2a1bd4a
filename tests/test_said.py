"""What a model is to learn is written in its own form, says what the answer says, and is read back as that."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unveil.core.answers import parse, write_diagnosis, write_grounding, write_localisation
from unveil.core.box_formats import BOX_FORMATS, MARKUP, View, mark, neutral, render
from unveil.core.dialects import answer_text
from unveil.core.pairs import to_trl
from unveil.core.records import KINDS, Finding, Kind, Pair
from unveil.core.said import said, said_before

SIZE = (400, 200)
VIEW = View(BOX_FORMATS["medgemma-1.5"], SIZE, SIZE)
NEUTRAL = View(MARKUP, SIZE, SIZE)
NODULE, EFFUSION = (40.0, 20.0, 100.0, 120.0), (240.0, 60.0, 360.0, 180.0)
OF_NODULE, OF_EFFUSION = '{"box_2d": [300, 100, 550, 250]', '{"box_2d": [400, 600, 700, 900]'


def fenced(*objects: str) -> str:
    return f"Final Answer:\n```json\n[{', '.join(objects)}]\n```"


@pytest.mark.parametrize(
    ("kind", "target", "answer", "written"),
    [
        (
            "diagnosis",
            None,
            f"Detection: abnormal.\nLocalisation: {mark(NODULE)} in the right lung; {mark(EFFUSION)}.\n"
            "Recognition: Nodule (round, sharp edge); effusion.",
            fenced(f'{OF_NODULE}, "label": "Nodule (round, sharp edge)"}}', f'{OF_EFFUSION}, "label": "effusion"}}'),
        ),
        ("diagnosis", None, write_diagnosis([]), fenced()),
        (
            "localisation",
            "nodule",
            f"{mark(NODULE)} in the right lung; {mark(EFFUSION)}.",
            fenced(f'{OF_NODULE}, "label": "nodule"}}', f'{OF_EFFUSION}, "label": "nodule"}}'),
        ),
        ("localisation", "nodule", "There is no nodule.", fenced()),
        ("grounding", 'a "coin"', f"{mark(NODULE)}.", fenced(f'{OF_NODULE}, "label": "a \\"coin\\""}}')),
        # what a list would not say stays in words
        ("diagnosis", None, f"A nodule at {mark(NODULE)}, no effusion.", None),
        ("diagnosis", None, "Detection: abnormal.\nLocalisation: none.\nRecognition: nothing.", None),
        ("localisation", "nodule", "I do not know.", None),
        ("localisation", "nodule", "<box 40.00 20.00 100.00 1200.00>.", None),
        # and so do answers that give no place
        ("detection", None, "Yes.", "Yes."),
        ("recognition", mark(NODULE), "nodule (round).", "nodule (round)."),
        ("report", "findings", "No effusion.", "No effusion."),
        ("open", None, f"At {mark(NODULE)}.", f"At {OF_NODULE}}}."),
    ],
)  # fmt: skip
def test_the_form_by_hand(kind: Kind, target: str | None, answer: str, written: str | None) -> None:
    assert said(kind, answer, target, VIEW) == (render(answer, VIEW) if written is None else written)


LABELS = st.sampled_from(["nodule", "Mass", "pleural effusion", "ILD", "Other lesion", 'a "quoted" name', "Ödem"])
BOXES = st.tuples(st.integers(0, 300), st.integers(0, 150), st.integers(20, 100), st.integers(10, 50)).map(
    lambda v: (float(v[0]), float(v[1]), float(v[0] + v[2]), float(v[1] + v[3]))
)
FINDINGS = st.lists(
    st.builds(
        Finding,
        LABELS,
        BOXES,
        attributes=st.sampled_from([{}, {"shape": "round", "edge": "sharp"}, {"side": "right", "body_part": "lung"}]),
    ),
    max_size=4,
)


@given(FINDINGS)
def test_a_diagnosis_is_read_back(findings: list[Finding]) -> None:
    """As the neutral answer is read, and as it is after it was made neutral again."""
    names = sorted({f.label for f in findings} | {"cyst"})
    true = parse("diagnosis", write_diagnosis(findings), NEUTRAL, names)
    text = said("diagnosis", write_diagnosis(findings), None, VIEW)
    kept = neutral(answer_text(text, VIEW.box_format), VIEW)
    for read in (
        parse("diagnosis", text, VIEW, names),
        parse("diagnosis", kept, NEUTRAL, names),
        parse("diagnosis", said("diagnosis", kept, None, VIEW), VIEW, names),
    ):
        assert (read.status, read.abnormal, read.malformed) == (true.status, true.abnormal, 0)
        assert [name for name, _ in read.findings] == [name for name, _ in true.findings]
        _near(read.boxes, true.boxes)
    assert text.startswith("Final Answer:\n```json\n[") and text.endswith("]\n```")


@given(FINDINGS, LABELS)
def test_places_are_read_back(findings: list[Finding], label: str) -> None:
    of_both: tuple[tuple[Kind, str], ...] = (
        ("localisation", write_localisation(findings, label)),
        ("grounding", write_grounding(findings) if findings else ""),
    )
    for kind, text in of_both:
        if text:
            true = parse(kind, text, NEUTRAL, (), label)
            read = parse(kind, said(kind, text, label, VIEW), VIEW, (), label)
            assert (read.status, read.abnormal, read.malformed) == (true.status, true.abnormal, 0)
            _near(read.boxes, true.boxes)


def _near(some: list, others: list) -> None:
    """Within half a step of 400 / 1000 pixels, and the rounding of neutral markup."""
    assert len(some) == len(others)
    assert all(
        abs(a - b) <= 0.42 for one, other in zip(some, others, strict=True) for a, b in zip(one, other, strict=True)
    )


@pytest.mark.parametrize("name", sorted(BOX_FORMATS.keys() - {"medgemma-1.5", "medgemma-1.5-thinking"}))
def test_other_models_learn_what_they_learnt(name: str) -> None:
    view, answer = View(BOX_FORMATS[name], SIZE, SIZE), write_diagnosis([Finding("nodule", NODULE)])
    for kind in KINDS:
        assert said(kind, answer, "nodule", view) == render(answer, view)


def test_an_earlier_turn_is_written_as_its_question_shows() -> None:
    assert said_before("Where is the nodule?", f"{mark(NODULE)}.", VIEW) == fenced(f'{OF_NODULE}, "label": "nodule"}}')
    assert said_before("Is it large?", f"Yes, {mark(NODULE)}.", VIEW) == f"Yes, {OF_NODULE}}}."


def test_pairs_for_trl_are_written_so_too() -> None:
    asked = "Where is the nodule?"
    pair = Pair("p", "r", "r.png", "train", "localisation", asked, "There is no nodule.", f"{mark(NODULE)}.")
    pair = replace(pair, target="nodule", history=(("Where is the mass?", f"{mark(EFFUSION)}."),))
    row = to_trl(pair, (VIEW, VIEW))
    texts = [turn["content"][-1]["text"] for turn in (*row["prompt"], *row["chosen"], *row["rejected"])]
    assert texts == [
        "Where is the mass?",
        fenced(f'{OF_EFFUSION}, "label": "mass"}}'),
        "Where is the nodule?",
        fenced(),
        fenced(f'{OF_NODULE}, "label": "nodule"}}'),
    ]
    assert to_trl(pair)["rejected"][0]["content"][0]["text"] == pair.rejected


@pytest.mark.parametrize("name", sorted(BOX_FORMATS))
def test_a_models_own_json_comes_back_through_neutral_markup(name: str) -> None:
    """Its key once and not twice; in another model's words under the key that tells that x comes first."""
    view = View(BOX_FORMATS[name], SIZE, SIZE)
    for key in ("bbox_2d", "box_2d"):
        text = render(f'[{{"{key}": {mark(NODULE)}, "label": "nodule"}}]', view)
        assert len(re.findall("b?box_2d", text)) == 1
        assert view.read(text)[1] == 0
        _far(view.read(text)[0][0], view)
    if "json" in name or "medgemma" in name:
        own = f'[{view.write(NODULE)[:-1]}, "label": "nodule"}}]'
        assert render(neutral(own, view), view) == own


def _far(box: tuple[float, float, float, float], view: View) -> None:
    steps = (view.box_format.grid or view.canvas[0]) / view.box_format.step
    assert all(abs(a - b) <= max(view.canvas) / steps * 1.5 for a, b in zip(box, NODULE, strict=True))
