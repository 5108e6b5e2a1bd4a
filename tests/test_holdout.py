"""What training is not to know of: images that have it, and words that name it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from tests.helpers.cases import record
from unveil.core.jsonl import read_jsonl, write_jsonl
from unveil.core.records import Dialogue, Finding, Record, RecordError
from unveil.curate import mau
from unveil.curate.holdout import of_share, withheld


def finding(label: str) -> Finding:
    return Finding(label, (1.0, 1.0, 4.0, 4.0))


def asked(r: Record, question: str = "Is anything abnormal?", answer: str = "Yes.", name: str = "q") -> Dialogue:
    return Dialogue(f"{r.id}/{name}", r.id, r.image, r.split, "open", question, answer)


def kept(names: Sequence[str], rows: Sequence[Record], dialogues: Sequence[Dialogue]) -> list[str]:
    return [d.id for d in withheld(dialogues, rows, names)]


ROWS = [
    record("a", finding("pleural effusion"), split="train", modality="X-ray"),
    record("b", finding("cyst"), split="train", modality="CT"),
    record("c", finding("Pleural_Effusion"), finding("cyst"), split="val", modality="X-ray"),
    record("d", finding("pleural effusion"), split="test", modality="X-ray"),
]
WHOLE = [asked(r) for r in ROWS]


def test_images_that_have_a_name_go_from_training_and_validation_only() -> None:
    """a and c have a pleural effusion, however it is spelt; d has one too, but is for testing."""
    assert kept(["pleural effusion"], ROWS, WHOLE) == ["b/q", "d/q"]
    assert kept(["x-ray"], ROWS, WHOLE) == ["b/q", "d/q"]
    assert kept(["CT", "cyst"], ROWS, WHOLE) == ["a/q", "d/q"]
    assert kept([], ROWS, WHOLE) == [d.id for d in WHOLE]


def test_what_only_mentions_a_name_goes_too() -> None:
    """b has no effusion, but "There is no pleural effusion." names it. A part of a word, or of a name, is none."""
    b = ROWS[1]
    said = [
        asked(b, answer="There is no pleural effusion.", name="answer"),
        asked(b, question="Where are the Pleural Effusions?", name="question"),
        asked(b, answer="An effusion.", name="part of the name"),
        asked(b, answer="A pleural effusionlike shade.", name="part of a word"),
    ]
    assert kept(["pleural effusion"], ROWS, said) == ["b/part of the name", "b/part of a word"]


def test_earlier_turns_count_plurals_too_and_a_modality_is_spelt_as_it_is() -> None:
    """ "opacities" are opacities; what was said before is said; CT is a modality and "ct" no word of ours."""
    e = record("e", finding("opacity"), split="test", modality="US")
    b, rows = ROWS[1], [*ROWS, e]
    said = [
        asked(b, answer="Two opacities.", name="plural"),
        replace(asked(b, answer="Yes.", name="before"), history=(("Is it there?", "There is no opacity."),)),
        asked(b, question="Does it tell us more?", name="us"),
        asked(b, question="Is this US?", name="US"),
    ]
    assert kept(["opacity"], rows, said) == ["b/us", "b/US"]
    assert kept(["US"], rows, said) == ["b/plural", "b/before", "b/us"]


@pytest.mark.parametrize("name", ["cysts", "MR", ""])
def test_a_name_that_nobody_has_is_refused(name: str) -> None:
    with pytest.raises(RecordError, match=r"no record has '.*'; there are CT, X-ray, cyst, pleural effusion"):
        withheld(WHOLE, ROWS, [name])


def test_a_share_is_one_of_patients_rounded_up_and_a_smaller_one_lies_within() -> None:
    """Of 11 training patients with two images each: 0.2 are 3 patients and 6 images; validation and test stay."""
    splits = ("train",) * 11 + ("val", "test")
    rows = [record(f"{p}-{i}", patient=str(p), split=split) for p, split in enumerate(splits) for i in range(2)]
    dialogues = [asked(r) for r in rows]
    few, half = ({d.record for d in of_share(dialogues, rows, share, 0)} for share in (0.2, 0.5))
    assert len(few) == 6 + 4 and len(half) == 12 + 4 and few < half
    assert {"11-0", "11-1", "12-0", "12-1"} <= few
    assert of_share(dialogues, rows, 1.0, 0) == dialogues
    assert any({d.record for d in of_share(dialogues, rows, 0.2, seed)} != few for seed in range(1, 5))


@pytest.mark.parametrize("share", [0.0, -0.1, 1.01])
def test_a_share_that_is_none_is_refused(share: float) -> None:
    with pytest.raises(RecordError, match="above 0 and at most 1"):
        of_share(WHOLE, ROWS, share, 0)


def test_the_command_withholds_and_says_how_much(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_jsonl(tmp_path / "records.jsonl", ROWS)
    mau.main(mau.Config(records=tmp_path / "records.jsonl", out=tmp_path / "all.jsonl"))
    config = mau.Config(records=tmp_path / "records.jsonl", out=tmp_path / "part.jsonl", withhold=("pleural effusion",))
    mau.main(config)
    whole, part = ([*read_jsonl(tmp_path / f"{name}.jsonl", Dialogue)] for name in ("all", "part"))
    assert {d.record for d in part} == {"b", "d"}
    assert "left out 13 x withheld from training and validation" in capsys.readouterr().err
    assert [d for d in part if d.split == "test"] == [d for d in whole if d.split == "test"]
    assert not any("effusion" in f"{d.question} {d.answer}".lower() for d in part if d.split != "test")
