"""Servers that do not take all that is sent: what they refuse by its name is left out, said once, and written down."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import Field

from tests.conftest import draw
from tests.helpers import serving
from tests.helpers.cases import folder_of
from tests.helpers.serving import Proxy, proxied
from unveil import cli
from unveil.core.jsonl import write_jsonl
from unveil.core.records import Pair
from unveil.core.sampling import Sampling
from unveil.experts.expert import Expert
from unveil.experts.options import ExpertOptions, bind
from unveil.experts.requests import Request, RequestImage, Strict, Turn

Body = dict[str, Any]
#: A status and a message for a request, or None to answer it.
Refusal = Callable[[Body], tuple[int, str] | None]


class Score(Strict):
    score: float = Field(ge=0, le=1)


def openai_error(message: str, **more: str) -> str:
    return json.dumps({"error": {"message": message, "type": "invalid_request_error", **more}})


def reasoning(body: Body) -> tuple[int, str] | None:
    """As OpenAI's reasoning models."""
    for name in ("temperature", "top_p"):
        if body.get(name, 1) != 1:
            why = f"Unsupported value: '{name}' does not support {body[name]} with this model. Only the default (1) is."
            return 400, openai_error(why, param=name, code="unsupported_value")
    return None


def strict(*known: str) -> Refusal:
    """As FastAPI with a model that forbids other fields: all of them are named."""

    def refusal(body: Body) -> tuple[int, str] | None:
        extra = [name for name in body if name not in ("model", "messages", *known)]
        told = [{"type": "extra_forbidden", "loc": ["body", name], "input": body[name]} for name in extra]
        return (422, json.dumps({"detail": told})) if told else None

    return refusal


def both(body: Body) -> tuple[int, str] | None:
    """Takes either of two."""
    why = "`temperature` and `top_p` cannot both be specified for this model"
    return (400, openai_error(why)) if {"temperature", "top_p"} <= body.keys() else None


def schemaless(message: str) -> Refusal:
    return lambda body: (400, openai_error(message)) if "response_format" in body else None


def systemless(message: str) -> Refusal:
    """As a chat template that knows two roles."""
    return lambda body: (400, openai_error(message)) if "system" in [m["role"] for m in body["messages"]] else None


def too_long(body: Body) -> tuple[int, str] | None:
    """Names a parameter that is not at fault."""
    name = "max_completion_tokens" if "max_completion_tokens" in body else "max_tokens"
    return 400, openai_error(f"'{name}' is too large: 40000. The context has 4096 tokens.")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Proxy]]:
    """Starts a server with a refusal; whatever else it is asked it answers with ``message``."""
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    running = []

    def start(
        refuses: Refusal = lambda body: None,
        end: str = "stop",
        usage: Any = {"prompt_tokens": 1, "completion_tokens": 1},  # noqa: B006, it is never changed
        cut: Callable[[Body], bool] = lambda body: False,
        **message: Any,
    ) -> Proxy:
        said = {"role": "assistant", "content": '{"score": 0.5}'} | message

        def answer(handler: Any, body: bytes) -> tuple[int, dict[str, str], bytes]:
            why = "length" if cut(json.loads(body)) else end
            reply = {"choices": [{"index": 0, "message": said, "finish_reason": why}], "usage": usage}
            status, text = refuses(json.loads(body)) or (200, json.dumps(reply))
            return status, {"Content-Type": "application/json"}, text.encode()

        monkeypatch.setitem(serving.FAULTS, "picky", answer)
        held = proxied(0, script=lambda n: "picky")
        running.append(held)
        return held.__enter__()

    yield start
    for held in running:
        held.__exit__(None, None, None)


@pytest.fixture
def asked(tmp_path: Path) -> list[Request]:
    draw(tmp_path / "x.png", (32, 32), 0)
    drawn, shown = Sampling(0.2, 40, 0.9, 99), RequestImage(tmp_path / "x.png")
    turns = [(Turn("user", f"Question {n}?"),) for n in range(4)]
    return [Request(f"i{n}", "t", t, shown, "Be brief.", Score, sampling=drawn) for n, t in enumerate(turns)]


def expert(proxy: Proxy, folder: Path, **options: Any) -> Expert:
    known: dict[str, Any] = {"expert": proxy.address, "expert_model": "m", "concurrency": 1, "retries": 0}
    return bind(ExpertOptions(**(known | options)), folder / "out" / "x.jsonl")


