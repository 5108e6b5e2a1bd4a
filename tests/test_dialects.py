"""What a model was taught beside a way to write boxes: heard as it is meant, and never in other models' answers."""

from __future__ import annotations

import json
import tomllib
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tests.conftest import dialogue, draw, ids_of
from tests.helpers.tuning import short_run
from unveil.core.answered import Answered
from unveil.core.answers import parse, write_diagnosis
from unveil.core.box_formats import BOX_FORMATS, View
from unveil.core.dialects import answer_text, dialect_of
from unveil.core.grading import grade
from unveil.core.jsonl import read_jsonl, write_jsonl
from unveil.core.records import KINDS, WITH_BOXES, Dialogue, Finding, Prediction, Record
from unveil.core.said import said
from unveil.core.wordings import HINTS
from unveil.evaluate import predict
from unveil.evaluate.score import score
from unveil.rl.own_rewards import Own
from unveil.rl.rewards import REWARDS, form
from unveil.rl.text_rewards import similarity
from unveil.testing.models import loaded, saved
from unveil.train import sft
from unveil.vlm import engine, models
from unveil.vlm.families import Profile, profile_of
from unveil.vlm.generate import Rollout

SIZE = (400, 200)
NAMES = ("cardiomegaly", "heart", "left lung", "nodule", "pleural effusion", "right lung")
DIALECTS = ("medgemma-1.5", "medgemma-1.5-thinking")
ANSWERS = tomllib.loads((Path(__file__).parent / "medgemma_answers.toml").read_text(encoding="utf-8"))["answer"]


def view_of(name: str, size: tuple[int, int] = SIZE) -> View:
    return View(BOX_FORMATS[name], size, size)


@pytest.mark.parametrize("name", DIALECTS)
@pytest.mark.parametrize("answer", ANSWERS, ids=[answer["why"] for answer in ANSWERS])
def test_an_answer_is_heard_as_it_is_meant(answer: dict[str, Any], name: str) -> None:
    read = parse(answer.get("kind", "diagnosis"), answer["text"], view_of(name), NAMES, answer.get("target"))
    found = [(said or "", *(pytest.approx(v) for v in box or ())) for said, box in read.findings]
    assert [list(one) for one in found] == answer["found"]
    assert read.malformed == answer.get("malformed", 0)
    assert read.status == answer.get("status", "ok")
    unread = None if read.status == "unparsable" else bool(answer["found"])
    assert read.abnormal is answer.get("abnormal", unread)


@pytest.mark.parametrize("answer", ANSWERS, ids=[answer["why"] for answer in ANSWERS])
def test_where_it_says_so_is_told_of_the_whole_reply(answer: dict[str, Any]) -> None:
    """So that the tokens of a name or a box are those of the answer, whatever was thought before it."""
    text, view = answer["text"], view_of("medgemma-1.5")
    read = parse(answer.get("kind", "diagnosis"), text, view, NAMES, answer.get("target"))
    for name, (start, end) in read.named_at:
        assert text[start:end].casefold() == name
    for (_, box), (_, at) in zip(read.findings, read.findings_at, strict=True):
        if box is not None and at is not None:
            assert view.read(text[at[0] : at[1]]) == ([box], 0)
    assert len(read.boxes_at) == len(read.boxes) + read.malformed


@pytest.mark.parametrize("name", sorted(BOX_FORMATS.keys() - {*DIALECTS}))
def test_other_models_have_no_dialect(name: str) -> None:
    """They are told, padded and read as ever: what MedGemma thinks is text of theirs."""
    dialect, view = dialect_of(BOX_FORMATS[name]), view_of(name)
    assert (dialect.black, dialect.system, dialect.final) == (False, "", False)
    box = view.write((80.0, 60.0, 160.0, 120.0))
    assert {kind: dialect.hint(kind, view) for kind in HINTS} == {
        kind: told.replace("{box}", box) for kind, told in HINTS.items()
    }
    text = f"<unused94>thought\nYes. {box}<unused95>Final Answer: No."
    assert answer_text(text, view.box_format) == text
    assert parse("localisation", text, view, (), "nodule").boxes == view.read(box)[0]


