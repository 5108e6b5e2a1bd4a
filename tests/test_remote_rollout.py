"""Answers that a server draws: its tokens and probabilities, renewal of its weights, and everything that goes wrong."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.conftest import dialogue, draw, write_both
from tests.helpers.drawing import Reply, Vllm, drawing
from tests.helpers.nobody import NOBODY
from tests.helpers.serving import free_port, serve
from tests.test_generate import scorer_of
from tests.test_rl_run import lines
from unveil.core import provenance
from unveil.core.records import Dialogue, Record, Source, write_jsonl
from unveil.experts.remote_tokens import Reader
from unveil.gate import GateError, address, passage
from unveil.gate.burned_in import Reading
from unveil.rl import aar, grpo, policy, remote_rollout
from unveil.rl import grpo as recipe
from unveil.rl.options import GenerateOptions
from unveil.rl.remote_rollout import Server
from unveil.testing.models import fresh, loaded
from unveil.train import adapters, losses, sft
from unveil.train.loop import TrainingError
from unveil.vlm import models
from unveil.vlm.chat import Chat
from unveil.vlm.generate import Drawn, GenerationError, banned
from unveil.vlm.inputs import Encoded
from unveil.vlm.models import Loaded
from unveil.vlm.scorer import Distribution


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Short waits between repetitions, and no proxy or key of the environment."""
    monkeypatch.setattr("openai._base_client.INITIAL_RETRY_DELAY", 0.01)
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Records and dialogues of drawn images, two of which are trained on."""
    return write_both(tmp_path_factory.mktemp("data"), 5)


@pytest.fixture
def vllm() -> Iterator[Vllm]:
    """A server that has the model as it is before training."""
    with drawing(models={"base": loaded("llava_siglip")}) as running:
        yield running


def asked(chat: Chat, folder: Path) -> tuple[list[Dialogue], list[Encoded]]:
    """Two questions, the second with a turn before it, on pictures of two sizes."""
    first, second = draw(folder / "a.png", (96, 64), 3), draw(folder / "b.png", (50, 120), 4)
    found = [
        dialogue("d0", first.name, "Where is it?"),
        dialogue("d1", second.name, "Is anything abnormal?", history=(("What is in this region?", "A cyst."),)),
    ]
    return found, [chat.encode(d, folder / d.image, with_answer=False) for d in found]


def server_of(vllm: Vllm, folder: Path, records: tuple[Record, ...] = (), **more: Any) -> Server:
    """A server that has been told its weights, for questions in ``folder``."""
    write_jsonl(folder / "records.jsonl", records)
    given = {"server": vllm.address, "weights": "never", "model": "base", "retries": 1} | more
    config = grpo.Config(
        records=folder / "records.jsonl", dialogues=folder / "dialogues.jsonl", out=folder / "out", model="-"
    )
    with remote_rollout.bound(GenerateOptions(**given), config) as server:
        assert server is not None
        server.renew(0, None)
        return server


def answers(
    vllm: Vllm, copy: Loaded, folder: Path, distribution: Distribution | None = None, **more: Any
) -> list[Drawn]:
    """Three answers to each of the two questions, of twelve tokens at the most."""
    how = distribution or Distribution(1.0, banned(copy.chat, copy.model.config))
    return server_of(vllm, folder, **more)(copy.chat, *asked(copy.chat, folder), 3, 12, how, 5)


def scored(copy: Loaded, drawn: list[Drawn], rows: list[Encoded], distribution: Distribution) -> Tensor:
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
    how = Distribution(0.7, banned(copy.chat, copy.model.config))
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


# ------------------------------------------------------------------------------------------------------- how it is read


def choice(ids: list[int], text: str, finish: str = "stop", logps: list[float] | None = None, **more: Any) -> Reply:
    content = [{"token": f"token_id:{i}", "logprob": p} for i, p in zip(ids, logps or [-1.0] * len(ids), strict=True)]
    message = {"role": "assistant", "content": text}
    return {"message": message, "finish_reason": finish, "logprobs": {"content": content}, "token_ids": ids} | more


def ids_of(chat: Chat, text: str) -> list[int]:
    return chat.tokenizer(text, add_special_tokens=False)["input_ids"]


def test_ids_from_all_that_servers_tell(tiny: Loaded) -> None:
    """Ids as a list, as token_id:N, as the text of a token; all the same answer, with the end behind it."""
    chat = tiny.chat
    ids = [*ids_of(chat, "Yes."), chat.end[0]]
    reader, told = Reader(chat, corrected=True), choice(ids, "Yes.", logps=[-0.5 * n for n in range(len(ids))])
    first = reader.read(told, 1, "q")
    texts = [{**e, "token": chat.decode([i])} for e, i in zip(told["logprobs"]["content"], ids, strict=True)]
    assert first == Drawn(1, ids, [-0.5 * n for n in range(len(ids))], cut=False)
    assert reader.read({**told, "token_ids": None}, 1, "q") == first
    assert reader.read({**told, "token_ids": None, "logprobs": {"content": texts}}, 1, "q") == first


def test_an_end_that_was_left_out_is_not_known(tiny: Loaded) -> None:
    """Nobody told how likely the end was: NaN, whose weight is 1. So is vLLM's -9999, which stands for no value."""
    chat, reader = tiny.chat, Reader(tiny.chat, corrected=True)
    ids = ids_of(chat, "Yes.")
    for given in (choice(ids, "Yes."), choice(ids, "Yes.", token_ids=[*ids, chat.end[0]])):
        found = reader.read(given, 0, "q")
        assert found is not None and found.ids == [*ids, chat.end[0]] and not found.cut
        assert found.logps[:-1] == [-1.0] * len(ids) and math.isnan(found.logps[-1])
    found = reader.read(choice(ids, "Yes.", logps=[-9999.0] * len(ids)), 0, "q")
    assert found is not None and all(map(math.isnan, found.logps))


