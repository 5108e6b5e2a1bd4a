"""Predictions by a server that runs the same model: as this process makes them, and nothing leaves without a word."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.helpers.drawing import Vllm, drawing
from unveil.core.jsonl import read_jsonl
from unveil.core.provenance import DryRun
from unveil.core.records import Prediction, RecordError
from unveil.evaluate import predict
from unveil.experts.requests import ExpertError
from unveil.gate import GateError
from unveil.testing.models import fresh, loaded, saved


@pytest.fixture
def vllm(monkeypatch: pytest.MonkeyPatch) -> object:
    """A server of the tiny model."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with drawing(models={"base": loaded("llava_siglip")}) as running:
        yield running


def asked(vllm: Vllm, dialogues: Path, folder: Path, model: Path, **more: object) -> predict.Config:
    given = {"engine": "vllm", "server": vllm.address, "server_model": "base", "retries": 0} | more
    return predict.Config(dialogues, folder / "p.jsonl", model=str(model), max_new_tokens=8, **given)  # type: ignore[arg-type]


def said(path: Path) -> dict[str, tuple[str, bool, str]]:
    return {p.id: (p.answer, p.cut, p.box_format) for p in read_jsonl(path, Prediction)}


def test_a_server_answers_as_this_process_does(
    vllm: Vllm, dialogues_file: Path, tiny_folder: Path, tmp_path: Path
) -> None:
    """Greedy, to the letter, box tokens and all; run.json tells who answered."""
    config = asked(vllm, dialogues_file, tmp_path, tiny_folder)
    own = predict.main(replace(config, engine="own", server=None, server_model=None, out=tmp_path / "own.jsonl"))
    assert said(predict.main(config)) == said(own)
    for theirs, ours in zip(read_jsonl(config.out, Prediction), read_jsonl(own, Prediction), strict=True):
        assert [end for end, _ in theirs.tokens] == [end for end, _ in ours.tokens] and not theirs.options
        assert [p for _, p in theirs.tokens] == pytest.approx([p for _, p in ours.tokens], abs=1e-3)
    body = vllm.bodies[0]
    assert body["temperature"] == 0 and body["skip_special_tokens"] is False and body["logprobs"] is True
    assert str(loaded("llava_siglip").model.config.image_token_id) in body["logit_bias"]
    about = json.loads((tmp_path / "p.jsonl.run.json").read_text())
    assert about["model"] == f"base at 127.0.0.1:{vllm.port}" and about["decoding"]["banned_ids"]


def test_a_plain_server_has_text_only(vllm: Vllm, dialogues_file: Path, tmp_path: Path) -> None:
    """Boxes that are words come through; those that are special tokens would be lost, and that is said before."""
    vllm.models["other"] = fresh("llava_clip")
    model = saved("llava_clip", tmp_path / "other")
    config = asked(vllm, dialogues_file, tmp_path, model, engine="openai", server_model="other")
    own = predict.main(replace(config, engine="own", server=None, server_model=None, out=tmp_path / "own.jsonl"))
    theirs, ours = said(predict.main(config)), said(own)
    assert theirs.keys() == ours.keys() and {"top_k", "stop_token_ids"}.isdisjoint(vllm.bodies[0])
    assert not any(p.tokens for p in read_jsonl(config.out, Prediction)), "nobody has told them"


def test_what_a_dialect_says_first_stands_before_the_image(vllm: Vllm, dialogues_file: Path, tmp_path: Path) -> None:
    """The picture is the user's, black around it, and the answers are as here."""
    vllm.models["thinking"] = fresh("gemma3")
    model = saved("gemma3", tmp_path / "medgemma")
    more = {"server_model": "thinking", "box_format": "medgemma-1.5-thinking", "kinds": ("diagnosis",)}
    config = asked(vllm, dialogues_file, tmp_path, model, **more)
    own = predict.main(replace(config, engine="own", server=None, server_model=None, out=tmp_path / "own.jsonl"))
    assert said(predict.main(config)) == said(own)
    told, question = vllm.bodies[0]["messages"]
    assert told == {"role": "system", "content": "SYSTEM INSTRUCTION: think silently if needed."}
    assert [part["type"] for part in question["content"]] == ["image_url", "text"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"server": None}, "--engine vllm: name --server"),
        ({"server_model": None}, "--server-model"),
        ({"engine": "own"}, "only another --engine"),
        ({"engine": "own", "server": None, "dry_run": True}, "only another --engine"),
    ],
)
def test_what_contradicts_is_refused(
    change: dict[str, object], words: str, vllm: Vllm, dialogues_file: Path, tiny_folder: Path, tmp_path: Path
) -> None:
    with pytest.raises(RecordError, match=words):
        predict.main(asked(vllm, dialogues_file, tmp_path, tiny_folder, **change))
    assert not vllm.bodies


def test_another_machine_is_asked_only_when_that_is_allowed(
    vllm: Vllm, dialogues_file: Path, tiny_folder: Path, tmp_path: Path
) -> None:
    far = asked(vllm, dialogues_file, tmp_path, tiny_folder, server="https://models.example.org/v1")
    with pytest.raises(GateError, match="--allow-remote"):
        predict.main(far)
    with pytest.raises(GateError, match="--records must tell"):
        predict.main(replace(far, dry_run=True))


def test_a_dry_run_sends_nothing(vllm: Vllm, dialogues_file: Path, tiny_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(DryRun, match="nothing was sent"):
        predict.main(asked(vllm, dialogues_file, tmp_path, tiny_folder, dry_run=True))
    assert not vllm.bodies and (tmp_path / "manifest.jsonl").is_file() and not list(tmp_path.glob("*.unfinished"))


def test_a_server_that_fails_leaves_what_it_has_answered(
    vllm: Vllm, dialogues_file: Path, tiny_folder: Path, tmp_path: Path
) -> None:
    """The second image's questions fail; the same command goes on and asks for these alone."""
    config = asked(vllm, dialogues_file, tmp_path, tiny_folder, batch_size=1, concurrency=1)
    questions = predict.questions(config)
    first = sum(d.image == questions[0].image for d in questions)
    vllm.harm = lambda n, reply: reply if n <= first else 500
    with pytest.raises(ExpertError, match=r"500.*goes on from here"):
        predict.main(config)
    kept = (tmp_path / "p.jsonl.unfinished").read_text().count("\n") - 1
    assert kept == first < len(questions)
    vllm.harm = lambda n, reply: reply
    before = len(vllm.bodies)
    assert len(said(predict.main(config))) == len(predict.questions(config))
    assert len(vllm.bodies) - before == len(predict.questions(config)) - kept
