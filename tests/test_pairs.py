"""Preference pairs: read from our form and TRL's, written to TRL's, and refused by file, line and id."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from unveil.core.box_formats import BOX_FORMATS, View
from unveil.core.jsonl import to_json, write_jsonl
from unveil.core.lesion_noise import LesionMap, Noise
from unveil.core.pairs import checked, from_trl, read_pairs, to_trl, write_trl
from unveil.core.records import Pair, RecordError

PAIR = Pair("p1", "r1", "a.png", "train", "open", "Where is the nodule?", "At <box 1.0 2.0 3.0 4.0>.", "There is none.")
TRL: dict[str, Any] = {
    "id": "p1",
    "prompt": [
        {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "Where is the nodule?"}]},
    ],
    "chosen": [{"role": "assistant", "content": [{"type": "text", "text": "At <box 1.0 2.0 3.0 4.0>."}]}],
    "rejected": [{"role": "assistant", "content": [{"type": "text", "text": "There is none."}]}],
    "images": ["a.png"],
}


def lines(path: Path, *rows: Any) -> Path:
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return path


def without(key: str, row: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in row.items() if k != key}


# ------------------------------------------------------------------------------------------------------- there and back


def test_a_pair_as_trl_writes_it() -> None:
    """Weight 1 and no other image are left out; boxes stay in our markup unless someone writes them."""
    ours = {"split": "train", "record": "r1", "writer": "rules"}
    assert to_trl(PAIR) == TRL | ours
    view = View(BOX_FORMATS["json-1000"], (10, 20), (10, 20))  # x in tenths, y in twentieths, as thousandths
    (part,) = to_trl(PAIR, (view, view))["chosen"][0]["content"]
    assert re.findall(r"\d+", part["text"]) == ["2", "100", "100", "300", "200"] and "<box" not in part["text"]
    full = replace(PAIR, weight=0.25, rejected_image="b.png", target="nodule")
    assert to_trl(full) == TRL | ours | {"weight": 0.25, "rejected_images": ["b.png"], "target": "nodule"}


def test_pairs_go_to_trl_and_come_back(tmp_path: Path) -> None:
    """Nothing is lost: columns that TRL does not know are written where they say something."""
    pairs = [
        PAIR,
        replace(
            PAIR, id="p2", weight=0.25, rejected_image="b.png", question="Ödem?\n\nWo?", chosen="Ja.", kind="closed"
        ),
        replace(PAIR, id="p3", kind="choice", chosen="A. x", rejected="B. y", choices=("x", "y"), benchmark="VQA-RAD"),
    ]
    assert write_trl(tmp_path / "trl.jsonl", pairs, {}) == 3
    back = read_pairs(tmp_path / "trl.jsonl")
    assert back == pairs


def test_what_was_said_before_is_part_of_a_pair() -> None:
    """Both sides have it, and TRL's prompt: the image stands in its first turn, the question in its last."""
    later = replace(PAIR, history=(("Normal?", "No."),))
    assert [side.history for side in later.sides()] == [later.history] * 2
    row = to_trl(later)
    assert [turn["role"] for turn in row["prompt"]] == ["user", "assistant", "user"]
    assert row["prompt"][0]["content"] == [{"type": "image"}, {"type": "text", "text": "Normal?"}]
    assert row["prompt"][2]["content"] == [{"type": "text", "text": PAIR.question}]
    assert from_trl(row, "p1") == later


def test_our_own_pairs_are_read_as_written(tmp_path: Path) -> None:
    pairs = [PAIR, replace(PAIR, id="p2", weight=3.0, rejected_image="b.png", rejected=PAIR.chosen)]
    write_jsonl(tmp_path / "pairs.jsonl", pairs)
    assert read_pairs(tmp_path / "pairs.jsonl") == pairs


def test_both_forms_may_stand_in_one_file(tmp_path: Path) -> None:
    """A row of TRL's without an id is called by file and line; empty lines count but are no pairs."""
    file = lines(tmp_path / "mixed.jsonl", to_json(PAIR), "", without("id", TRL))
    assert [p.id for p in read_pairs(file)] == ["p1", "mixed-3"]
    assert read_pairs(file)[1] == replace(PAIR, id="mixed-3", record="mixed-3", split=None, writer="trl")