def test_cut_empty_and_overlong_answers(tiny: Loaded) -> None:
    """``length`` is cut; nothing said is an answer of its end alone; what stands behind an end was not said."""
    chat, reader = tiny.chat, Reader(tiny.chat, corrected=True)
    ids = ids_of(chat, "Yes.")
    cut, empty = reader.read(choice(ids, "Yes.", "length"), 0, "q"), reader.read(choice([], ""), 0, "q")
    assert cut == Drawn(0, ids, [-1.0] * len(ids), cut=True)
    assert empty is not None and empty.ids == chat.end[:1] and math.isnan(empty.logps[0]) and not empty.cut
    both = reader.read(choice([*ids, chat.end[0], *ids], "Yes.", "length"), 0, "q")
    assert both is not None and both.ids == [*ids, chat.end[0]] and not both.cut


def test_a_banned_id_is_refused(tiny: Loaded) -> None:
    ids = ids_of(tiny.chat, "Yes.")
    assert Reader(tiny.chat, True, {ids[0]}).read(choice(ids, "Yes."), 0, "q") is None


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"logprobs": None}, "no log-probabilities; the server must give them"),
        ({"token_ids": [3]}, "1 tokens have 3 log-probabilities; the server must tell the ids"),
        ({"token_ids": [3, 4, 10**6]}, r"id 1000000 is beyond the \d+ of the vocabulary"),
        ({"token_ids": [3, 4, "4"]}, "id 4 is beyond"),
        ({"message": {"content": "No."}}, "its tokens read 'Yes.' here and 'No.' there: it has another tokenizer"),
        ({"message": None}, "cannot be learnt from"),
        ({"finish_reason": "tool_calls"}, "it ended by 'tool_calls'"),
        ({"logprobs": {"content": [{"token": "token_id:3", "logprob": "x"}] * 3}}, "'x' is no log-probability"),
        ({"logprobs": {"content": [{"token": "token_id:3", "logprob": 0.5}] * 3}}, "0.5 is no log-probability"),
        ({"token_ids": None, "logprobs": {"content": [{"token": "no such", "logprob": -1}]}}, "0 ids .* 'no such'"),
    ],
    ids=lambda v: v if isinstance(v, str) else "",
)
def test_a_reply_that_cannot_be_aligned_says_what_is_needed(wrong: Reply, why: str, tiny: Loaded) -> None:
    ids = ids_of(tiny.chat, "Yes.")
    assert len(ids) == 3
    with pytest.raises(GenerationError, match=f"q: .*{why}"):
        Reader(tiny.chat, corrected=True).read(choice(ids, "Yes.") | wrong, 0, "q")


