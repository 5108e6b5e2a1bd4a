"""Two questions that a server is asked, what it draws, and a reply as it stands in JSON."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.conftest import dialogue, draw
from tests.helpers.drawing import Reply, Vllm
from unveil.core.jsonl import write_jsonl
from unveil.core.records import Dialogue, Record
from unveil.rl import grpo, remote_rollout
from unveil.rl.options import GenerateOptions
from unveil.rl.remote_rollout import Server
from unveil.vlm.chat import Chat
from unveil.vlm.generate import Rollout, banned
from unveil.vlm.inputs import EncodedExample
from unveil.vlm.models import Loaded
from unveil.vlm.scorer import Distribution


def asked(chat: Chat, folder: Path) -> tuple[list[Dialogue], list[EncodedExample]]:
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
    given: dict[str, Any] = {"server": vllm.address, "weights": "never", "model": "base", "retries": 1} | more
    config = grpo.Config(
        records=folder / "records.jsonl", dialogues=folder / "dialogues.jsonl", out=folder / "out", model="-"
    )
    with remote_rollout.bound(GenerateOptions(**given), config) as server:
        assert server is not None
        server.renew(0, None)
        return server


def answers(
    vllm: Vllm, copy: Loaded, folder: Path, distribution: Distribution | None = None, **more: Any
) -> list[Rollout]:
    """Three answers to each of the two questions, of twelve tokens at the most."""
    how = distribution or Distribution(1.0, tuple(banned(copy.chat, copy.model.config)))
    return server_of(vllm, folder, **more)(copy.chat, *asked(copy.chat, folder), 3, 12, how, 5)


def choice(ids: list[int], text: str, finish: str = "stop", logps: list[float] | None = None, **more: Any) -> Reply:
    content = [{"token": f"token_id:{i}", "logprob": p} for i, p in zip(ids, logps or [-1.0] * len(ids), strict=True)]
    message = {"role": "assistant", "content": text}
    return {"message": message, "finish_reason": finish, "logprobs": {"content": content}, "token_ids": ids} | more