def test_a_choice_and_a_report_are_read_without_thoughts() -> None:
    view, thought = view_of("medgemma-1.5"), "<unused94>thought\nA) or B)? The answer is A.<unused95>"
    assert parse("choice", f"{thought}Final Answer: B", view, choices=("yes", "no")).choice == 1
    assert parse("choice", "Final Answer: A\nNo: Final Answer: B", view, choices=("yes", "no")).choice == 1
    for kind in ("report", "closed", "open"):
        assert parse(kind, thought, view).status == "unparsable"
        assert parse(kind, f"{thought}Clear lungs.", view).status == "ok"


def test_hints_name_the_form_and_give_an_example_that_is_read() -> None:
    """The box of the example is 0.2 to 0.4 of the width, and of the height 0.3 to 0.6 of 200 behind 100 of 400."""
    for name in DIALECTS:
        view = view_of(name)
        dialect = dialect_of(view.box_format)
        assert dialect.hints.keys() == {*KINDS}
        for kind in WITH_BOXES:
            told = dialect.hint(kind, view)
            assert '{"box_2d": [400, 200, 550, 400], "label": "its name"}' in told
            assert "Final Answer: X" in told and "None" not in told
        assert dialect.hint("detection", view) == HINTS["detection"]
    assert dialect_of(BOX_FORMATS[DIALECTS[0]]).system == "" != dialect_of(BOX_FORMATS[DIALECTS[1]]).system


# -------------------------------------------------------------------------------------------------- scored and rewarded

RECORD = Record("a", "a.png", *SIZE, findings=(Finding("nodule", (40.0, 20.0, 100.0, 120.0)),))
FINAL = 'Final Answer:\n```json\n[{"box_2d": [300, 100, 550, 250], "label": "nodule"}]\n```'
THOUGHTS = (
    "",
    "<unused94>thought\nNormal? No.<unused95>",
    '<unused94>thought\nDetection: normal. {"box_2d": [0, 0, 1000, 1000], "label": "cardiomegaly"}<unused95>\n',
    "<unused94>thought\n[1, 2, 3] [1, 2, 3, 2000]<unused95>",
)


@pytest.mark.parametrize("thoughts", THOUGHTS)
def test_thoughts_change_no_outcome_and_no_reward(thoughts: str) -> None:
    asked = Dialogue("a/q", "a", "a.png", "test", "diagnosis", "?", "")
    case = grade(asked, RECORD, thoughts + FINAL, view_of("medgemma-1.5"), NAMES)
    assert case.text == FINAL.removeprefix("Final Answer:").strip()
    assert case.outcome == grade(asked, RECORD, FINAL, view_of("medgemma-1.5"), NAMES).outcome
    assert case.outcome.right and case.outcome.iou == pytest.approx(1)
    functions = [REWARDS[name] for name in ("form", "localisation", "category", "detection", "giou")]
    assert [function(Answered(case)) for function in functions if not isinstance(function, Own)] == [1.0] * 5


def test_thoughts_alone_are_no_answer_and_have_no_form() -> None:
    asked = Dialogue("a/q", "a", "a.png", "test", "diagnosis", "?", "")
    alone = f"<unused94>thought\n{FINAL}"
    case = grade(asked, RECORD, alone, view_of("medgemma-1.5"), NAMES)
    assert case.outcome.empty and case.outcome.status == "unparsable"
    assert not Answered(case).usable and form(Answered(case)) == 0
    report = Dialogue("a/r", "a", "a.png", "test", "report", "?", "Clear lungs.")
    said = grade(report, RECORD, "<unused94>Clear lungs.<unused95>Final Answer: Effusion.", view_of("medgemma-1.5"), ())
    assert similarity(Answered(said)) == 0


# ------------------------------------------------------------------------------------------------- how a model is known