def test_nothing_at_all_cut_at_once_is_no_answer(tiny: Loaded) -> None:
    with pytest.raises(GenerationError, match=r"q: .*cut before its first token"):
        Reader(tiny.chat, corrected=True).read(choice([], "", "length"), 0, "q")


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
    vllm.harm = lambda n, reply: {0: 503, 2: {"choices": []}}.get(n, reply)
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
    far = {"server": "https://gpu.example.org/v1", "allow_remote": True}
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
    read = Reading((), ((1, 1, 9, 9),) if how == "image" else ())
    monkeypatch.setattr(passage, "read_image", lambda png, how: read)
    monkeypatch.setattr(passage, "redacted", lambda png, reading, how: b"painted")
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
            tiny.chat, dialogues, rows, 3, 12, Distribution(1.0, banned(tiny.chat, tiny.model.config)), 5
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


# ------------------------------------------------------------------------------------------------------------ learning


def learning(data: Path, out: Path, vllm: Vllm, folder: Path, weights: str, **more: Any) -> grpo.Config:
    """Two updates on four questions, two a pass. A random model earns nothing: entropy's bonus moves its weights."""
    own = {
        name: more.pop(name) for name in ("server", "kind", "every", "logprobs", "retries", "dry_run") if name in more
    }
    usual = {"server": vllm.address, "weights": weights, "model": "base", "retries": 1}
    served = GenerateOptions(**usual | own)
    usual = {
        "batch_size": 2, "answers": 3, "max_new_tokens": 12, "limit": 4, "validate_every": 0, "samples_every": 0,
        "learning_rate": 1e-3, "workers": 0, "most_unusable": 1.0, "most_growth": 99.0, "least_entropy": 0.0,
        "rewards": ("similarity",), "combination": "sum", "checkpoint_every": 0,
        "entropy": 1.0, "warmup": 0.0,
    }  # fmt: skip
    return grpo.Config(
        records=data / "records.jsonl", dialogues=data / "dialogues.jsonl", out=out, model=str(folder),
        generate=served, **usual | more,
    )  # fmt: skip


def figures(out: Path, name: str) -> list[float]:
    return [row[name] for row in lines(out) if name in row]


