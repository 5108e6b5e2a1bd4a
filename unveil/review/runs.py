"""Runs of a folder on a page: a table that follows them, curves as they grow, samples with pictures, reports.

A run that is under way can be asked to stop: by a file in its folder, which it looks for after each update and before
each stage (``core.making``). No process is signalled.
"""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

from fastapi import FastAPI, Request, Response

from unveil.core import console, making
from unveil.core.access import AccessError
from unveil.core.files import WriteError
from unveil.evaluate.report_pictures import NAMES, TOGETHER
from unveil.evaluate.score_table import SHOWN
from unveil.review import inside, run_logs, run_reading, run_samples, server
from unveil.review.options import RunsOptions
from unveil.review.run_reading import LOG, FoundRun
from unveil.review.run_samples import RunSamples
from unveil.review.run_table import RunTable
from unveil.review.server import Refused, Unknown

Config = RunsOptions
#: A report holds pictures, and no script: it is shown as another origin that may load nothing.
OF_REPORTS = {
    "content-security-policy": (
        "sandbox; default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    ),
    "cross-origin-opener-policy": "unsafe-none",  # else a browser refuses what is in a sandbox
}
MOST_OF_REPORT = 2**28
#: Reports that were asked for and can be loaded again.
MOST_TICKETS = 1000


def main(config: Config) -> None:
    """Shows the page until Ctrl-C."""
    with opened(config) as room:
        app = server.application("runs", config.show_identifiers)
        routes(app, room)
        found = len(room.table.changes()["rows"])
        console.say(f"{found} run{'' if found == 1 else 's'} in {config.folder}")
        server.serve(app, (config.user,), config.host, config.port, config.browser, kept="runs go on")


class RunsRoom:
    """What the page of runs is told."""

    def __init__(self, config: RunsOptions) -> None:
        self.root = config.folder.resolve()
        self.identifiers = config.show_identifiers
        self.table = RunTable(self.root, config.show_identifiers)
        self.samples = RunSamples(self.root, config.show_identifiers)
        self._tickets: OrderedDict[str, FoundRun] = OrderedDict()

    def session(self, person: str) -> dict[str, Any]:
        return {
            "room": "runs",
            "reviewer": person,
            "folder": self.root.name,
            "titles": NAMES,
            "together": TOGETHER,
            "metrics": SHOWN,
        }

    def run(self, number: int) -> FoundRun:
        """A run that the table has; raises ``Unknown``."""
        if (found := self.table.run(number)) is None:
            raise Unknown("this run is not there any more")
        return found

    def log(self, number: int, part: str, start: int, mark: str) -> dict[str, Any]:
        """What was appended to the log of a model's training; raises ``Unknown`` and ``Refused``."""
        run = self.run(number)
        name = next((one.name for one in run.parts if one.name == part and LOG in one.files), None)
        if name is None:
            raise Unknown("this run has no such log")
        try:
            return run_logs.appended(self.root, run.folder / name / LOG, start, mark)
        except (OSError, inside.Outside) as error:
            raise Refused(_unread(LOG, error)) from error

    def scores(self, number: int) -> dict[str, Any]:
        """All figures of a run's models with their intervals; raises ``Unknown`` and ``Refused``."""
        run = self.run(number)
        try:
            return run_reading.scores(self.root, run.folder)
        except FileNotFoundError:
            return dict(run.figures)
        except (OSError, ValueError) as error:
            raise Refused(_unread("scores.json", error)) from error

    def sources(self, number: int) -> list[dict[str, str]]:
        found = run_samples.sources(self.root, self.run(number))
        return [{"key": one.key, "model": one.part, "title": run_samples.TITLES[one.file]} for one in found]

    def ticket(self, number: int) -> str:
        """A secret by which a report can be loaded as a page of its own, which sends no header; raises ``Unknown``."""
        run = self.run(number)
        if not run.report:
            raise Unknown("this run has no report yet")
        ticket = secrets.token_urlsafe(32)
        self._tickets[ticket] = run
        while len(self._tickets) > MOST_TICKETS:
            self._tickets.popitem(last=False)
        return ticket

    def report(self, ticket: str) -> bytes:
        """The report that a ticket was given for; raises ``Unknown`` and ``Refused``."""
        if (run := self._tickets.get(ticket)) is None:
            raise Unknown("there is nothing here")
        try:
            return inside.read(self.root, run.folder / "report.html", MOST_OF_REPORT)
        except (OSError, inside.Outside) as error:
            raise Refused(_unread("report.html", error)) from error

    def stop(self, number: int, began: Any, person: str) -> None:
        """Asks a run to end in order, if it is still the one that ``began`` then.

        Raises ``Unknown``, and ``Refused`` where it is not, or the request cannot be written.
        """
        run = self.run(number)
        if not run.who or run.who.get("begun") != began:
            raise Refused("it is not running any more, or was started anew meanwhile")
        try:
            file = inside.checked(self.root, run.folder / ".begun.json").with_name("run.json")
            making.ask_to_stop(file, dict(run.who), person)
        except FileNotFoundError as error:
            raise Refused("it is not running any more") from error
        except (making.NotUnderWay, inside.Outside) as error:
            raise Refused(str(error)) from error
        except WriteError as error:  # whose words tell where the folder lies
            raise Refused(f"nothing can be written into its folder: {_why(error)}") from error


@contextmanager
def opened(config: Config) -> Iterator[RunsRoom]:
    """The runs of a folder, for one server. Raises ``AccessError``."""
    if config.host not in server.LOOPBACK and not config.restricted:
        raise AccessError(
            f"--host {config.host} shows other machines whatever the runs of {config.folder} hold, and whether all of "
            "that is open is not known; --restricted shows it all the same, to those who may see it"
        )
    room = RunsRoom(config)
    with closing(room.samples):
        yield room


def _unread(name: str, error: Exception) -> str:
    return f"{name} cannot be read: {_why(error) if isinstance(error, OSError) else error}"


def _why(error: OSError) -> str:
    """What the system refuses, without the place."""
    first = error.__cause__ if isinstance(error.__cause__, OSError) else error
    return (first.strerror or "it is not allowed").lower()


def routes(app: FastAPI, room: RunsRoom) -> None:
    """What the page asks for."""

    @app.get("/api/session")
    def session(request: Request) -> dict[str, Any]:
        return room.session(request.scope["reviewer"])

    @app.get("/api/runs")
    def runs(since: int = 0) -> dict[str, Any]:
        return room.table.changes(since)

    @app.get("/api/runs/{number}/log")
    def log(number: int, part: str = "", start: int = 0, mark: str = "") -> dict[str, Any]:
        return room.log(number, part, start, mark)

    @app.get("/api/runs/{number}/scores")
    def scores(number: int) -> dict[str, Any]:
        return room.scores(number)

    @app.get("/api/runs/{number}/sources")
    def sources(number: int) -> list[dict[str, str]]:
        return room.sources(number)

    @app.get("/api/runs/{number}/samples")
    def samples(number: int, source: str, start: int = 0, count: int = 50) -> dict[str, Any]:
        return room.samples.page(room.run(number), source, start, count)

    @app.get("/api/runs/{number}/image")
    def image(number: int, source: str, sample: int) -> Response:
        made = room.samples.image(room.run(number), source, sample)
        return Response(made, media_type="application/octet-stream")

    @app.post("/api/runs/{number}/report")
    def ticket(number: int) -> dict[str, str]:
        return {"path": f"/report/{room.ticket(number)}"}

    @app.get("/report/{ticket}")
    def report(ticket: str) -> Response:
        return Response(room.report(ticket), media_type="text/html; charset=utf-8", headers=OF_REPORTS)

    @app.post("/api/runs/{number}/stop")
    async def stop(request: Request, number: int) -> dict[str, Any]:
        asked = await server.json_of(request)
        began = asked.get("began") if isinstance(asked, dict) else None
        room.stop(number, began, request.scope["reviewer"])
        return {}
