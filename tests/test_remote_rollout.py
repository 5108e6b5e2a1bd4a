"""Answers that a server draws: its tokens and probabilities, renewal of its weights, and everything that goes wrong."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.helpers.drawing import Reply, Vllm, drawing
from tests.helpers.nobody import NOBODY
from tests.helpers.rollouts import answers, asked, choice, server_of
from tests.helpers.serving import free_port
from tests.test_generate import scorer_of
from unveil.core import provenance
from unveil.core.jsonl import write_jsonl
from unveil.core.records import Record, Source
from unveil.gate import GateError, address, gate
from unveil.gate.burned_in import BurnedIn
from unveil.testing.models import fresh, loaded
from unveil.train.loop import TrainingError
from unveil.vlm.generate import GenerationError, Rollout, banned
from unveil.vlm.inputs import EncodedExample
from unveil.vlm.models import Loaded
from unveil.vlm.scorer import Distribution


@pytest.fixture
def vllm() -> Iterator[Vllm]:
    """A server that has the model as it is before training."""
    with drawing(models={"base": loaded("llava_siglip")}) as running:
        yield running


def scored(copy: Loaded, drawn: list[Rollout], rows: list[EncodedExample], distribution: Distribution) -> Tensor:
    """What this process makes of the same tokens."""
    scorer = scorer_of(copy, distribution=distribution)
    with torch.no_grad():
        return scorer([replace(rows[d.question], id=str(i), answer=d.ids) for i, d in enumerate(drawn)]).in_order()


# ------------------------------------------------------------------------------------------------------ what is drawn


@pytest.mark.parametrize("name", ["llava_siglip", "qwen2_5_vl", "gemma3"])
def test_probabilities_are_those_of_the_scorer(name: str, tmp_path: Path) -> None:
    """The same picture, turns, temperature and bans: what the server drew at 0.7 scores the same here, token by token.

    Answers to one question differ, and the same seed gives the same ones again.
    """
    copy = fresh(name)
    how = Distribution(0.7, tuple(banned(copy.chat, copy.model.config)))
    with drawing(models={"base": loaded(name)}) as vllm:
        drawn = answers(vllm, copy, tmp_path, how)
        assert drawn == answers(vllm, copy, tmp_path, how)
    assert [d.question for d in drawn] == [0, 0, 0, 1, 1, 1] and len({tuple(d.ids) for d in drawn}) > 3
    sampled = torch.tensor([p for d in drawn for p in d.logps])
    torch.testing.assert_close(scored(copy, drawn, asked(copy.chat, tmp_path)[1], how), sampled, atol=1e-4, rtol=1e-4)
    assert all(d.cut == (d.ids[-1] not in copy.chat.stops) and not d.refused for d in drawn)


def test_nothing_bends_the_distribution(vllm: Vllm, tiny: Loaded, tmp_path: Path) -> None:
    """Models bring top_k, top_p and penalties along, which a server applies unless it is told not to."""
    drawn = banned(tiny.chat, tiny.model.config)
    answers(vllm, tiny, tmp_path)
    body = vllm.bodies[0]
    assert (body["top_p"], body["top_k"], body["min_p"], body["repetition_penalty"]) == (1.0, -1, 0.0, 1.0)
    assert (body["n"], body["max_tokens"], body["temperature"]) == (3, 12, 1.0)
    assert body["logit_bias"] == {str(i): -100.0 for i in drawn} and body["stop_token_ids"] == sorted(tiny.chat.stops)
    manifest = [json.loads(line) for line in (tmp_path / "out" / "manifest.jsonl").read_text().splitlines()]
    assert (
        [line["kind"] for line in manifest] == ["session", "request", "request"]
        and "(PNG, sha256" in json.dumps(manifest)
        and "base64" not in json.dumps(manifest)
    )


# ------------------------------------------------------------------------------------------------------- its failures


def test_fewer_answers_than_asked_are_asked_for_again(vllm: Vllm, tiny: Loaded, tmp_path: Path) -> None:
    """One answer a reply: three requests for three answers, for what is missing and with another seed each."""
    vllm.harm = lambda n, reply: reply | {"choices": reply["choices"][:1]}
    drawn = answers(vllm, tiny, tmp_path, concurrency=1)
    assert [d.question for d in drawn] == [0, 0, 0, 1, 1, 1]
    assert [b["n"] for b in vllm.bodies] == [3, 2, 1] * 2 and len({b["seed"] for b in vllm.bodies}) == 6


def test_more_answers_than_asked_are_left(vllm: Vllm, tiny: Loaded, tmp_path: Path) -> None:
    vllm.harm = lambda n, reply: reply | {"choices": reply["choices"] * 2}
    assert [d.question for d in answers(vllm, tiny, tmp_path)] == [0, 0, 0, 1, 1, 1]


def test_banned_ids_are_drawn_again_and_counted(vllm: Vllm, tiny: Loaded, tmp_path: Path) -> None:
    """The first reply's first answer begins with the image's token: one of four answers to that question is refused."""
    wrong = tiny.model.config.image_token_id

    def harm(n: int, reply: Reply) -> Reply:
        first = reply["choices"][0]
        ids = [wrong, *first["token_ids"]]
        said = tiny.chat.decode(ids)
        logps = [-1.0, *(e["logprob"] for e in first["logprobs"]["content"])]
        return reply if n else reply | {"choices": [choice(ids, said, "length", logps), *reply["choices"][1:]]}

    vllm.harm = harm
    drawn = answers(vllm, tiny, tmp_path, concurrency=1)
    assert [d.refused for d in drawn] == [0, 0, 1, 0, 0, 0] and not any(wrong in d.ids for d in drawn)


def test_a_server_that_only_draws_banned_ids_is_given_up(vllm: Vllm, tiny: Loaded, tmp_path: Path) -> None:
    """Everything is banned but the server does not honour it: 5 requests of 3 answers, 15 refused."""
    vllm.biased = False
    everything = Distribution(1.0, tuple(range(len(tiny.chat.tokenizer))))
    with pytest.raises(GenerationError, match=r"d0: .* 0 of 3 answers in 5 requests; 15 more held ids .* logit_bias"):
        answers(vllm, tiny, tmp_path, everything, concurrency=1)


@pytest.mark.parametrize(
    ("harm", "why"),
    [
        (lambda n, reply: 500, "d0: 127.0.0.1:.* refuses with 500"),
        (lambda n, reply: 404, "d0: 127.0.0.1:.* refuses with 404"),
        (lambda n, reply: {"choices": []}, "d0: no reply from .*: the reply is no chat completion"),
        (lambda n, reply: {"error": "overloaded"}, "d0: no reply from .*: the reply is no chat completion"),
    ],
)
def test_what_does_not_pass_is_told_with_the_question(
    harm: Callable[[int, Reply], Reply | int], why: str, vllm: Vllm, tiny: Loaded, tmp_path: Path
) -> None:
    vllm.harm = harm
    with pytest.raises(GenerationError, match=why):
        answers(vllm, tiny, tmp_path, concurrency=1)


def test_a_failure_that_passes_is_survived(vllm: Vllm, tiny: Loaded, tmp_path: Path) -> None:
    """The first request fails once, the third brings nonsense once: two requests more than questions."""
    faults: dict[int, Reply | int] = {0: 503, 2: {"choices": []}}
    vllm.harm = lambda n, reply: faults.get(n, reply)
    assert len(answers(vllm, tiny, tmp_path, concurrency=1)) == 6 and len(vllm.bodies) == 4


def test_nobody_at_the_address(vllm: Vllm, tiny: Loaded, tmp_path: Path) -> None:
    with pytest.raises(GenerationError, match=r"d\d: no reply from 127.0.0.1"):
        answers(vllm, tiny, tmp_path, server=f"http://127.0.0.1:{free_port()}/v1", retries=0)


def test_another_prompt_is_told_once(
    vllm: Vllm, tiny: Loaded, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    vllm.harm = lambda n, reply: reply | {"usage": {"prompt_tokens": 7}}
    answers(vllm, tiny, tmp_path)
    assert " ".join(capsys.readouterr().err.split()).count("the server reads 7 tokens where this process reads") == 1


# --------------------------------------------------------------------------------------------------------------- gate


def test_another_machine_needs_permission_a_key_and_a_licence(
    vllm: Vllm, tiny: Loaded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Refused before a connection is opened; and where allowed, an image of unknown origin still does not leave."""
    with pytest.raises(GateError, match="is another machine"):
        server_of(vllm, tmp_path, server="https://gpu.example.org/v1")
    with pytest.raises(GateError, match=r"--generate\.server: an address is"):
        server_of(vllm, tmp_path, server="127.0.0.1:8000")
    far: dict[str, Any] = {"server": "https://gpu.example.org/v1", "allow_remote": True}
    with pytest.raises(TrainingError, match="needs a key"):
        server_of(vllm, tmp_path, **far)
    monkeypatch.setenv("OPENAI_API_KEY", "any")
    write_jsonl(tmp_path / "dialogues.jsonl", asked(tiny.chat, tmp_path)[0])
    with pytest.raises(GateError, match=r"d0: its record is not known.*2 of 2 records"):
        server_of(vllm, tmp_path, **far)