@pytest.mark.parametrize(
    ("weights", "method"), [("folder", "full"), ("folder", "lora"), ("vllm-lora", "lora")], ids=str
)
def test_a_run_renews_the_servers_weights(
    weights: str, method: str, data: Path, tiny_folder: Path, tmp_path: Path, vllm: Vllm
) -> None:
    """Two updates: the server draws with the weights of each, so mismatch stays at rounding.

    There is never more than one folder, and none when the run has ended. All that arrived, requests about adapters
    too, stands in the manifest: names of the headers, and bodies by their hashes.
    """
    kept: list[list[str]] = []
    vllm.harm = lambda n, reply: (
        kept.append(sorted(p.name for p in (tmp_path / "out" / "served").glob("step-*"))) or reply
    )
    grpo.main(learning(data, tmp_path / "out", vllm, tiny_folder, weights, method=method, learning_rate=1e-2))
    assert len(figures(tmp_path / "out", "mismatch")) == 2 and max(figures(tmp_path / "out", "mismatch")) < 1e-4
    assert figures(tmp_path / "out", "importance_cut") == figures(tmp_path / "out", "importance_none") == [0.0, 0.0]
    assert figures(tmp_path / "out", "refused") == [0.0, 0.0]
    names = ["step-0000000", "step-0000001"]
    assert kept == [names[:1]] * 2 + [names[1:]] * 2
    first, second = vllm.asked
    if weights == "folder":
        assert [first, second] == names
    else:
        start = first.split("-")[1]
        assert [first, second] == [f"base-{start}-{name}" for name in names] and re.fullmatch("[0-9a-f]{8}", start)
    loads = [(name, body["lora_name"]) for name, body in vllm.calls]
    expected = [("load_lora_adapter", first), ("unload_lora_adapter", first), ("load_lora_adapter", second)]
    assert loads == ([] if weights == "folder" else expected)
    assert not (tmp_path / "out" / "served").exists()
    session, *requests = map(json.loads, (tmp_path / "out" / "manifest.jsonl").read_text().splitlines())
    assert session["kind"] == "session" and {r["session"] for r in requests} == {session["session"]}
    came = [hashlib.sha256(body).hexdigest() for _, body in vllm.received]
    assert sorted(came) == sorted(r["body_sha256"] for r in requests) and len(came) == 4 + len(loads)
    assert all(names == session["headers"] for names, _ in vllm.received)


def test_handing_over_only_reads(tiny_folder: Path, tmp_path: Path) -> None:
    """An adapter that is not 0 any more: the weights in training stay, bit for bit; the folder has it added to them."""
    copy = fresh("llava_siglip")
    given = sft.Config(dialogues=tmp_path, out=tmp_path, model=str(tiny_folder), method="lora", train_projector=False)
    policy = adapters.prepare(copy.model, given)
    for name, value in policy.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(value, std=0.1)
    before = {name: value.clone() for name, value in policy.state_dict().items()}
    adapters.hand_over(policy, copy.chat, given, tmp_path / "policy", True)
    assert all(torch.equal(before[name], value) for name, value in policy.state_dict().items())
    handed, whole = models.load(tmp_path / "policy").model.state_dict(), policy.merge_and_unload().state_dict()
    assert handed.keys() == whole.keys()
    torch.testing.assert_close(handed, dict(whole), atol=1e-6, rtol=1e-6)


def test_only_every_other_update_renews(data: Path, tiny_folder: Path, tmp_path: Path, vllm: Vllm) -> None:
    """Four updates, renewal every two: the second and fourth learn from answers of weights one update old."""
    given = learning(data, tmp_path / "out", vllm, tiny_folder, "folder", every=2, epochs=2.0, learning_rate=1e-2)
    grpo.main(given)
    assert vllm.asked == ["step-0000000", "step-0000002"]
    off = figures(tmp_path / "out", "mismatch")
    assert max(off[0], off[2]) < 1e-4 < 1e-3 < min(off[1], off[3])


@pytest.mark.parametrize("temperature", [0.5, 1.5])
def test_log_probabilities_before_temperature_are_refused(
    temperature: float, data: Path, tiny_folder: Path, tmp_path: Path, vllm: Vllm
) -> None:
    """vLLM's usual ones: by the first answers they are those at temperature 1. Those at its own are taken."""
    options = partial(learning, data, vllm=vllm, folder=tiny_folder, weights="never", temperature=temperature)
    grpo.main(options(out=tmp_path / "out"))
    assert max(figures(tmp_path / "out", "mismatch")[:1]) < 1e-4
    vllm.raw = True
    with pytest.raises(TrainingError, match=rf"not those at --temperature {temperature}: .*processed_logprobs"):
        grpo.main(options(out=tmp_path / "raw"))
    assert not figures(tmp_path / "raw", "reward"), "nothing was learnt"
    grpo.main(replace(options(out=tmp_path / "one"), temperature=1.0))


