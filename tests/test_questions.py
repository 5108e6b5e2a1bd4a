"""Conversations from which a model learns to ask: one per image, what is in them, and the share that is learnt."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from tests.helpers.cases import BY_ID, DIALOGUES, RECORDS, folder_of, record, shown
from unveil import cli
from unveil.core.jsonl import read_jsonl, write_jsonl
from unveil.core.records import Dialogue, Record, image_path
from unveil.curate.questions import DESCRIBE, conversations, describe
from unveil.testing.models import loaded
from unveil.train import sft

ASKED = [d for d in DIALOGUES if d.split != "test"]


def test_one_conversation_per_image_by_hand() -> None:
    """Two of a's questions: the description first, then, in this image's order, which is the other way round, each
    question with all that was said before it."""
    second, first = BY_ID["a/detection"], BY_ID["a/diagnosis"]
    description = (DESCRIBE, first.answer)
    made = list(conversations(RECORDS, [second, first]))
    common = {"record": "a", "image": "a.png", "split": "train"}
    assert made == [
        Dialogue("a/description", kind="open", question=DESCRIBE, answer=first.answer, **common),  # type: ignore[arg-type]
        Dialogue(
            "a/diagnosis/asked",
            kind="self-question",
            question="",
            answer=first.question,
            history=(description,),
            **common,  # type: ignore[arg-type]
        ),
        Dialogue(
            "a/detection/asked",
            kind="self-question",
            question="",
            answer=second.question,
            history=(description, (first.question, first.answer)),
            **common,  # type: ignore[arg-type]
        ),
    ]


def test_every_question_of_training_and_validation_is_put_once() -> None:
    """Whatever the order of the dialogues in the file: images are put together, each question after those before. The
    order differs between images, so that the first question is not the same for all."""
    mixed = sorted(DIALOGUES, key=lambda d: d.id.partition("/")[2])
    skipped: Counter[str] = Counter()
    made = list(conversations(RECORDS, mixed, skipped))
    put = [d for d in made if d.kind == "self-question"]
    assert Counter(d.id for d in put) == Counter(f"{d.id}/asked" for d in ASKED)
    for name in ("a", "b", "c", "v"):
        mine = [d for d in put if d.record == name]
        own = [BY_ID[d.id.removesuffix("/asked")] for d in mine]
        turns = [(DESCRIBE, BY_ID[f"{name}/diagnosis"].answer), *((d.question, d.answer) for d in own)]
        assert [d.answer for d in mine] == [d.question for d in own]
        assert [d.history for d in mine] == [tuple(turns[: i + 1]) for i in range(len(own))]
    assert len({next(d.answer for d in put if d.record == name) for name in "abcv"}) > 1
    assert {d.split for d in made if d.record == "v"} == {"val"} and not any(d.record == "t" for d in made)
    assert skipped == {}


def test_the_description_is_the_report_else_the_diagnosis() -> None:
    """A report is cleaned; one that is then empty is none. Without either the image is counted."""
    written = replace(RECORDS[0], report="Nodule <|im_end|>seen.")
    empty = replace(RECORDS[0], report=" <image> ")
    texts = [
        next(conversations([one], [BY_ID["a/detection"], BY_ID["a/diagnosis"]])).answer for one in (written, empty)
    ]
    assert texts == ["Nodule seen.", BY_ID["a/diagnosis"].answer]
    skipped: Counter[str] = Counter()
    assert list(conversations(RECORDS, [BY_ID["a/detection"]], skipped)) == []
    assert skipped == {"neither a report nor a diagnosis to describe the image with": 1}


def test_images_of_the_test_split_are_left_out() -> None:
    """By the dialogue's split, and by the record's where a file says otherwise; a stranger's image too."""
    moved = [replace(d, split="train") for d in DIALOGUES if d.record == "t"]
    skipped: Counter[str] = Counter()
    assert list(conversations(RECORDS, [d for d in DIALOGUES if d.record == "t"], skipped)) == []
    assert list(conversations(RECORDS, moved, skipped)) == [] and skipped == {"test split": 1}
    assert list(conversations([record("x")], [BY_ID["a/diagnosis"]], skipped)) == []
    assert skipped["its record is not in the records' file"] == 1


