"""Predictions: a run that was killed ends as any other, and answers of two models never come into one file."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import dialogue, write_dialogues
from tests.helpers.killing import kill
from unveil.core.jsonl import read_jsonl, write_jsonl
from unveil.core.records import Dialogue, Prediction, RecordError, select
from unveil.evaluate import predict
from unveil.testing.models import loaded
from unveil.vlm import engine
from unveil.vlm.engine import Engine
from unveil.vlm.generate import Rollout


@pytest.fixture
def config(dialogues_file: Path, tiny_folder: Path, tmp_path: Path) -> predict.Config:
    """The test split's questions, those of one image at a time."""
    return predict.Config(
        dialogues_file, tmp_path / "predictions.jsonl", model=str(tiny_folder), batch_size=1, max_new_tokens=6
    )


def asked(config: predict.Config) -> list[Dialogue]:
    return select(read_jsonl(config.dialogues, Dialogue), config.split)


def test_each_question_gets_its_answer(config: predict.Config) -> None:
    """In the order of the questions, with all that is needed to read it again; equal to asking one by one."""
    predictions = list(read_jsonl(predict.main(config), Prediction))
    questions = asked(config)
    assert [(p.id, p.record, p.kind) for p in predictions] == [(d.id, d.record, d.kind) for d in questions]
    tiny = loaded("llava_siglip")
    for p, d in zip(predictions, questions, strict=True):
        row = tiny.chat.encode(d, config.dialogues.parent / d.image, with_answer=False)
        ((text, cut),) = Engine(tiny).answer([row], 6)
        assert (p.answer, p.cut) == (text, cut)
        assert (p.box_format, p.frame, p.model) == ("bins-64", row.seen.view.frame, config.model)
    assert not list(config.out.parent.glob("*.unfinished"))
    about = json.loads((config.out.parent / "predictions.jsonl.run.json").read_text())
    assert about["command"] == "predict" and about["model"] == tiny.fingerprint
    assert about["decoding"]["temperature"] == 0 and about["decoding"]["max_new_tokens"] == config.max_new_tokens
    assert about["decoding"]["stop_ids"] == sorted(tiny.chat.stops)
    assert tiny.model.config.image_token_index in about["decoding"]["banned_ids"]


def test_the_size_of_batches_changes_nothing(config: predict.Config, tmp_path: Path) -> None:
    one = predict.main(replace(config, batch_size=1, out=tmp_path / "one.jsonl"))
    assert one.read_bytes() == predict.main(replace(config, batch_size=64)).read_bytes()
    before = one.stat().st_ino
    assert predict.main(replace(config, batch_size=8, out=one)).stat().st_ino == before, "it is there already"


def test_how_sure_the_model_is_is_kept_unless_told_otherwise(config: predict.Config, tmp_path: Path) -> None:
    """Each answer's tokens, and the options of questions for yes or no; without them the answers are the same."""
    found = list(read_jsonl(predict.main(config), Prediction))
    for p in found:
        assert p.tokens[-1][0] == len(p.answer) and max(logp for _, logp in p.tokens) <= 0
        assert len(p.options) == (2 if p.kind in ("detection", "closed") else 0)
    plain = list(read_jsonl(predict.main(replace(config, confidence=False, out=tmp_path / "plain.jsonl")), Prediction))
    assert plain == [replace(p, tokens=(), options=()) for p in found]


def test_a_name_goes_into_the_predictions(config: predict.Config) -> None:
    assert {p.model for p in read_jsonl(predict.main(replace(config, name="base")), Prediction)} == {"base"}


def test_kinds_and_limit_choose_questions(config: predict.Config) -> None:
    """The limit counts what is left after split and kinds."""
    detection = [d.id for d in asked(config) if d.kind == "detection"]
    assert len(detection) == 2
    got = list(read_jsonl(predict.main(replace(config, kinds=("detection",))), Prediction))
    assert [p.id for p in got] == detection
    got = list(read_jsonl(predict.main(replace(config, kinds=("detection",), limit=1, restart=True)), Prediction))
    assert [p.id for p in got] == detection[:1]


@pytest.mark.parametrize("change", [{"split": "test", "kinds": ("open",)}, {"limit": 0}])
def test_nothing_to_ask_is_an_error(change: dict[str, Any], config: predict.Config) -> None:
    with pytest.raises(RecordError, match=r"dialogues\.jsonl: no question"):
        predict.main(replace(config, **change))


def test_no_question_in_the_split(config: predict.Config, tmp_path: Path) -> None:
    write_jsonl(tmp_path / "d.jsonl", [dialogue("a", "0.png", "X")])
    with pytest.raises(RecordError, match=r"d\.jsonl: no question of the kinds detection.* in split test"):
        predict.main(replace(config, dialogues=tmp_path / "d.jsonl"))


def test_two_questions_with_one_id_are_refused(config: predict.Config, tmp_path: Path) -> None:
    """One answer would go to both."""
    write_jsonl(tmp_path / "d.jsonl", [dialogue("a", "0.png", q, split="test") for q in ("X", "Y")])
    with pytest.raises(RecordError, match=r"d\.jsonl: several dialogues have the id a"):
        predict.main(replace(config, dialogues=tmp_path / "d.jsonl"))


