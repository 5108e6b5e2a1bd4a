"""Try: a model, or two side by side, asked about an image on a page; nothing is kept but what is saved from it."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse

from unveil.core import console
from unveil.core.jsonl import read_jsonl
from unveil.core.lesion_noise import NoiseError
from unveil.core.pixels import ImageError
from unveil.core.records import Record, RecordError
from unveil.experts.endpoint import Endpoint, Rehearsal, connect
from unveil.experts.options import key_in
from unveil.experts.requests import ExpertError
from unveil.gate import GateError
from unveil.gate.options import gate_options
from unveil.review import server, uploads, wording
from unveil.review.answering import Answerer, Hear, TriedModel, TriedServer
from unveil.review.items import Items
from unveil.review.options import TryOptions
from unveil.review.server import Refused
from unveil.review.try_room import SentPlaces, SentQuestion, TryRoom
from unveil.vlm.engine import load
from unveil.vlm.families import ModelError
from unveil.vlm.generate import GenerationError
from unveil.vlm.listening import Stopped

Config = TryOptions
#: What an answer can fail by that is the question's, the model's or the server's fault, and is told on the page.
FAULTS = (
    *(Refused, server.Unknown, ImageError, RecordError, NoiseError),
    *(ModelError, GateError, ExpertError, GenerationError),
)


def main(config: Config) -> None:
    """Shows the page until Ctrl-C."""
    with opened(config) as room:
        app = server.application("try", config.show_identifiers)
        routes(app, room)
        for model in room.models:
            console.say(f"{model.name}: {f'at {model.host}' if model.host else 'in this process'}")
        most = {"/api/images": uploads.MOST_BYTES}
        server.serve(
            app,
            ("you",),
            config.host,
            config.port,
            config.browser,
            "nothing is kept but what was saved from the page",
            most,
        )
    console.say("research software, not a medical device")


@contextmanager
def opened(config: Config) -> Iterator[TryRoom]:
    """Models and records, ready to be asked. Raises what they cannot be had by."""
    items, names = None, tuple[str, ...]()
    with ExitStack() as stack:
        if config.records:
            items = stack.enter_context(closing(Items(config.records)))
            if items.subject != "record":
                raise RecordError(f"--records {config.records}: {items.subject}s, not records")
            server.refuse_closed(items.of_all(), config.host, config.restricted)
        models = list(_models(config, items))
        if items:
            names = tuple(sorted({f.label for n in range(len(items)) for f in items.rows.row(n).findings}))
        yield TryRoom(models, config.max_new_tokens, items, names, config.show_identifiers)


def _models(config: Config, items: Items | None) -> Iterator[Answerer]:
    """The models in the order in which they were named; servers are asked what they call theirs."""
    names = iter(config.server_model)
    wanted = [config.model, *([config.beside] if config.beside else [])]
    addresses = [one for one in wanted if is_address(one)]
    if len(addresses) == 1 and len(config.server_model) == 2 and config.beside is None:
        wanted = [*wanted, addresses[0]]
    if len(config.server_model) > sum(map(is_address, wanted)):
        raise RecordError("--server-model: one name for each address of a server; two at one address are compared")
    for model in wanted:
        yield _served(config, model, next(names, None), items) if is_address(model) else _local(config, model)


def is_address(model: str) -> bool:
    """Whether a model is named by the address of a server."""
    return model.startswith(("http://", "https://"))


def called(model: str, other: str | None) -> str:
    """How the page calls a model: of a folder its last two names, where they tell it from the other one."""
    if not Path(model).is_dir():
        return model
    short, beside = ("/".join(Path(one or "").parts[-2:]) for one in (model, other))
    return model if short == beside else short


def _local(config: Config, model: str) -> TriedModel:
    engine = load(model, **config.how, precision=config.precision)
    return TriedModel(called(model, config.beside if model == config.model else config.model), engine)


def _served(config: Config, address: str, name: str | None, items: Items | None) -> TriedServer:
    known = list(read_jsonl(items.path, Record)) if items and config.allow_remote else []
    key = key_in(config.key_variable)

    def reached(name: str) -> Endpoint | Rehearsal:
        return connect(
            address,
            name,
            key,
            config.out,
            allow_remote=config.allow_remote,
            passage=gate_options(config),
            records=known,
            dry_run=config.dry_run,
            concurrency=config.concurrency,
            retries=config.retries,
            timeout=config.timeout,
            option="MODEL",
        )

    if name is None:
        server = reached("")
        if isinstance(server, Rehearsal):
            raise ExpertError(f"--dry-run asks {server.host} nothing: name the model by --server-model")
        name, *others = server.names()
        if others:
            told = ", ".join([name, *others])
            raise ExpertError(f"{server.host} has several models: name one by --server-model: {told}")
    return TriedServer(name, reached(name))


def routes(app: FastAPI, room: TryRoom) -> None:
    """What the page asks for."""

    @app.get("/api/session")
    def session() -> dict[str, Any]:
        return room.session()

    @app.get("/api/records")
    def records(start: int = 0, count: int = 50) -> dict[str, Any]:
        return room.records(min(max(0, start), 10**9), min(max(0, count), 200))

    @app.post("/api/records/{number}")
    def take(number: int) -> dict[str, Any]:
        return room.take(number)

    @app.post("/api/images")
    async def hand_in(request: Request) -> dict[str, Any]:
        return await run_in_threadpool(room.hand_in, await request.body())

    @app.get("/api/images/{number}")
    def image(number: int) -> Response:
        return Response(room.image(number), media_type="application/octet-stream")

    @app.post("/api/hidden")
    async def hide(request: Request) -> dict[str, Any]:
        return await run_in_threadpool(room.hide, await server.sent(SentPlaces, request))

    @app.post("/api/answers")
    async def answer(request: Request) -> Response:
        sent = await server.sent(SentQuestion, request)
        await run_in_threadpool(room.question, sent)  # what is wrong with it is told before anything is streamed
        lines = streamed(lambda hear: room.answer(sent, hear))
        return StreamingResponse(lines, media_type="application/x-ndjson")


async def streamed(work: Callable[[Hear], dict[str, Any]]) -> AsyncIterator[bytes]:
    """What a work in a thread tells, a line of JSON each: ``{"text": …}`` as it comes, at last ``{"answer": …}``.

    A fault is ``{"error": …}``. Whoever stops reading ends the work at the next token.
    """
    loop, told, over = asyncio.get_running_loop(), asyncio.Queue[dict[str, Any] | None](), threading.Event()

    def tell(line: dict[str, Any] | None) -> None:
        with suppress(RuntimeError):  # the server has ended meanwhile
            loop.call_soon_threadsafe(told.put_nowait, line)

    def hear(text: str) -> None:
        if over.is_set():
            raise Stopped
        tell({"text": text})

    def done() -> None:
        try:
            tell({"answer": work(hear)})
        except Stopped:
            return
        except FAULTS as error:
            tell({"error": wording.plain(error)})
        except BaseException:
            tell({"error": server.UNFORESEEN})
            raise
        finally:
            tell(None)

    threading.Thread(target=done, daemon=True).start()  # it may wait for a server longer than this process lasts
    try:
        while (line := await told.get()) is not None:
            yield json.dumps(line).encode() + b"\n"
    finally:
        over.set()