@pytest.mark.parametrize(
    ("place", "known"),
    [
        ("google/medgemma-1.5-4b-it", True),
        ("google/MedGemma-1.5-4B-it", True),
        ("/models/medgemma-1.5-4b-it/", True),
        ("unsloth/medgemma-1.5-4b-it-bnb-4bit", True),
        ("/cache/hub/models--google--medgemma-1.5-4b-it/snapshots/0123abc", True),
        ("me/medgemma_v1_5_4b", True),
        ("google/medgemma-4b-it", False),
        ("google/medgemma-27b-it", False),
        ("google/gemma-3-4b-it", False),
        ("me/medgemma-15b", False),
        ("me/medgemma-1.55", False),
        ("/work/medgemma-1.5/gemma-3-4b-it", False),
        ("", False),
        (None, False),
    ],
)
def test_it_is_known_by_its_own_name(place: str | None, known: bool) -> None:
    config = SimpleNamespace(model_type="gemma3", _name_or_path=place)
    assert profile_of(config) == Profile("medgemma-1.5" if known else "json-1000")
    assert profile_of(config, "json-1000") == Profile("json-1000"), "what the user names goes before all"
    assert profile_of(config, "medgemma-1.5-thinking").box_format == "medgemma-1.5-thinking"
    declared = SimpleNamespace(**vars(config), unveil={"box_format": "json-1000", "hint": False})
    assert profile_of(declared) == Profile("json-1000", False), "and before the name what it was trained with"
    other = SimpleNamespace(model_type="qwen3_vl", _name_or_path=place)
    assert profile_of(other) == Profile("json-1000"), "another family has no such name"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random model that goes by the name of the published one."""
    return saved("gemma3", tmp_path_factory.mktemp("hub") / "medgemma-1.5-4b-it")


@pytest.fixture
def image(tmp_path: Path) -> Path:
    return draw(tmp_path / "a.png", (96, 64), 0)


def test_it_is_said_once_and_not_where_the_user_says_otherwise(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert models.chat_of(folder, box_format="json-1000").box_format.name == "json-1000"
    assert "spoken to" not in capsys.readouterr().err
    assert models.load(folder).chat.box_format.name == models.chat_of(folder).box_format.name == "medgemma-1.5"
    assert " ".join(capsys.readouterr().err.split()).count("spoken to as medgemma-1.5, by its name; --box-format") == 1


def test_an_adapter_is_known_by_the_name_of_its_base_or_by_what_it_declares(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": str(folder)}))
    assert models.chat_of(tmp_path).box_format.name == "medgemma-1.5"
    (tmp_path / "unveil.json").write_text('{"box_format": "medgemma-1.5-thinking", "hint": false}')
    chat = models.chat_of(tmp_path)
    assert (chat.box_format.name, chat.profile.hint) == ("medgemma-1.5-thinking", False)


# ----------------------------------------------------------------------------------------------------------- end to end


def test_it_sees_the_image_on_a_black_square(folder: Path) -> None:
    """Of 5 x 2 pixels the square begins (5 - 2) // 2 = 1 above them, where ``View`` has it; LLaVA's is grey."""
    white = np.full((2, 5, 3), 255, np.uint8)
    for chat, around in ((models.chat_of(folder), 0), (loaded("llava_clip").chat, 127)):
        square = np.asarray(chat.padded(white))
        assert square[:, 0, 0].tolist() == [around, 255, 255, around, around]
        assert chat.process(white).view.offset == (0, 1) and chat.process(white).view.canvas == (5, 5)
    assert loaded("gemma3").chat.padded(white).size == (5, 2), "MedGemma 1 and Gemma 3 see it as it is"


def test_thinking_is_asked_for_at_the_beginning(folder: Path) -> None:
    silent, thinking = (models.chat_of(folder, box_format=name).prompt_text("Where?") for name in DIALECTS)
    assert "SYSTEM" not in silent
    assert thinking == silent.replace("user\n", "user\nSYSTEM INSTRUCTION: think silently if needed.\n\n", 1)