def test_pairs_of_all_splits_are_read(tmp_path: Path) -> None:
    pairs = [replace(PAIR, id=str(split), split=split) for split in ("train", "val", "test", None)]
    write_jsonl(tmp_path / "pairs.jsonl", pairs)
    assert read_pairs(tmp_path / "pairs.jsonl") == pairs


@pytest.mark.parametrize(
    "change",
    [
        {
            "prompt": "<image>Where is the nodule?",
            "chosen": "At <box 1.0 2.0 3.0 4.0>.",
            "rejected": " There is none. ",
        },
        {"prompt": "Where is the nodule?\n<image>"},
        {"prompt": [{"role": "user", "content": "<image>\nWhere is the nodule?"}]},
        {"prompt": [{"role": "user", "content": [{"type": "text", "text": "<image>Where is the nodule?"}]}]},
        {"chosen": [{"role": "assistant", "content": "At <box 1.0 2.0 3.0 4.0>."}]},
        {"images": [{"path": "a.png", "bytes": None}]},
        {"images": "a.png"},
        {"images": {"path": "a.png"}},
        {"weight": 1, "rejected_images": None},
        {"split": None, "kind": "open", "tool": "some column of others"},
    ],
)
def test_forms_that_are_one_and_the_same(change: dict[str, Any]) -> None:
    """Texts as strings with the image's place marked or not, messages with one text or parts, paths in dictionaries."""
    assert (
        from_trl({**TRL, **change}, "x") == from_trl(TRL, "x") == replace(PAIR, record="p1", split=None, writer="trl")
    )


def test_a_prompt_that_both_answers_begin_with() -> None:
    """TRL calls it implicit; where the answers begin with two questions there is none."""
    prompt, implicit = TRL["prompt"], without("prompt", TRL)
    both = {side: prompt + TRL[side] for side in ("chosen", "rejected")}
    assert from_trl({**implicit, **both}, "x") == from_trl(TRL, "x")
    with pytest.raises(RecordError, match="no prompt"):
        from_trl({**implicit, **both, "rejected": [ONE_TURN, *TRL["rejected"]]}, "x")


def test_further_columns_of_a_pair() -> None:
    more = {"rejected_images": [{"path": "b.png"}], "weight": 2, "split": "val", "kind": "closed", "record": "r9"}
    expected = replace(PAIR, record="r9", split="val", kind="closed", weight=2.0, rejected_image="b.png", writer="trl")
    assert from_trl({**TRL, **more}, "x") == expected
    noise = Noise(LesionMap(whole=True), seed=1)
    for ours in ({"rejected_image": "b.png"}, {"target": "nodule"}, {"rejected_noise": noise}):
        assert from_trl({**TRL, **{name: to_json(value) for name, value in ours.items()}}, "x") == replace(
            from_trl(TRL, "x"), **ours
        )


# -------------------------------------------------------------------------------------------------------------- refused

