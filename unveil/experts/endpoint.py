"""An expert behind an address: any server that speaks OpenAI's chat completions.

What is sent is written as bytes here (``Desk``), so that the manifest and a dry run hold exactly what leaves. Boxes are
whole pixels of the picture that is sent. The ``openai`` client repeats what may pass (408, 409, 429, 5xx, time-outs,
broken connections) with growing waits; a reply that is no chat completion is treated in the same way. A parameter that
the server refuses by its name is left out, and if that helps, of all requests to come.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

from unveil.core import console, provenance
from unveil.core.records import Record
from unveil.core.untrusted import parse_json, printable
from unveil.experts import streamed
from unveil.experts.expert import Backend
from unveil.experts.messages import PARAMETERS, Desk, SentRequest
from unveil.experts.requests import ExpertError, Parameter, Raw, Request
from unveil.experts.streamed import Hear
from unveil.gate import secret
from unveil.gate.address import host_of
from unveil.gate.connection import Connection
from unveil.gate.gate import Gate
from unveil.gate.manifest import Manifest
from unveil.gate.options import GateOptions

#: So many items in a row without a usable answer stop the run: the fault is then not theirs.
IN_A_ROW = 5


def safe(error: object, key: str) -> str:
    """A message without the key, in case the server repeats it, and not longer than can be read."""
    said = secret.masked(printable(str(error)) or type(error).__name__, key)
    return (said.replace(key, "(key)") if key else said)[:300]


class Garbage(ValueError):
    """A success that holds no chat completion."""


class Endpoint(Backend):
    """A model at an address. Up to ``concurrency`` requests are under way; each reply is kept as soon as it is there.

    Only the calling thread takes requests, and only when one can be sent.
    """

    def __init__(self, connection: Connection, key: str, desk: Desk, concurrency: int):
        self.name = f"{desk.model}@{desk.manifest.host}"
        self._connection, self._key, self._desk, self._concurrency = connection, key, desk, concurrency
        self.host, self.leaves = desk.manifest.host, desk.gate is not None
        self._lock = threading.Lock()
        self._failed_in_a_row, self._some_came, self._counted = 0, False, True
        self.left_out: frozenset[Parameter] = desk.leave_out

    def looked_over(self, requests: Iterator[Request]) -> Iterator[Request]:
        return self._desk.looked_over(requests)

    def ask(self, requests: Iterator[Request], keep: Callable[[Request, Raw], None]) -> Iterator[tuple[Request, Raw]]:
        under_way: set[Future[tuple[Request, Raw]]] = set()
        # On the way out the pool waits for what is under way, and only then the connections are closed.
        with self._connection.client(whole) as client, ThreadPoolExecutor(self._concurrency) as pool:
            while True:
                while len(under_way) < self._concurrency and (request := next(requests, None)):
                    under_way.add(pool.submit(self._answer, client, request, keep))
                if not under_way:
                    return
                done, under_way = wait(under_way, return_when=FIRST_COMPLETED)
                for future in done:
                    yield future.result()

    def names(self) -> list[str]:
        """What the server calls its models; raises ``ExpertError`` where it cannot be asked, or tells none."""
        import openai

        with self._connection.client(lambda _: None) as client:
            try:
                found = names_at(client)
            except (openai.APIError, LookupError, TypeError) as error:
                why = self._safe(error.__cause__ or error)
                raise ExpertError(f"{self.host} does not tell its models ({why}): name one by --server-model") from None
        if not found:
            raise ExpertError(f"{self.host} has no models")
        return found

    def finish(self) -> None:
        """Says what the gate has let pass, replaced and kept."""
        if self._desk.gate and (told := self._desk.gate.told()):
            console.say(f"the gate: {told}")

    def _answer(self, client: Any, request: Request, keep: Callable[[Request, Raw], None]) -> tuple[Request, Raw]:
        raw = self._sent(client, request, self.left_out)
        keep(request, raw)
        return request, raw

    def write(self, request: Request, hear: Hear) -> Raw:
        """The reply to one request, heard while it is written: ``hear`` gets all of it that has come so far.

        What ``hear`` raises ends it, and the server is told nothing more.
        """
        with self._connection.client(lambda _: None) as client:
            return self._sent(client, request, self.left_out, lambda text: hear(secret.masked(text, self._key)))

    def _sent(self, client: Any, request: Request, leave_out: frozenset[Parameter], hear: Hear | None = None) -> Raw:
        import httpx
        import openai

        letter = self._desk.letter(request, leave_out, stream=hear is not None)
        if isinstance(letter, str):
            return Raw(error=letter)
        try:
            reply: Any = (
                streamed.reply(client, letter.body, hear)
                if hear
                else client.post("/chat/completions", cast_to=object, content=letter.body)
            )
        except (streamed.BrokenOff, httpx.HTTPError) as error:
            return self._set_aside(request, f"the reply broke off: {self._safe(error)}")
        except openai.APIStatusError as error:
            if error.status_code in (400, 422) and (refused := letter.refused(str(error))):
                return self._sent(client, request, leave_out | {refused}, hear)  # at most once for each parameter
            return self._refused(request, error.status_code, f"{error.status_code}, {self._safe(error)}")
        except openai.APIConnectionError as error:
            cause = error.__cause__
            if type(cause).__name__ == "ConnectError":
                where = f"nobody answers at {self._desk.manifest.host} ({self._safe(cause)})"
                raise ExpertError(
                    f"{request.id}: {where}: start the server or correct the address, then go on"
                ) from None
            return self._set_aside(request, f"no reply after all repetitions: {self._safe(cause or error)}")
        self._learn(leave_out)
        return self._received(request, letter, reply)

    def _learn(self, leave_out: frozenset[Parameter]) -> None:
        """Remembers what had to be left out for a reply to come, and says it once."""
        with self._lock:
            if new := leave_out - self.left_out:
                self.left_out |= new
                names = " ".join(p for p in PARAMETERS if p in self.left_out)
                console.say(
                    f"{self.name} refuses {', '.join(sorted(new))}: left out from here on (--leave-out {names})"
                )

    def _received(self, request: Request, letter: SentRequest, reply: dict[str, Any]) -> Raw:
        with self._lock:
            self._failed_in_a_row, self._some_came = 0, True
            went, came = _taken(reply)
            if not (went or came) and self._counted:
                self._counted = False
                console.say(f"{self.name} does not say how many tokens it took: they count as 0, and no budget holds")
        choice = reply["choices"][0]
        message, end = choice["message"], choice.get("finish_reason")
        text, thoughts = (
            secret.masked(_said(message), self._key),
            message.get("reasoning_content") or message.get("reasoning"),
        )
        if refusal := message.get("refusal"):
            return Raw("", went, came, error=f"the model refuses: {self._safe(refusal)}")
        if end == "content_filter":
            return Raw("", went, came, error="the model refuses: its server's filter took the reply away")
        if thoughts and not text and end != "length":
            return Raw("", went, came, error="only thoughts came, in a field of their own, and no answer")
        return Raw(letter.read(text, request), went, came, cut=end == "length")

    def _refused(self, request: Request, status: int, why: str) -> Raw:
        """What an error of the server's means: this one item's fault, one that may have passed, or the end."""
        if status in (400, 413, 415, 422):
            hint = "what it does not take, --leave-out leaves out"
            return self._set_aside(request, f"refused: {why} ({hint})", only=self._some_came)
        if status in (408, 409) or status >= 500:
            return self._set_aside(request, f"no reply after all repetitions: {why}")
        host = self._desk.manifest.host
        raise ExpertError(
            f"{request.id}: {STOPS.get(status, STOPS[0]).format(host=host, model=self._desk.model)}: {why}"
        )

    def _set_aside(self, request: Request, why: str, only: bool = False) -> Raw:
        """Leaves out one item, up to so many in a row. ``only`` tells that others are known not to be concerned."""
        with self._lock:
            self._failed_in_a_row += not only
            if self._failed_in_a_row >= IN_A_ROW:
                raise ExpertError(f"{request.id} and {IN_A_ROW - 1} before it got no answer, the last one: {why}")
        return Raw(error=why)

    def _safe(self, error: object) -> str:
        return safe(error, self._key)


STOPS = {
    0: "{host} cannot be asked; correct the address",
    401: "{host} refuses the key; put a valid one into the variable that --key-variable names",
    403: "{host} refuses the key; put a valid one into the variable that --key-variable names",
    404: "{host} has no model {model!r} or no /chat/completions below the address; correct --expert-model or --expert",
    429: "{host} takes no more questions; wait, or ask with less --concurrency or more --retries, then go on",
}


def names_at(client: Any) -> list[str]:
    """What a server calls its models; raises ``openai.APIError``, ``LookupError`` and ``TypeError``."""
    told: Any = client.get("/models", cast_to=object)
    return [str(one["id"]) for one in told["data"]]


def whole(response: Any) -> None:
    """Raises ``Garbage`` inside of the client, which then repeats the request, where a success is no completion."""
    if not (response.is_success and response.request.url.path.endswith("/chat/completions")):
        return
    try:
        _said(parse_json(response.read(), lenient=True)["choices"][0]["message"])
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise Garbage(f"the reply is no chat completion ({type(error).__name__})") from error


def _said(message: dict[str, Any]) -> str:
    """The text of a message, whole or in parts; thoughts are no text. Half a character is written as an escape. Raises
    ``TypeError`` for anything else."""
    content = message.get("content") or ""
    if isinstance(content, list):
        parts = [{"type": "text", "text": part} if isinstance(part, str) else part for part in content]
        content = "".join(part["text"] for part in parts if part.get("type", "text") in ("text", "output_text"))
    if not isinstance(content, str):
        raise TypeError("its content is no text")
    return printable(content)


def _taken(reply: dict[str, Any]) -> tuple[int, int]:
    """The tokens of the question and of the reply; 0 where the server does not say."""
    usage = reply.get("usage")
    told = [usage.get(name) if isinstance(usage, dict) else 0 for name in ("prompt_tokens", "completion_tokens")]
    went, came = (max(0, count) if type(count) is int else 0 for count in told)
    return went, came


class Rehearsal(Backend):
    """A dry run: all that would be sent passes the gate and goes into the manifest, and nothing is sent."""

    def __init__(self, desk: Desk):
        self.name = f"{desk.model}@{desk.manifest.host}"
        self._desk, self._seen, self.leaves = desk, Counter[str](), desk.gate is not None
        self.host = desk.manifest.host

    def looked_over(self, requests: Iterator[Request]) -> Iterator[Request]:
        return self._desk.looked_over(requests)

    def ask(self, requests: Iterator[Request], keep: Callable[[Request, Raw], None]) -> Iterator[tuple[Request, Raw]]:
        for request in requests:
            yield request, self._held_back(self._desk.letter(request))

    def write(self, request: Request, hear: Hear) -> Raw:
        """As ``Endpoint.write``: there is nothing to hear."""
        return self._held_back(self._desk.letter(request, stream=True))

    def _held_back(self, letter: SentRequest | str) -> Raw:
        why = letter if isinstance(letter, str) else NOT_SENT
        self._seen[why] += 1
        return Raw(error=why)

    def finish(self) -> None:
        """Ends the command, so that no output is made of what was never answered."""
        if self._seen:
            manifest = self._desk.manifest
            held = "".join(f"; {count} x {why}" for why, count in self._seen.items() if why != NOT_SENT)
            count = self._seen[NOT_SENT]
            lists = self._desk.gate.write_to_review(manifest.path.parent) if self._desk.gate else []
            look = f"; to be reviewed by a person: {', '.join(map(str, lists))}" if lists else ""
            raise provenance.DryRun(
                f"nothing was sent: what {count} requests would send is in {manifest.path}{held}{look}"
            )


NOT_SENT = "dry run: not sent"


def connect(
    address: str,
    model: str,
    key: str,
    folder: Path,
    *,
    allow_remote: bool = False,
    passage: GateOptions = GateOptions(),
    records: Iterable[Record] = (),
    dry_run: bool = False,
    leave_out: Set[Parameter] = frozenset(),
    concurrency: int = 8,
    retries: int = 5,
    timeout: float = 120.0,
    option: str = "--expert",
) -> Endpoint | Rehearsal:
    """The model at an address behind its gate; ``folder`` is for the manifest. A dry run needs no permission.

    ``option`` is where the address was given, for messages.
    """
    if concurrency < 1 or retries < 0 or timeout <= 0:
        raise ExpertError("--concurrency and --timeout must be above 0, and --retries not below")
    connection = Connection(address, host_of(address, allow_remote or dry_run, option), key, retries, timeout)
    for note in connection.notes():
        console.say(note)

    def session() -> Mapping[str, Any]:
        return connection.told() | {"gate": gate.settings if gate else None}

    manifest = Manifest(folder, connection.host, model, dry_run, session)
    gate = None if connection.here else Gate(passage, manifest.key)
    if gate:
        gate.notice(records)
    desk = Desk(model, manifest, gate, frozenset(leave_out))
    if dry_run:
        return Rehearsal(desk)
    if not key and gate:
        raise ExpertError(
            f"{connection.host} needs a key: put it into the environment variable that --key-variable names (any word "
            "will do for a server that asks for none)"
        )
    return Endpoint(connection, key, desk, concurrency)
