"""Review: records, questions, pairs or answers on a page, and what people decide about them in a file."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse

from unveil.core import console, run_folder
from unveil.core.joined import vocabulary
from unveil.core.jsonl import from_json, to_json
from unveil.core.records import Record
from unveil.review import journal, queue, server
from unveil.review.images import payload
from unveil.review.items import Items
from unveil.review.options import ReviewOptions
from unveil.review.room import ReviewRoom, Sent

Config = ReviewOptions
OF_RUN = "reviews.jsonl"


def main(config: Config) -> Path:
    """Shows the page until Ctrl-C; returns the file of decisions."""
    config = resolved(config)
    assert config.out
    with (
        closing(Items(config.what, config.records, config.dialogues)) as items,
        journal.opened(config.out) as kept,
    ):
        room = ReviewRoom(items, kept, _queues(items, config), config, _labels(items))
        app = server.application("review")
        routes(app, room)
        people = (*config.reviewers, *([config.adjudicator] if config.adjudicator else []))
        console.say(f"{len(items)} {items.subject}s of {config.what}; decisions go to {config.out}")
        server.serve(app, people, config.host, config.port, config.browser)
    return config.out


def resolved(config: Config) -> Config:
    """The options with what follows from a run's folder, and with the output."""
    if config.what.is_dir():
        return replace(config, what=run_folder.records_of(config.what), out=config.out or config.what / OF_RUN)
    return replace(config, out=config.out or config.what.with_name(f"{config.what.stem}.{OF_RUN}"))


def _queues(items: Items, config: Config) -> Any:
    numbers = range(len(items))
    ordered = queue.as_in_file(numbers) if config.order == "file" else queue.at_random(numbers, config.seed)
    return queue.dealt(ordered[: config.limit], config.reviewers, config.readings)


def _labels(items: Items) -> Sequence[str]:
    if items.subject != "record":
        return ()
    rows = (items.rows.row(number) for number in range(len(items)))
    return vocabulary(row for row in rows if isinstance(row, Record))


def routes(app: FastAPI, room: ReviewRoom) -> None:
    """What the page asks for."""

    @app.get("/api/session")
    def session(request: Request) -> dict[str, Any]:
        return room.session(request.scope["reviewer"])

    @app.get("/api/queue")
    def entries(request: Request, start: int = 0, count: int = 50, which: str = "all") -> dict[str, Any]:
        return room.queue(request.scope["reviewer"], max(0, start), min(max(0, count), 500), which)

    @app.get("/api/items/{number}")
    def item(request: Request, number: int) -> dict[str, Any]:
        return room.show(request.scope["reviewer"], number)

    @app.get("/api/items/{number}/image")
    def image(request: Request, number: int) -> Response:
        reviewer = request.scope["reviewer"]
        room.queued(reviewer, number)
        shown = room.items.item(number)
        room.journal.saw(reviewer, shown.id, "its image")
        return Response(payload(shown), media_type="application/octet-stream")

    @app.post("/api/items/{number}/decision")
    async def decide(request: Request, number: int) -> dict[str, Any]:
        said = from_json(Sent, await server.json_of(request))
        return await run_in_threadpool(room.decide, request.scope["reviewer"], number, said)

    @app.exception_handler(journal.Conflict)
    def decided_elsewhere(request: Request, error: journal.Conflict) -> Response:
        words = "decided meanwhile, as in another tab: look at it, then decide"
        return JSONResponse({"error": words, "decision": to_json(error.last)}, 409)
