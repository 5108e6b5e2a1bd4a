"""Conversations in four dialects: which is which, their turns, and boxes within their texts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.annotated import draw, run
from unveil.ingest.reading import IngestError

SAID = ("What is it?", "A nodule.")


def turns(role: str = "from", content: str = "value", *who: str, texts: tuple[str, ...] = SAID) -> list[dict[str, str]]:
    names = who or ("human", "gpt")
    return [{role: names[i % 2], content: f"<image>{said}" if i == 0 else said} for i, said in enumerate(texts)]


def chat(*texts: str) -> list[dict[str, str]]:
    return turns("role", "content", "user", "assistant", texts=texts or SAID)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    draw(tmp_path / "data/images/a.png")
    return tmp_path / "data"


def write(data: Path, *rows: dict[str, Any], name: str = "train.json") -> None:
    lines = "\n".join(map(json.dumps, rows)) if name.endswith("l") else json.dumps(rows)
    (data / name).write_text(lines)


@pytest.mark.parametrize(
    ("format", "name", "row"),
    [
        ("llava", "train.json", {"id": "1", "image": "a.png", "conversations": turns()}),
        ("sharegpt", "train.json", {"images": ["images/a.png"], "messages": chat()}),
        ("sharegpt", "train.jsonl", {"images": "a.png", "conversations": turns()}),
        ("ms-swift", "train.jsonl", {"images": ["a.png"], "messages": chat(), "objects": {"ref": [], "bbox": []}}),
    ],
)
def test_each_dialect_is_told_by_its_keys(format: str, name: str, row: dict[str, Any], data: Path) -> None:
    write(data, row, name=name)
    summary, [record], rejected = run(data.parent, "auto")
    assert summary.format == format and rejected == [] and record.split == "train"
    assert [(q.text, q.answer) for q in record.questions] == [SAID]


def test_llama_factory_says_itself_what_keys_are_called(data: Path) -> None:
    write(data, {"pics": ["a.png"], "talk": turns("who", "said", "U", "A")}, name="mine.json")
    about = {
        "file_name": "mine.json",
        "formatting": "sharegpt",
        "columns": {"messages": "talk", "images": "pics"},
        "tags": {"role_tag": "who", "content_tag": "said", "user_tag": "U", "assistant_tag": "A"},
    }
    (data / "dataset_info.json").write_text(json.dumps({"mine": about}))
    summary, [record], _ = run(data.parent, "auto")
    assert summary.format == "llama-factory" and record.questions[0].answer == "A nodule."
    about["columns"] = {"messages": "talk"}
    (data / "dataset_info.json").write_text(json.dumps({"mine": about}))
    with pytest.raises(IngestError, match=r"'mine\.json' has no column for images"):
        run(data.parent, "auto")


def test_parts_of_a_turn_and_a_system_prompt(data: Path) -> None:
    """As OpenAI writes it: the image is a part of the turn. Words of a system are no question."""
    parts = [{"type": "image", "image": "a.png"}, {"type": "text", "text": "What is it?"}]
    messages = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": parts}, chat()[1]]
    write(data, {"images": [], "messages": messages})
    _, [record], _ = run(data.parent, "auto")
    assert [(q.text, q.answer) for q in record.questions] == [SAID]


def test_rows_without_an_image_or_with_several_are_rejected(data: Path) -> None:
    row = {"messages": chat()}
    write(data, {"images": ["a.png"], **row}, {"images": [], **row}, {"images": ["a.png", "a.png"], **row})
    _, records, rejected = run(data.parent, "auto")
    assert [r["reason"] for r in rejected] == ["no image", "several images, of which a question can have one"]
    assert len(records) == 1


def test_objects_of_ms_swift_fill_their_places(data: Path) -> None:
    """Pixels, and shares of the 40 x 20 image: (0.1, 0.1, 0.5, 0.6) is (4, 2, 20, 12)."""
    said = chat("Where is <ref-object>?", "At <bbox>.")
    pixels = {"ref": ["nodule"], "bbox": [[4, 2, 20, 12]]}
    shares = {"ref": ["mass"], "bbox": [[0.1, 0.1, 0.5, 0.6]], "bbox_type": "norm1"}
    write(data, *({"images": ["a.png"], "messages": said, "objects": one} for one in (pixels, shares)))
    _, [record], _ = run(data.parent, "auto")
    assert [(q.text, q.answer) for q in record.questions] == [
        ("Where is nodule?", "At <box 4.00 2.00 20.00 12.00>."),
        ("Where is mass?", "At <box 4.00 2.00 20.00 12.00>."),
    ]
    assert [(f.label, f.box) for f in record.findings] == [("nodule", (4, 2, 20, 12)), ("mass", (4, 2, 20, 12))]


def test_boxes_are_not_those_of_one_of_several_names(data: Path) -> None:
    """Of two names in a question, and of the one in an earlier question, nobody knows which box is whose."""
    two = {"ref": ["nodule", "mass"], "bbox": [[4, 2, 20, 12], [1, 1, 3, 3]]}
    both = {"images": ["a.png"], "messages": chat("<ref-object>, <ref-object>?", "<bbox><bbox>"), "objects": two}
    turns = chat("<ref-object>?", "Yes.", "Where else?", "<bbox>")
    later = {"images": ["a.png"], "messages": turns, "objects": {"ref": ["cyst"], "bbox": [[5, 5, 9, 9]]}}
    write(data, both, later)
    _, [record], _ = run(data.parent, "auto")
    assert record.findings == () and len(record.questions) == 3


def test_a_name_before_its_box_makes_a_finding(data: Path) -> None:
    objects = {"ref": ["nodule"], "bbox": [[4, 2, 20, 12]]}
    write(data, {"images": ["a.png"], "messages": chat("Find all.", "<ref-object><bbox>"), "objects": objects})
    _, [record], _ = run(data.parent, "auto")
    assert [(f.label, f.box) for f in record.findings] == [("nodule", (4, 2, 20, 12))]
    write(data, {"images": ["a.png"], "messages": chat("Find all.", "<bbox><bbox>"), "objects": objects})
    _, [record], [rejected] = run(data.parent, "auto")
    assert "more places for boxes than objects have boxes" in rejected["reason"] and record.questions == ()
    assert record.completeness == "partial"


@pytest.mark.parametrize(
    ("form", "answer", "label"),
    [
        (
            "qwen2-vl",
            "<|object_ref_start|>nodule<|object_ref_end|><|box_start|>(100,100),(500,600)<|box_end|>",
            "nodule",
        ),
        ("internvl", "<ref>nodule</ref><box>[[100, 100, 500, 600]]</box>", "nodule"),
        ("json-1000", 'There: [{"bbox_2d": [100, 100, 500, 600], "label": "nodule"}]', "nodule"),
        ("json-1000", '{"label": "nodule", "bbox_2d": [100, 100, 500, 600]}', "nodule"),
        ("pixels", "It is at [4, 2, 20, 12].", ""),
        ("unit", "It is at [0.1, 0.1, 0.5, 0.6].", ""),
    ],
)
def test_boxes_in_texts_are_read_as_the_option_says(form: str, answer: str, label: str, data: Path) -> None:
    """(100, 100, 500, 600) of 1000 are (4, 2, 20, 12) in an image of 40 x 20 pixels; one without a name is no finding,
    but stands in the text."""
    write(data, {"image": "a.png", "conversations": turns(texts=("Where?", answer))})
    _, [record], _ = run(data.parent, "auto", text_boxes=form)
    assert [(f.label, f.box) for f in record.findings] == ([(label, (4, 2, 20, 12))] if label else [])
    assert "<box 4.00 2.00 20.00 12.00>" in record.questions[0].answer
    summary, [plain], _ = run(data.parent, "auto")
    assert plain.questions[0].answer == answer and plain.findings == ()
    assert any("--text-boxes" in note for note in summary.notes) or form == "unit"


def test_turns_after_a_rejected_one_are_not_asked_without_it(data: Path) -> None:
    """The box of the second answer leads outside; what was asked after it would refer to nothing."""
    said = ("What is it?", "A mass.", "Where?", "[4, 2, 400, 12]", "Is it large?", "Yes.")
    write(data, {"image": "a.png", "conversations": turns(texts=said)})
    _, [record], rejected = run(data.parent, "auto", text_boxes="pixels")
    assert [q.text for q in record.questions] == ["What is it?"]
    assert [item["reason"][:20] for item in rejected] == ["a box in the text th", "a turn after one tha"]


def test_rows_of_one_id_are_conversations_of_their_own(data: Path) -> None:
    """As LLaVA names them, by their image. What a later turn follows is the first of its own row."""
    rows = [{"id": "1", "image": "a.png", "conversations": turns(texts=(f"{n}?", "a", f"And {n}?", "b"))} for n in "xy"]
    write(data, *rows)
    _, [record], _ = run(data.parent, "auto")
    assert [record.before(question) for question in record.questions] == [(), (("x?", "a"),), (), (("y?", "a"),)]