# --------------------------------------------------------------------------------------------------------- the command


def curate(folder: Path, *words: str) -> int:
    files = ("--records", folder / "records.jsonl", "--dialogues", folder / "dialogues.jsonl")
    return cli.main(["curate", "questions", *map(str, files), "--out", str(folder / "out" / "asked.jsonl"), *words])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return folder_of(tmp_path / "data")


def test_the_command_adds_to_the_dialogues(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The originals come first and are as they were, the test split's too; what is added has paths that hold."""
    assert curate(folder) == 0
    file = folder / "out" / "asked.jsonl"
    before, after = (list(read_jsonl(path, Dialogue)) for path in (folder / "dialogues.jsonl", file))
    assert [replace(d, image=f"../{d.image}") for d in before] == after[: len(before)]
    assert len(after) == len(before) + 4 + len(ASKED) and all(image_path(d, file).is_file() for d in after)
    assert len({d.id for d in after}) == len(after)
    assert f"{len(before)} dialogues, 4 descriptions, {len(ASKED)} questions to put" in shown(capsys)
    about = json.loads((folder / "out" / "asked.jsonl.run.json").read_text())
    assert about["command"] == "curate questions" and len(about["inputs"]) == 2


def test_bad_input(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its own output would put each question twice."""
    assert curate(folder) == 0
    (folder / "out" / "asked.jsonl").rename(folder / "dialogues.jsonl")
    assert curate(folder) == 1
    assert "it holds questions to be put already: name the file before" in shown(capsys)
    write_jsonl(folder / "dialogues.jsonl", [BY_ID["a/detection"], BY_ID["b/detection"]])
    assert curate(folder) == 1
    told = shown(capsys)
    assert "no conversation could be made: 2 x neither a report nor a diagnosis" in told
    for spoilt, message in (("", "no conversation could be made"), ("{}\n", "dialogues.jsonl:1: Dialogue: field")):
        (folder / "dialogues.jsonl").write_text(spoilt)
        assert curate(folder) == 1
        assert message in shown(capsys)
    (folder / "records.jsonl").unlink()
    assert curate(folder) == 1
    assert "records.jsonl: no such file" in shown(capsys) and not (folder / "out" / "asked.jsonl").exists()


# -------------------------------------------------------------------------------------------------------- the training


def learnt(file: Path, share: float, seed: int = 0) -> list[str]:
    """The ids of the self-questions that are learnt from."""
    train, _ = sft.data(sft.Config(dialogues=file, out=file.parent, self_questions=share, seed=seed))
    return [d.id for d in train if d.kind == "self-question"]


def test_a_share_of_the_questions_is_learnt(tmp_path: Path) -> None:
    """Of 2000, half is within five standard deviations, 5 sqrt(2000 / 4) = 112, of 1000; all answers are learnt."""
    answered = [replace(BY_ID["a/detection"], id=f"d{i}") for i in range(10)]
    put = [replace(answered[0], id=f"d{i}/asked", kind="self-question") for i in range(2000)]
    write_jsonl(tmp_path / "d.jsonl", [*answered, *put])
    assert learnt(tmp_path / "d.jsonl", 0) == [] and len(learnt(tmp_path / "d.jsonl", 1)) == 2000
    half = learnt(tmp_path / "d.jsonl", 0.5)
    assert abs(len(half) - 1000) < 112 and half == learnt(tmp_path / "d.jsonl", 0.5)
    assert set(learnt(tmp_path / "d.jsonl", 0.2)) < set(half) < set(learnt(tmp_path / "d.jsonl", 0.8))
    assert half != learnt(tmp_path / "d.jsonl", 0.5, seed=1)
    assert sft.Config(dialogues=tmp_path, out=tmp_path).self_questions == 0.5, "as the paper has it"
    train, _ = sft.data(sft.Config(dialogues=tmp_path / "d.jsonl", out=tmp_path, self_questions=0))
    assert [d.id for d in train] == [d.id for d in answered]
    write_jsonl(tmp_path / "d.jsonl", put[::-1])
    assert sorted(learnt(tmp_path / "d.jsonl", 0.5)) == sorted(half), "a question's id decides, not its place"


def test_only_the_question_is_learnt(folder: Path) -> None:
    """What was said before stands in the prompt; the answer is the question and the end of the turn."""
    assert curate(folder) == 0
    file = folder / "out" / "asked.jsonl"
    chat = loaded("llava_siglip").chat
    row = next(d for d in read_jsonl(file, Dialogue) if d.id == "b/diagnosis/asked")
    made = chat.encode(row, image_path(row, file), with_answer=True)
    told = chat.tokenizer.decode(made.answer)
    assert told.startswith(row.answer) and row.history[0][1].splitlines()[0] not in told
    prompt = chat.tokenizer.decode(made.prompt)
    assert DESCRIBE in prompt and row.history[0][1] in prompt and row.history[1][1] in prompt
    assert prompt.endswith(chat.asker) and row.answer not in prompt


def test_training_takes_the_file(folder: Path, tiny_folder: Path) -> None:
    """Two updates, with all questions to be put."""
    assert curate(folder) == 0
    config = sft.Config(
        dialogues=folder / "out" / "asked.jsonl",
        out=folder / "model",
        model=str(tiny_folder),
        batch_size=4,
        epochs=0.15,
        self_questions=1.0,
        validate_every=0,
        log_every=1,
    )
    sft.main(config)
    lines = [json.loads(line) for line in (folder / "model" / "metrics.jsonl").read_text().splitlines()]
    assert len(lines) >= 2 and (folder / "model" / "model.safetensors").is_file()


def test_a_record_without_questions_has_no_conversation() -> None:
    lonely = Record("z", "z.png", 10, 10, split="train", report="A report.")
    assert list(conversations([lonely], [])) == []


def test_descriptions_are_findings_and_impression() -> None:
    """Not why the image was taken; sentences about an earlier study go where that is asked for."""
    report = "INDICATION: cough\nFINDINGS: A nodule. It is unchanged.\nIMPRESSION: One nodule."
    one = replace(RECORDS[0], report=report)
    asked = [BY_ID["a/diagnosis"]]
    assert describe(one, asked) == "A nodule. It is unchanged.\nOne nodule."
    assert describe(one, asked, "drop") == "A nodule. One nodule."
    assert describe(replace(one, report="Unchanged."), asked, "drop") == asked[0].answer


def test_what_follows_upon_another_question_comes_after_it() -> None:
    """Turns are in an order drawn for each image, but a later one knows what it follows upon: with eight images of
    three turns, none of which names its own, every order of the draws is met."""
    for number in range(8):
        row = record(f"r{number}", report="A report.")
        turns = [
            Dialogue(f"d{n}", row.id, "a.png", "train", "open", f"Q{n}?", f"A{n}.", history=(("Q", "A"),) * n)
            for n in range(3)
        ]
        made = [d for d in conversations([row], turns, Counter()) if d.kind == "self-question"]
        assert [d.answer for d in made] == ["Q0?", "Q1?", "Q2?"]


def test_a_conversation_of_its_own_is_one_where_nothing_describes_the_image() -> None:
    """As LLaVA-Med's are: the first human turn is asked by people, the second is put after what was said before it."""
    from tests.helpers.outcomes import dialogue
    from tests.helpers.outcomes import record as plain

    first = dialogue("open", "A mass.", name="r/1", split="train")
    second = dialogue("closed", "Yes.", name="r/2", split="train", history=(("?", "A mass."),))
    [put] = conversations([plain(split="train")], [first, second])
    assert (put.id, put.kind, put.question, put.answer) == ("r/2/asked", "self-question", "", "?")
    assert put.history == (("?", "A mass."),)
    skipped: Counter[str] = Counter()
    assert not list(conversations([plain(split="train")], [first], skipped)) and skipped.total() == 1