REFUSALS: list[tuple[str, Refusal, set[str]]] = [
    ("a reasoning model", reasoning, {"temperature", "top_p"}),
    ("no max_completion_tokens", strict("temperature", "top_p", "top_k", "seed", "response_format", "max_tokens"),
     {"max_completion_tokens"}),
    ("nothing but a limit", strict("max_tokens"),
     {"temperature", "top_p", "top_k", "seed", "response_format", "max_completion_tokens"}),
    ("either of two", both, {"top_p"}),
    ("no schema", schemaless("response_format: json_schema is not supported"), {"response_format"}),
    ("no type", schemaless("This response_format type is unavailable now"), {"response_format"}),
    ("guided", schemaless("guided_json is not supported by this backend"), {"response_format"}),
    ("in words", schemaless("Structured outputs are not enabled on this server"), {"response_format"}),
    ("no system", systemless("System role not supported"), {"system"}),
    ("no such role", systemless("'messages[0].role' does not support 'system' with this model."), {"system"}),
    ("two roles", systemless("Only user and assistant roles are supported!"), {"system"}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "refusal", "left_out"), REFUSALS, ids=[name for name, *_ in REFUSALS])
def test_what_is_refused_by_name_is_left_out_from_then_on(
    name: str,
    refusal: Refusal,
    left_out: set[str],
    server: Callable[..., Proxy],
    asked: list[Request],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The first question is sent once more for each parameter, the others once; all are answered."""
    proxy = server(refusal)
    judge = expert(proxy, tmp_path)
    assert [reply.value for reply in judge.answer(asked)] == [Score(score=0.5)] * 4
    assert len(proxy.bodies) == 4 + len(left_out)
    assert judge.account["left_out"] == sorted(left_out) and not judge.spent.set_aside
    told = " ".join(capsys.readouterr().err.split())
    assert told.count("left out from here on (--leave-out ") == 1 and all(part in told for part in left_out)
    sent = json.loads(proxy.bodies[-1])
    assert not left_out & {*sent, *(m["role"] for m in sent["messages"])} and "Be brief." in proxy.texts()[-1]
    assert sent["max_tokens" if "max_completion_tokens" in left_out else "max_completion_tokens"] == 99
    _, *lines = (tmp_path / "out" / "manifest.jsonl").read_text().splitlines()
    assert [json.loads(line)["body"].keys() for line in lines] == [json.loads(body).keys() for body in proxy.bodies]


@pytest.mark.parametrize(("name", "refusal", "left_out"), REFUSALS, ids=[name for name, *_ in REFUSALS])
def test_what_is_left_out_from_the_start_is_never_sent(
    name: str,
    refusal: Refusal,
    left_out: set[str],
    server: Callable[..., Proxy],
    asked: list[Request],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    proxy = server(refusal)
    judge = expert(proxy, tmp_path, leave_out=tuple(left_out))
    assert len(list(judge.answer(asked))) == len(proxy.bodies) == 4 and not judge.spent.set_aside
    assert "left out" not in capsys.readouterr().err and judge.account["left_out"] == sorted(left_out)


def test_no_structured_sends_no_schema(server: Callable[..., Proxy], asked: list[Request], tmp_path: Path) -> None:
    proxy = server()
    list(expert(proxy, tmp_path, structured=False).answer(asked))
    assert not any("response_format" in json.loads(body) for body in proxy.bodies)
    judge = expert(proxy, tmp_path / "other")
    list(judge.answer(asked))
    assert all("response_format" in json.loads(body) for body in proxy.bodies[4:]) and "left_out" not in judge.account


def test_what_helps_nothing_is_not_remembered(
    server: Callable[..., Proxy], asked: list[Request], tmp_path: Path
) -> None:
    """The message names what is not at fault: it is tried without, and the message stands. One item is set aside."""
    proxy = server(lambda body: too_long(body) if "Question 1?" in json.dumps(body) else None)
    judge = expert(proxy, tmp_path)
    found = {reply.id: reply.error for reply in judge.answer(asked)}
    assert [name for name, error in found.items() if error] == ["i1"] and "is too large: 40000" in str(found["i1"])
    assert len(proxy.bodies) == 5 and "left_out" not in judge.account
    assert "max_completion_tokens" in json.loads(proxy.bodies[-1])


def test_a_refusal_that_names_nothing_tells_the_option(
    server: Callable[..., Proxy], asked: list[Request], tmp_path: Path
) -> None:
    proxy = server(lambda body: (400, openai_error("Bad Request")))
    errors = [str(reply.error) for reply in expert(proxy, tmp_path).answer(asked)]
    assert len(proxy.bodies) == 4
    assert all("Bad Request" in error and "what it does not take, --leave-out leaves out" in error for error in errors)


def test_the_command_writes_down_what_was_left_out(server: Callable[..., Proxy], tmp_path: Path) -> None:
    folder, proxy = folder_of(tmp_path), server(reasoning)
    pairs = [Pair(f"p{n}", "a", "a.png", "train", "open", "What is seen?", "a nodule", f"cyst {n}") for n in range(3)]
    write_jsonl(folder / "pairs.jsonl", pairs)
    files = ["--pairs", folder / "pairs.jsonl", "--records", folder / "records.jsonl", "--out", folder / "w.jsonl"]
    asked = ["--expert", proxy.address, "--expert-model", "m", "--leave-out", "seed"]
    assert cli.main(["curate", "relevance", *map(str, [*files, *asked])]) == 0
    (account,) = json.loads((folder / "w.jsonl.run.json").read_text())["asked"].values()
    assert account["left_out"] == ["seed", "temperature"] and account["asked"] == 3


# ------------------------------------------------------------------------------------------------ messages of all kinds


@pytest.mark.parametrize(
    "message",
    [
        {"content": [{"type": "text", "text": '{"score":'}, {"type": "text", "text": " 0.5}"}]},
        {"content": ['{"score": 0.5}']},
        {
            "content": [
                {"type": "thinking", "thinking": [{"type": "text", "text": '{"score": 0.9}'}]},
                {"type": "text", "text": '{"score": 0.5}'},
            ]
        },
        {"reasoning_content": '{"score": 0.9}'},
        {"reasoning": "<think>"},
        {"content": '<think></think>\n~~~JSON\n{"score": 0.5}~~~', "reasoning_content": None, "refusal": None},
    ],
)
def test_the_text_of_a_message(
    message: Body, server: Callable[..., Proxy], asked: list[Request], tmp_path: Path
) -> None:
    judge = expert(server(**message), tmp_path)
    assert [reply.value for reply in judge.answer(asked[:1])] == [Score(score=0.5)]


@pytest.mark.parametrize(
    ("usage", "tokens"),
    [
        ({"prompt_tokens": 3, "completion_tokens": 2}, 5),
        ({"prompt_tokens": 3, "completion_tokens": None}, 3),
        ({"prompt_tokens": "many", "completion_tokens": -5}, 0),
        ({"completion_tokens": float("inf")}, 0),
        ([1], 0),
        (None, 0),
    ],
)
def test_tokens_that_cannot_be_counted_are_said_to_be_none(
    usage: Any,
    tokens: int,
    server: Callable[..., Proxy],
    asked: list[Request],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    judge = expert(server(usage=usage), tmp_path)
    assert [reply.value for reply in judge.answer(asked[:1])] == [Score(score=0.5)]
    assert judge.spent.tokens_in + judge.spent.tokens_out == tokens
    assert ("does not say how many tokens it took" in capsys.readouterr().err) == (tokens == 0)


def test_half_a_character_is_no_end(server: Callable[..., Proxy], asked: list[Request], tmp_path: Path) -> None:
    """A reply that was cut within a sign; what is kept must be written in UTF-8."""
    judge = expert(server(content='{"score": 0.5} \ud83d'), tmp_path / "a")
    assert [reply.value for reply in judge.answer(asked[:1])] == [Score(score=0.5)]
    judge = expert(server(content=None, refusal="No \udfff"), tmp_path / "b")
    assert [reply.error for reply in judge.answer(asked[:1])] == ["the model refuses: No \\udfff"]


@pytest.mark.parametrize(
    ("message", "end", "why", "times"),
    [
        ({"content": None, "reasoning_content": "Hm."}, "stop", "only thoughts came, in a field of their own", 1),
        ({"content": "", "reasoning": "Hm."}, "stop", "only thoughts came, in a field of their own", 1),
        ({"content": None, "reasoning_content": "Hm."}, "length", "cut at 99 tokens; --thinking-tokens", 2),
        ({"content": "<think>Hm."}, "length", "cut at 99 tokens; --thinking-tokens", 2),
        ({"content": "<think>Hm."}, "stop", "it ends in its thoughts, without an answer", 2),
        ({"content": None}, "content_filter", "the model refuses: its server's filter", 1),
        ({"content": None, "refusal": "I cannot."}, "stop", "the model refuses: I cannot.", 1),
        ({"content": "I'm sorry, I can't help with that."}, "stop", "a refusal in words", 2),
    ],
)
def test_a_message_without_an_answer_says_why(
    message: Body,
    end: str,
    why: str,
    times: int,
    server: Callable[..., Proxy],
    asked: list[Request],
    tmp_path: Path,
) -> None:
    """A reply of the model's is asked for again, with the reason; the same one is then known already."""
    proxy = server(end=end, **message)
    judge = expert(proxy, tmp_path)
    (reply,) = judge.answer(asked[:1])
    assert reply.value is None and str(reply.error).startswith(why) and len(proxy.bodies) == times


def test_a_model_that_thinks_gets_more_tokens(
    server: Callable[..., Proxy], asked: list[Request], tmp_path: Path
) -> None:
    """A reply that was cut is asked for again where more is allowed, though it is kept."""
    proxy = server(cut=lambda body: body["max_completion_tokens"] < 1000)
    (reply,) = expert(proxy, tmp_path).answer(asked[:1])
    assert str(reply.error).startswith("cut at 99 tokens") and len(proxy.bodies) == 2
    (reply,) = expert(proxy, tmp_path, thinking_tokens=1000).answer(asked[:1])
    assert reply.value == Score(score=0.5) and json.loads(proxy.bodies[2])["max_completion_tokens"] == 1099
