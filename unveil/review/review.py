"""Review: records, questions, pairs or answers on a page, and what people decide about them in a file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse

from unveil.core import console, run_folder
from unveil.core.interrater import table
from unveil.core.records import RecordError, Split
from unveil.review import journal, ordering, queue, server
from unveil.review.adjudication import Disputed, agreed
from unveil.review.drafts import Drafts, drafts_of
from unveil.review.images import Encoded
from unveil.review.items import Items
from unveil.review.maps import Maps
from unveil.review.options import ReviewOptions
from unveil.review.room import ReviewRoom, Sent
from unveil.review.summary import told

Config = ReviewOptions
OF_RUN = "reviews.jsonl"
#: A model's answers in a run: to the test questions, and to those of validation.
ANSWERS = ("predictions.jsonl", "validation.jsonl")
#: What of a run is shown unless --split says otherwise. What a test image shows is not to be corrected where a model
#: doubts it: that would flatter the model.
LEARNT: tuple[Split, ...] = ("train", "val")


def main(config: Config) -> Path:
    """Shows the page until Ctrl-C; returns the file of decisions."""
    with opened(config) as room:
        app = server.application("review", config.show_identifiers)
        routes(app, room)
        items, out = room.items, room.journal.path
        shown = len({one.number for of in room.queues.values() for one in of.entries})
        console.say(f"{shown} of {len(items)} {items.subject}s of {items.path}; decisions go to {out}")
        server.serve(app, tuple(room.queues), config.host, config.port, config.browser, "what was decided is kept")
        if found := agreed(room.journal.decisions, items):
            console.table("Agreement of readers", *table(found))
    return out


@contextmanager
def opened(config: Config) -> Iterator[ReviewRoom]:
    """What is reviewed, with what was decided so far, open for one server."""
    run = config.what if config.what.is_dir() else None
    config = resolved(config)
    assert config.out
    if config.adjudicator in config.reviewers:
        raise RecordError(f"--adjudicator {config.adjudicator} reads items too: who decides between readers is none")
    with ExitStack() as stack:
        items = stack.enter_context(closing(Items(config.what, config.records, config.dialogues)))
        server.refuse_closed(items.of_all(), config.host, config.restricted)
        maps = stack.enter_context(closing(Maps(config.attention))) if config.attention else None
        kept = stack.enter_context(journal.opened(config.out))
        beside = ordering.known(items, config)
        queues = {**queue.dealt(ordering.ordered(beside, config), config.reviewers, config.readings)}
        if config.adjudicator:
            queues[config.adjudicator] = Disputed(config.adjudicator, kept.decisions, items.rows.number, items.hash)
        drafts = Drafts(drafts_of(config.out))
        yield ReviewRoom(items, kept, queues, config, beside.labels, beside.opinions, drafts, maps, run)


def resolved(config: Config) -> Config:
    """The options with what follows from a run's folder, and with the output."""
    if config.what.is_dir():
        return _of_run(config)
    return replace(config, out=config.out or config.what.with_name(f"{config.what.stem}.{OF_RUN}"))


def _of_run(config: Config) -> Config:
    """The records of a run, and what the run knows of them: what its check has found, and what its models answer."""
    run = config.what
    asked = config.dialogues or run / "dialogues.jsonl"
    faults = config.faults or tuple(file for file in [run / "check.json"] if file.is_file())
    told = (run / run_folder.USUAL / name for name in ANSWERS)
    answers = config.predictions or tuple(file for file in told if file.is_file())
    seen = run / run_folder.USUAL / "attention.jsonl"
    return replace(
        config,
        what=run_folder.records_of(run),
        attention=config.attention or (seen if seen.is_file() else None),
        out=config.out or run / OF_RUN,
        dialogues=asked if asked.is_file() else None,
        faults=faults,
        predictions=answers if asked.is_file() else (),
        split=config.split or LEARNT,
    )


def routes(app: FastAPI, room: ReviewRoom) -> None:
    """What the page asks for."""
    images = Encoded()

    @app.get("/api/session")
    def session(request: Request) -> dict[str, Any]:
        return room.session(request.scope["reviewer"])

    @app.get("/api/agreement")
    def agreement() -> list[dict[str, Any]]:
        return [asdict(one) for one in agreed(room.journal.decisions, room.items)]

    @app.get("/api/queue")
    def entries(
        request: Request, start: int = 0, count: int = 50, which: str = "all", back: bool = False
    ) -> dict[str, Any]:
        return room.queue(request.scope["reviewer"], max(0, start), min(max(0, count), 500), which, back)

    @app.get("/api/find")
    def find(request: Request, number: int) -> dict[str, Any]:
        return room.find(request.scope["reviewer"], number)

    @app.get("/api/summary")
    def summary(request: Request) -> dict[str, Any]:
        return room.summary(request.scope["reviewer"])

    @app.put("/api/items/{number}/draft")
    async def draft(request: Request, number: int) -> dict[str, Any]:
        begun = await server.json_of(request)
        await run_in_threadpool(room.draft, request.scope["reviewer"], number, begun)
        return {}

    @app.get("/api/items/{number}")
    def item(request: Request, number: int, ahead: bool = False) -> dict[str, Any]:
        return room.show(request.scope["reviewer"], number, ahead)

    @app.get("/api/items/{number}/image")
    def image(request: Request, number: int, ahead: bool = False) -> Response:
        reviewer = request.scope["reviewer"]
        room.queued(reviewer, number)
        shown = room.items.item(number)
        room.journal.saw(reviewer, shown.id, "its image", ahead)
        encoded = images.get(number, shown.image, shown.record, room.items.of_images)
        return Response(encoded, media_type="application/octet-stream")

    @app.post("/api/items/{number}/image/shown")
    def image_shown(request: Request, number: int) -> dict[str, Any]:
        """The page shows an image that it was sent ahead."""
        room.queued(request.scope["reviewer"], number)
        room.journal.saw(request.scope["reviewer"], room.items.rows.ids[number], "its image")
        return {}

    @app.get("/api/items/{number}/map")
    def attention(request: Request, number: int) -> dict[str, Any]:
        return room.map(request.scope["reviewer"], number)

    @app.post("/api/items/{number}/decision")
    async def decide(request: Request, number: int) -> dict[str, Any]:
        said = await server.sent(Sent, request)
        return await run_in_threadpool(room.decide, request.scope["reviewer"], number, said)

    @app.exception_handler(journal.Conflict)
    def decided_elsewhere(request: Request, error: journal.Conflict) -> Response:
        words = "decided meanwhile, as in another tab: look at it, then decide"
        return JSONResponse({"error": words, "decision": told(error.last, room.config.show_identifiers)}, 409)