@pytest.mark.parametrize("how", ["text", "image"])
def test_what_would_have_to_be_replaced_does_not_leave_at_all(
    how: str, vllm: Vllm, tiny: Loaded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An answer is learnt from as one to the whole question, so a question that the gate would change is refused."""
    read = BurnedIn((), ((1, 1, 9, 9),) if how == "image" else ())
    monkeypatch.setattr(gate, "read_image", lambda png, how: read)
    monkeypatch.setattr(gate, "redacted", lambda png, reading, how: b"painted")
    monkeypatch.setattr(address, "is_here", lambda host: False)
    monkeypatch.setenv("OPENAI_API_KEY", "anything")
    dialogues, rows = asked(tiny.chat, tmp_path)
    if how == "text":
        dialogues = [replace(d, question=f"{d.question} Asked by Dr. Roe on 3 April 2019.") for d in dialogues]
    write_jsonl(tmp_path / "dialogues.jsonl", dialogues)
    source = Source("drawn", licence="CC0-1.0", access="open")
    records = tuple({d.record: Record(d.record, d.image, 48, 32, source=source) for d in dialogues}.values())
    far = {"allow_remote": True, "names": NOBODY, "identifiers": "redact"}
    with pytest.raises(TrainingError, match="it cannot leave as it is"):
        server_of(vllm, tmp_path, records, **far)(
            tiny.chat, dialogues, rows, 3, 12, Distribution(1.0, tuple(banned(tiny.chat, tiny.model.config))), 5
        )
    assert not vllm.bodies


def test_a_dry_run_writes_what_would_leave(vllm: Vllm, tiny: Loaded, tmp_path: Path) -> None:
    with pytest.raises(provenance.DryRun, match="what the first 2 questions would send"):
        answers(vllm, tiny, tmp_path, dry_run=True)
    assert not vllm.bodies and len((tmp_path / "out" / "manifest.jsonl").read_text().splitlines()) == 1 + 2


def test_a_server_that_repeats_the_key_in_an_answer_stops_the_run(
    vllm: Vllm, tiny: Loaded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Learnt from, it would stand in the weights; the message does not have it."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-s3cret-0815")

    def harm(n: int, reply: Reply) -> Reply:
        reply["choices"][0]["message"]["content"] = "It is sk-s3cret-0815."
        return reply

    vllm.harm = harm
    with pytest.raises(GenerationError, match="repeats the key in an answer") as caught:
        answers(vllm, tiny, tmp_path)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"weights": None}, "say how new weights reach the server"),
        ({"model": None}, "--generate.model: name the model"),
        ({"kind": "transformers"}, "tells no log-probabilities.*--generate.logprobs none"),
        ({"kind": "transformers", "weights": "vllm-lora", "logprobs": "none"}, "loads no adapters"),
        ({"every": 0}, "--generate.every"),
    ],
    ids=str,
)
def test_options_that_contradict_are_refused(wrong: dict[str, Any], why: str, vllm: Vllm, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=why):
        server_of(vllm, tmp_path, **wrong)