def test_what_it_is_to_learn_is_written_as_it_was_taught(folder: Path, image: Path) -> None:
    """On 96 x 64 pixels the square begins 16 above: 0 to 48 of x are 0 to 500, 0 to 32 of y 166.7 to 500."""
    chat = models.chat_of(folder)
    true = "Detection: abnormal.\nLocalisation: <box 0.00 0.00 48.00 32.00>.\nRecognition: nodule."
    row = chat.encode(dialogue("a", str(image), "?", true, kind="diagnosis"), image, with_answer=True)
    assert chat.text(row.answer) == ('Final Answer:\n```json\n[{"box_2d": [167, 0, 500, 500], "label": "nodule"}]\n```')


def test_a_trained_model_keeps_its_dialect_whatever_its_folder_is_called(
    folder: Path, dialogues_file: Path, tmp_path: Path
) -> None:
    sft.main(replace(short_run(folder, dialogues_file, tmp_path), epochs=0.1, validate_every=0, checkpoint_every=0))
    chat = models.chat_of(tmp_path / "out")
    assert (chat.box_format.name, chat.profile.hint, chat.dialect.black) == ("medgemma-1.5", False, True)
    assert json.loads((tmp_path / "out" / "config.json").read_text())["unveil"]["box_format"] == "medgemma-1.5"


@pytest.mark.parametrize("thoughts", THOUGHTS[:3])
def test_from_the_folder_to_the_scores(
    thoughts: str, folder: Path, image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three right answers, as the model would write them, with thoughts and without, score 1; the file keeps all."""
    nodule = Finding("nodule", (10.0, 8.0, 58.0, 40.0))
    records = [
        Record("a", str(image), 96, 64, findings=(nodule,), split="test", completeness="exhaustive"),
        Record("n", str(image), 96, 64, split="test", completeness="exhaustive"),
    ]
    asked = [
        dialogue("a/d", str(image), "Diagnosis?", write_diagnosis([nodule]), kind="diagnosis", record="a"),
        dialogue("n/d", str(image), "Diagnosis?", write_diagnosis([]), kind="diagnosis", record="n"),
        dialogue("a/y", str(image), "Abnormal?", "Yes.", kind="detection", record="a"),
    ]
    asked = [replace(one, split="test") for one in asked]
    write_jsonl(tmp_path / "records.jsonl", records)
    write_jsonl(tmp_path / "dialogues.jsonl", asked)
    chat = models.chat_of(folder)
    view = chat.cached_image(image).view
    told = {one.id: thoughts + said(one.kind, one.answer, one.target, view) for one in asked}

    def drawn(scorer: Any, rows: Any, beside: Any, answers: int, most: int, *how: Any) -> tuple[list[Rollout], Any]:
        ids = [[*ids_of(chat, told[row.id]), *chat.end] for row in rows]
        return [Rollout(i, one, [-0.5] * len(one), False) for i, one in enumerate(ids)], [-1.0] * len(beside)

    config = predict.Config(tmp_path / "dialogues.jsonl", tmp_path / "p.jsonl", model=str(folder), max_new_tokens=4)
    assert {p.box_format for p in read_jsonl(predict.main(config), Prediction)} == {"medgemma-1.5"}
    monkeypatch.setattr(engine, "rollout_beside", drawn)
    predictions = list(read_jsonl(predict.main(replace(config, restart=True)), Prediction))
    assert {p.id: p.answer for p in predictions} == told, "what was thought is kept"
    result = score(
        tmp_path / "records.jsonl",
        tmp_path / "dialogues.jsonl",
        {"m": config.out},
        tmp_path / "out",
        seed=3,
        resamples=50,
    )
    metrics = result["models"]["m"]["metrics"]
    right = ("accuracy", "f1_50", "diagnosis_sensitivity", "diagnosis_specificity", "sensitivity")
    assert {name: metrics[name]["value"] for name in right} == dict.fromkeys(right, 1)
    assert metrics["iou"]["value"] > 0.95 and metrics["parse_failures"]["value"] == 0