def test_the_cut_mark_tells_that_the_limit_was_met(config: predict.Config, monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer "Yes." ends by itself; one that is allowed fewer tokens than it takes does not."""
    tiny = loaded("llava_siglip")
    told = [*tiny.chat._ids("Yes."), *tiny.chat.end]

    def drawn(scorer: Any, rows: Any, beside: Any, answers: int, most: int, *how: Any) -> tuple[list[Rollout], Any]:
        logps = [-0.5] * min(most, len(told))
        return [Rollout(i, told[:most], logps, cut=most < len(told)) for i in range(len(rows))], [-1.0] * len(beside)

    monkeypatch.setattr(engine, "rollout_beside", drawn)
    for most, cut in ((len(told), False), (len(told) - 1, True)):
        got = list(read_jsonl(predict.main(replace(config, max_new_tokens=most, restart=True)), Prediction))
        assert {(p.answer, p.cut) for p in got} == {("Yes.", cut)}


# ---------------------------------------------------------------------------------------------------------- interrupted


def stop_after(batches: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets a run break off after so many batches."""
    real, count = predict.answer_batch, iter(range(batches))

    def answer_batch(*args: Any) -> list[Prediction]:
        if next(count, None) is None:
            raise KeyboardInterrupt
        return real(*args)

    monkeypatch.setattr(predict, "answer_batch", answer_batch)


def interrupted(config: predict.Config, batches: int = 1) -> Path:
    """The file of a run that was broken off."""
    with pytest.MonkeyPatch.context() as patch:
        stop_after(batches, patch)
        with pytest.raises(KeyboardInterrupt) as stopped:
            predict.main(config)
    every = asked(config)
    done = len([d for d in every if d.image in list(dict.fromkeys(d.image for d in every))[:batches]])
    assert stopped.value.__notes__ == [f"predict: {done} of {len(every)} are kept"]
    assert not config.out.exists()
    return config.out.with_name(config.out.name + ".unfinished")


def test_a_run_goes_on_where_it_was(config: predict.Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The questions of one image of two were answered; the others are asked, and only they."""
    whole = predict.main(replace(config, out=tmp_path / "whole.jsonl")).read_bytes()
    partial = interrupted(config)
    first = [d for d in asked(config) if d.image == asked(config)[0].image]
    assert partial.read_bytes().count(b"\n") == 1 + len(first)
    calls = []
    real = predict.answer_batch
    monkeypatch.setattr(predict, "answer_batch", lambda *args: calls.extend(args[1]) or real(*args))
    assert predict.main(config).read_bytes() == whole
    assert len(calls) == len(asked(config)) - len(first) > 0
    assert not partial.exists()


def test_a_half_written_line_is_dropped(config: predict.Config, tmp_path: Path) -> None:
    """Cut off within the last line, within the first one, and to nothing."""
    whole = predict.main(replace(config, out=tmp_path / "whole.jsonl")).read_bytes()
    partial = interrupted(config)
    kept = partial.read_bytes()
    for length in (len(kept) - 9, len(kept) - 1, 11, 0):
        partial.write_bytes(kept[:length])
        assert predict.main(config).read_bytes() == whole


def test_answers_with_line_separators_survive(config: predict.Config, tmp_path: Path) -> None:
    """U+2028, U+0085 and the like end lines for Python's splitlines, but not for JSON."""
    partial = interrupted(config)
    lines = [json.loads(line) for line in partial.read_text(encoding="utf-8").split("\n")[:-1]]
    lines[1]["answer"] = "a\u2028b\x85c\x1cd\re"
    partial.write_text("".join(json.dumps(x, ensure_ascii=False) + "\n" for x in lines), encoding="utf-8")
    got = {p.id: p.answer for p in read_jsonl(predict.main(config), Prediction)}
    assert got[lines[1]["id"]] == "a\u2028b\x85c\x1cd\re"


@pytest.mark.parametrize("what", ["model", "questions", "tokens", "box_format", "name"])
def test_other_answers_do_not_go_into_an_unfinished_file(what: str, config: predict.Config, tmp_path: Path) -> None:
    """Refused, and the file stays; ``restart`` throws it away."""
    partial = interrupted(config)
    kept = partial.read_bytes()
    if what == "model":
        model, processor = loaded("llava_siglip").model, loaded("llava_siglip").chat.processor
        bias = next(p for n, p in model.named_parameters() if n.endswith("multi_modal_projector.linear_2.bias"))
        bias.data[0] += 1
        model.save_pretrained(tmp_path / "model")
        bias.data[0] -= 1
        processor.save_pretrained(tmp_path / "model")
        other = replace(config, model=str(tmp_path / "model"), name=config.model)
    elif what == "questions":
        (tmp_path / "data").mkdir()
        other = replace(config, dialogues=write_dialogues(tmp_path / "data", 7))
    else:
        changes: dict[str, Any] = {
            "tokens": {"max_new_tokens": 5},
            "box_format": {"box_format": "unit"},
            "name": {"name": "x"},
        }
        other = replace(config, **changes[what])
    with pytest.raises(RecordError, match=r"another model, other questions or other settings; finish it .*--restart"):
        predict.main(other)
    assert partial.read_bytes() == kept
    fresh = predict.main(replace(other, out=tmp_path / "fresh.jsonl")).read_bytes()
    assert predict.main(replace(other, restart=True)).read_bytes() == fresh


def slowly(config: predict.Config) -> None:
    """A fifth of a second for each batch, in which the run can be caught."""
    real = predict.answer_batch

    def slow(*given: Any) -> Any:
        out = real(*given)
        time.sleep(0.2)
        return out

    pytest.MonkeyPatch().setattr(predict, "answer_batch", slow)
    predict.main(config)


def test_a_killed_run_ends_as_an_uninterrupted_one(config: predict.Config, tmp_path: Path) -> None:
    """Killed for good, in a process of its own, after its first batch."""
    whole = predict.main(replace(config, out=tmp_path / "whole.jsonl")).read_bytes()
    partial = config.out.with_name(config.out.name + ".unfinished")
    kill(slowly, config, tmp_path / "job", lambda: partial.is_file() and partial.read_bytes().count(b"\n") >= 2)
    assert partial.exists() and not config.out.exists()
    assert predict.main(config).read_bytes() == whole