OURS = to_json(PAIR)
ONE_TURN = {"role": "user", "content": "Where?"}


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (without("rejected", OURS), "Pair: field rejected is missing"),
        ({**OURS, "rejected": "  "}, "the rejected answer is empty"),
        ({**OURS, "chosen": ""}, "the chosen answer is empty"),
        ({**OURS, "rejected": OURS["chosen"]}, "chosen and rejected are equal, and so are their images"),
        ({**OURS, "rejected": OURS["chosen"], "rejected_image": "a.png"}, "chosen and rejected are equal, and so are"),
        ({**OURS, "weight": -0.5}, "the weight -0.5 is not"),
        ({**OURS, "split": "validation"}, "Pair.split: one of 'train', 'val', 'test' is needed, not 'validation'"),
        (without("rejected", TRL), "no rejected"),
        ({**without("images", TRL), "chosen": []}, "no chosen and no images"),
        ({**TRL, "rejected": TRL["chosen"]}, "chosen and rejected are equal, and so are their images"),
        ({**TRL, "rejected": [{"role": "assistant", "content": " "}]}, "the rejected answer is empty"),
        ({**TRL, "weight": -1}, "the weight -1.0 is not"),
        ({**TRL, "weight": "much"}, "Pair.weight: float is needed, not 'much'"),
        ({**TRL, "id": ["p1"]}, "Pair.id: str is needed, not ['p1']"),
        ({**TRL, "images": ["a.png", "b.png"]}, "one image on each side is supported, and images has 2"),
        (
            {**TRL, "rejected_images": ["a.png", "b.png"]},
            "one image on each side is supported, and rejected_images has",
        ),
        (
            {**TRL, "rejected_images": ["b.png"], "rejected_image": "c.png"},
            "rejected_image and rejected_images name the worse side's image both",
        ),
        ({**TRL, "images": [{"bytes": "..."}]}, "images: an image must be given by its path, not as {'bytes': '...'}"),
        ({**TRL, "images": 7}, "images: an image must be given by its path, not as 7"),
        (without("prompt", TRL), "no prompt"),
        ({**without("prompt", TRL), "chosen": "Yes.", "rejected": "No."}, "no prompt"),
        ({**TRL, "prompt": [ONE_TURN, ONE_TURN]}, "prompt: one user turn is supported, not ['user', 'user']"),
        ({**TRL, "chosen": [ONE_TURN]}, "chosen: one assistant turn is supported, not ['user']"),
        ({**TRL, "split": "validation"}, "Pair.split: one of 'train', 'val', 'test' is needed"),
        ({**TRL, "chosen": [{"role": "assistant", "content": [{"text": "Yes."}]}]}, "chosen: a message's content is a"),
        ({**TRL, "chosen": [{"role": "assistant", "content": 7}]}, "chosen: a message's content is a text or a list"),
        ({**TRL, "chosen": [{"role": "assistant", "content": [{"type": "text"}]}]}, "chosen: a part of the type text"),
        ({**TRL, "prompt": ["Where?"]}, "prompt needs a text or a list of messages, not ['Where?']"),
    ],
)
def test_a_bad_pair_is_named_with_file_line_and_id(bad: dict[str, Any], message: str, tmp_path: Path) -> None:
    """In the second line; the line before it is sound."""
    file = lines(tmp_path / "pairs.jsonl", {**OURS, "id": "p0"}, bad)
    name = re.escape(str(bad["id"]))
    with pytest.raises(RecordError, match=rf"^{re.escape(str(file))}:2: {name}: .*{re.escape(message)}"):
        read_pairs(file)


@pytest.mark.parametrize("weight", [float("nan"), float("inf"), -0.5])
def test_a_weight_is_a_finite_number_of_at_least_0(weight: float) -> None:
    with pytest.raises(RecordError, match=f"the weight {weight} is not a finite number of at least 0"):
        checked(replace(PAIR, weight=weight))


@pytest.mark.parametrize(
    ("line", "message"), [('{"id": "p1", ', "not JSON: Expecting"), ("7", "an object is needed, not 7")]
)
def test_a_line_that_is_no_pair(line: str, message: str, tmp_path: Path) -> None:
    file = lines(tmp_path / "pairs.jsonl", OURS, line)
    with pytest.raises(RecordError, match=rf"^{re.escape(str(file))}:2: {message}"):
        read_pairs(file)


def test_a_line_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "pairs.jsonl").write_bytes(json.dumps(OURS).encode() + b"\n" + '{"id": "ö"}'.encode("latin-1"))
    with pytest.raises(RecordError, match=r"pairs\.jsonl:2: not UTF-8"):
        read_pairs(tmp_path / "pairs.jsonl")


def test_an_id_that_occurs_twice(tmp_path: Path) -> None:
    file = lines(tmp_path / "pairs.jsonl", OURS, {**OURS, "id": "p2"}, TRL)
    with pytest.raises(RecordError, match=rf"^{re.escape(str(file))}:3: p1 occurs more than once; ids must be unique"):
        read_pairs(file)


def test_no_file_and_no_pairs(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match=r"none\.jsonl: no such file"):
        read_pairs(tmp_path / "none.jsonl")
    with pytest.raises(RecordError, match=r"empty\.jsonl: there are no pairs"):
        read_pairs(lines(tmp_path / "empty.jsonl", ""))