def test_stale_weights_show_and_are_corrected(
    data: Path, tiny_folder: Path, tmp_path: Path, vllm: Vllm, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that keeps its weights: no mismatch in the first update, some after it, weights other than 1."""
    seen: list[Tensor] = []
    real = policy.policy_loss
    monkeypatch.setattr(recipe, "policy_loss", lambda s, held, **a: seen.append(held.weights_S) or real(s, held, **a))
    given = learning(data, tmp_path / "out", vllm, tiny_folder, "never", epochs=2.0, learning_rate=1e-2)
    recipe.main(given)
    off = figures(tmp_path / "out", "mismatch")
    assert vllm.asked == ["base"] and off[0] < 1e-4 and min(off[1:]) > 1e-3
    assert float((seen[0] - 1).abs().max()) < 1e-3 < float((seen[-1] - 1).abs().max())
    assert all(float(w.max()) <= 2.0 for w in seen)


def test_without_log_probabilities_it_is_said(
    data: Path, tiny_folder: Path, tmp_path: Path, vllm: Vllm, capsys: pytest.CaptureFixture[str]
) -> None:
    """No mismatch can be told, none of the tokens is corrected, and both screen and log say so."""
    grpo.main(learning(data, tmp_path / "out", vllm, tiny_folder, "folder", logprobs="none"))
    assert "nothing corrects for what differs" in " ".join(capsys.readouterr().err.split())
    assert not figures(tmp_path / "out", "mismatch") and not figures(tmp_path / "out", "importance_cut")
    assert figures(tmp_path / "out", "importance_none") == [1.0, 1.0]


def test_a_server_that_is_down_stops_at_a_checkpoint(data: Path, tiny_folder: Path, tmp_path: Path, vllm: Vllm) -> None:
    """Down from the second update on: what was learnt is kept, and the run goes on from there once it is up again."""
    given = learning(data, tmp_path / "out", vllm, tiny_folder, "folder", retries=0)
    vllm.harm = lambda n, reply: 503 if n >= 2 else reply
    with pytest.raises(
        TrainingError, match=r"refuses with 503.*; the same command \(train: --resume\) goes on from step-0000001"
    ):
        grpo.main(given)
    vllm.harm = lambda n, reply: reply
    elsewhere = replace(given.generate, server=vllm.address.replace("127.0.0.1", "localhost"), retries=3)
    grpo.main(replace(given, resume=True, generate=elsewhere))
    assert [row["step"] for row in lines(tmp_path / "out") if "reward" in row] == [1, 2]


def test_an_adapter_that_the_server_cannot_load_stops_the_run(
    data: Path, tiny_folder: Path, tmp_path: Path, vllm: Vllm, capsys: pytest.CaptureFixture[str]
) -> None:
    """One that is gone already is only noted; a server that loads none (404, where vLLM does not allow it) is not."""
    given = learning(data, tmp_path / "out", vllm, tiny_folder, "vllm-lora", method="lora", retries=0)
    vllm.harm = lambda n, reply: vllm.models.clear() or reply if n == 1 else reply
    grpo.main(given)
    said = " ".join(capsys.readouterr().err.split())
    assert re.search(r"the server did not drop the adapter base-\w{8}-step-0000000", said)
    vllm.fixed = True
    with pytest.raises(
        TrainingError,
        match=r"the adapter .*step-0000000: .* refuses with 404.*; the same command \(train: --resume\) goes on",
    ):
        grpo.main(replace(given, out=tmp_path / "again"))


def test_two_runs_never_name_an_adapter_alike(data: Path, tiny_folder: Path, tmp_path: Path, vllm: Vllm) -> None:
    """Neither another run of the same steps nor one that goes on: the server caches what it computed by that name."""
    given = learning(data, tmp_path / "out", vllm, tiny_folder, "vllm-lora", method="lora")
    grpo.main(given)
    grpo.main(replace(given, out=tmp_path / "again"))
    loaded = [body["lora_name"] for name, body in vllm.calls if name == "load_lora_adapter"]
    assert len(loaded) == len(set(loaded)) == 4


def test_a_dry_run_keeps_out_of_a_run_that_is_there(data: Path, tiny_folder: Path, tmp_path: Path, vllm: Vllm) -> None:
    given = learning(data, tmp_path / "out", vllm, tiny_folder, "folder", dry_run=True)
    given.out.mkdir(exist_ok=True)
    (given.out / "metrics.jsonl").write_text("{}\n")
    with pytest.raises(TrainingError, match="holds a run already"):
        grpo.main(given)
    assert (given.out / "metrics.jsonl").read_text() == "{}\n"


def test_an_adapter_needs_a_run_that_trains_one(data: Path, tiny_folder: Path, tmp_path: Path, vllm: Vllm) -> None:
    with pytest.raises(TrainingError, match="take --method lora"):
        grpo.main(learning(data, tmp_path / "out", vllm, tiny_folder, "vllm-lora", method="full"))


def test_ppo_and_the_papers_command_take_a_server(data: Path, tiny_folder: Path, tmp_path: Path, vllm: Vllm) -> None:
    """By the command line's own classes: the options go through to the recipe."""
    given = vars(learning(data, tmp_path / "out", vllm, tiny_folder, "never"))
    del given["spread"]
    aar.main(aar.Config(**given | {"algorithm": "ppo", "rewards": ("localisation", "relevance")}))
    assert max(figures(tmp_path / "out", "mismatch")[:1]) < 1e-4 and "value_loss" in lines(tmp_path / "out")[0]
    assert json.loads((tmp_path / "out" / "run.json").read_text())["config"]["generate"]["model"] == "base"


@pytest.mark.xdist_group("endpoint")
def test_transformers_serve(data: Path, tiny_folder: Path, tmp_path: Path, vllm: Vllm, tiny: Loaded) -> None:
    """The real server: asked for a folder by its path it draws answers that differ; what they were drawn with is not
    known. A run hands it a merged model for each update, which it loads."""
    pytest.importorskip("fastapi", reason="no server: pip install unveil[serving]")
    with serve(None, tmp_path) as port:
        told = {"server": f"http://127.0.0.1:{port}/v1", "kind": "transformers", "logprobs": "none"}
        drawn = answers(vllm, tiny, tmp_path, model=str(tiny_folder), **told)
        grpo.main(learning(data, tmp_path / "run", vllm, tiny_folder, "folder", method="lora", **told))
        log = (tmp_path / "server.log").read_text()
    assert [d.question for d in drawn] == [0, 0, 0, 1, 1, 1] and len({tuple(d.ids) for d in drawn}) > 3
    assert all(math.isnan(p) for d in drawn for p in d.logps)
    assert figures(tmp_path / "run", "importance_none") == [1.0, 1.0]
    assert all(f"Loading {tmp_path}/run/served/step-000000{n}" in log for n in (0, 1))


# ------------------------------------------------------------------------------------------------------------- formulas


def test_importance_of_what_is_not_known() -> None:
    """pi_old / mu is 0.5 / 0.25 = 2, 0.5 / 0.1 = 5, cut to 2, and not known, which counts 1.

    Of the two that are known one is cut: 1/2. Mismatch is (log 2 + log 5) / 2 = log(10) / 2.
    """
    old = torch.log(torch.tensor([0.5, 0.5, 0.5]))
    sampled = torch.tensor([math.log(0.2500001), math.log(0.1), math.nan])
    torch.testing.assert_close(losses.importance(old, sampled), torch.tensor([2.0, 2.0, 1.0]))
    assert float(losses.importance_cut(old, sampled)) == 0.5
    assert float(losses.mismatch(old, sampled)) == pytest.approx(math.log(10) / 2)
    nothing = torch.full((3,), math.nan)
    assert math.isnan(losses.mismatch(old, nothing)) and math.isnan(losses.importance_cut(old, nothing))
