"""A server of tiny models on the loopback that answers as vLLM does, with the probabilities that it drew from.

It shares nothing with what it is to test: prompts are made by the processor, answers by transformers' own generation.
"""

from __future__ import annotations

import base64
import io
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from unveil.vlm import models
from unveil.vlm.models import Loaded

Reply = dict[str, Any]


@dataclass
class Vllm:
    """``models`` by the names that they are asked for; a folder's path is loaded when it is first asked for.

    ``harm(n, reply)`` changes the n-th reply, or gives a status instead of one.
    """

    models: dict[str, Loaded]
    harm: Callable[[int, Reply], Reply | int] = lambda n, reply: reply
    biased: bool = True
    """Whether it honours logit_bias."""
    raw: bool = False
    """Whether it tells log-probabilities before temperature and bans, as vLLM does unless it is told otherwise."""
    fixed: bool = False
    """Whether it refuses other weights than it has."""
    bodies: list[dict[str, Any]] = field(default_factory=list)
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    """What was asked for beside answers."""
    received: list[tuple[list[str], bytes]] = field(default_factory=list)
    """Names of the headers, and the body, of all that came."""
    port: int = 0
    lock: Any = field(default_factory=threading.Lock)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def asked(self) -> list[str]:
        """The models that were asked for, each run of the same once."""
        names = [Path(body["model"]).name for body in self.bodies]
        return [name for i, name in enumerate(names) if not i or names[i - 1] != name]

    def answer(self, path: str, body: dict[str, Any]) -> Reply | str | int:
        """The reply to a request: JSON, plain text, or a status alone."""
        with self.lock:
            if not path.endswith("/chat/completions"):
                return self._managed(path, body)
            self.bodies.append(body)
            if body["model"] not in self.models:
                if not Path(body["model"]).is_dir():
                    return 404
                self.models[body["model"]] = models.load(body["model"], device="cpu")
            return self.harm(len(self.bodies) - 1, self._drawn(self.models[body["model"]], body))

    def listed(self, path: str) -> tuple[int, Reply | str]:
        """The models that it has, where they are asked for."""
        if path != "/v1/models":
            return 404, '{"detail": "Not Found"}'
        return 200, {"object": "list", "data": [{"id": name, "object": "model"} for name in self.models]}

    def _managed(self, path: str, body: dict[str, Any]) -> str | int:
        name = path.rsplit("/", 1)[-1]
        self.calls.append((name, body))
        if self.fixed:
            return 404
        if name == "load_lora_adapter":
            self.models[body["lora_name"]] = models.load(body["lora_path"], device="cpu")
        elif self.models.pop(body["lora_name"], None) is None:
            return 404
        return "Success"

    @torch.no_grad()
    def _drawn(self, loaded: Loaded, body: dict[str, Any]) -> Reply:
        torch.manual_seed(body["seed"])  # the handler's thread has no other use for it
        processor, words, model = loaded.chat.processor, loaded.chat.tokenizer, loaded.model.eval()
        inputs = _prompt(processor, body["messages"])
        bias = {(int(i),): float(b) for i, b in body["logit_bias"].items()} if self.biased else {}
        body = {"n": 1, "stop_token_ids": sorted(loaded.chat.stops), "skip_special_tokens": True} | body
        body = {"logprobs": False, "return_token_ids": False} | body  # what vLLM takes for granted
        how: dict[str, Any] = {"do_sample": False}
        if body["temperature"]:
            how = {"do_sample": True, "temperature": body["temperature"], "top_k": 0, "top_p": 1.0}
        out = model.generate(
            **inputs, **how, sequence_bias=bias or None,
            num_return_sequences=body["n"], max_new_tokens=body["max_tokens"], eos_token_id=body["stop_token_ids"],
            pad_token_id=words.pad_token_id, return_dict_in_generate=True, output_scores=True,
            output_logits=True,
        )  # fmt: skip
        length = inputs["input_ids"].shape[1]
        logps_NTV = torch.stack(out.logits if self.raw else out.scores, 1).float().log_softmax(-1)
        choices = []
        for index, row in enumerate(out.sequences[:, length:].tolist()):
            end = next((t + 1 for t, i in enumerate(row) if i in body["stop_token_ids"]), len(row))
            ids, ended = row[:end], row[end - 1] in body["stop_token_ids"]
            said = words.decode(ids[: len(ids) - ended], skip_special_tokens=body["skip_special_tokens"])
            content: list[dict[str, Any]] = [
                {"token": f"token_id:{i}", "logprob": float(logps_NTV[index, t, i]), "bytes": None, "top_logprobs": []}
                for t, i in enumerate(ids)
            ]
            choices.append(
                {
                    "index": index,
                    "message": {"role": "assistant", "content": said},
                    "finish_reason": "stop" if ended else "length",
                    "logprobs": {"content": content} if body["logprobs"] else None,
                    "token_ids": ids if body["return_token_ids"] else None,
                }
            )
        usage = {"prompt_tokens": length, "completion_tokens": out.sequences.shape[1] - length}
        return {"id": "0", "object": "chat.completion", "model": body["model"], "choices": choices, "usage": usage}


def _prompt(processor: Any, messages: list[dict[str, Any]]) -> dict[str, Any]:
    """What a processor makes of OpenAI's messages."""
    turns = []
    for message in messages:
        parts = (
            message["content"]
            if isinstance(message["content"], list)
            else [{"type": "text", "text": message["content"]}]
        )
        turns.append({"role": message["role"], "content": [_part(part) for part in parts]})
    return dict(
        processor.apply_chat_template(
            turns, tokenize=True, add_generation_prompt=True, return_dict=True, return_tensors="pt"
        )
    )


def _part(part: dict[str, Any]) -> dict[str, Any]:
    if part["type"] == "text":
        return part
    data = base64.b64decode(part["image_url"]["url"].partition(",")[2])
    return {"type": "image", "image": Image.open(io.BytesIO(data)).convert("RGB")}


@contextmanager
def drawing(**served: Any) -> Iterator[Vllm]:
    """The server on a free port of the loopback, which is asked without proxy or key of the environment, and again
    after a short wait."""
    vllm = Vllm(**served)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            vllm.received.append((list(self.headers), body))
            reply = vllm.answer(self.path, json.loads(body))
            self._sent(*((reply, "no") if isinstance(reply, int) else (200, reply)))

        def do_GET(self) -> None:
            self._sent(*vllm.listed(self.path))

        def _sent(self, status: int, reply: Reply | str) -> None:
            data = reply.encode() if isinstance(reply, str) else json.dumps(reply).encode()
            self.send_response(status)
            self.send_header("Content-Type", "text/plain" if isinstance(reply, str) else "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    vllm.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("openai._base_client.INITIAL_RETRY_DELAY", 0.01)
            for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "OPENAI_API_KEY"):
                patch.delenv(name, raising=False)
            yield vllm
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
