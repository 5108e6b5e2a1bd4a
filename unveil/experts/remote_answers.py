"""Answers of a model that a server runs, over OpenAI's chat completions: the way for large models.

The server is shown what the model would be shown here: the picture that its processor takes, the turns of its own chat
template, boxes in its own box format, and the same rule of what may be drawn. Questions and images pass the gate before
other machines and stand in the manifest, as with experts.
"""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from unveil.core import console, provenance
from unveil.core.jsonl import read_jsonl
from unveil.core.records import Dialogue, Record, image_path, select
from unveil.core.sampling import seed_of
from unveil.experts import endpoint
from unveil.experts.messages import data_url
from unveil.experts.options import ServerOptions, key_in
from unveil.experts.remote_tokens import Reader
from unveil.experts.requests import Request, RequestImage, Turn, named
from unveil.gate import GateError, secret, sources
from unveil.gate.address import host_of
from unveil.gate.connection import Connection
from unveil.gate.gate import Gate, Item
from unveil.gate.manifest import Manifest
from unveil.gate.options import gate_options
from unveil.vlm.chat import Chat
from unveil.vlm.generate import GenerationError, Rollout
from unveil.vlm.inputs import EncodedExample
from unveil.vlm.scorer import Distribution

Kind = Literal["vllm", "openai", "transformers"]
"""What a server is told beyond OpenAI's own fields: vLLM's, nothing, or those of `transformers serve`."""
#: Further requests for a question's answers where some of them are missing or had to be refused.
AGAIN = 4


def look_over(dialogues: Path, records: Mapping[str, Record], split: str) -> None:
    """Looks at the data sets of all questions of a split, of which another machine is asked a few at a time.

    Raises ``GateError`` where one of them must not leave this one, before the first does.
    """
    asked = (d for d in read_jsonl(dialogues, Dialogue) if d.split == split)
    sources.look_over((dialogue.id, records.get(dialogue.record)) for dialogue in asked)


@dataclass(frozen=True)
class Wanted:
    """How answers are to be drawn."""

    answers: int
    max_new_tokens: int
    distribution: Distribution
    stops: list[int]
    """Ids that end an answer."""
    seed: int
    over: threading.Event = field(default_factory=threading.Event)
    """Set when no more of them are."""


@dataclass(frozen=True)
class Letter:
    """A question as it is sent: chat messages and their picture, and the request that gate and manifest know it by."""

    request: Request
    messages: list[dict[str, Any]]
    png: bytes


class RemoteAnswers:
    """A model behind an address. ``model`` is what the server is asked for.

    ``corrected`` asks for the log-probabilities of what is drawn, ``kept`` does too and goes on without them, ``exact``
    asks that the server makes as many tokens of a prompt as this process. ``before`` stands before the names of options
    in what is said of them; ``split`` is that of the questions.
    """

    refused: type[ValueError] = GateError
    """What is raised for a question that must not leave this machine."""

    def __init__(
        self,
        server: str,
        kind: Kind,
        options: ServerOptions,
        dialogues: Path,
        records: Path | None,
        out: Path,
        split: Literal["train", "val", "test"],
        *,
        corrected: bool = False,
        kept: bool = False,
        exact: bool = False,
        before: str = "--",
    ):
        self.kind, self.options, self.dialogues = kind, options, dialogues
        self.corrected, self.kept, self.exact = corrected, kept, exact
        self.key = key_in(options.key_variable)
        self.host = host_of(server, options.allow_remote or options.dry_run, f"{before}server", before)
        self.connection = Connection(server, self.host, self.key, options.retries, options.timeout)
        self.gate = None if self.connection.here else Gate(gate_options(options))
        for note in self.connection.notes():
            console.say(note)
        if self.gate and not (self.key or options.dry_run):
            raise self.refused(
                f"{self.host} needs a key: put it into the environment variable that {before}key-variable names "
                "(any word will do for a server that asks for none)"
            )
        if self.gate and records is None:
            raise self.refused(f"{self.host} is another machine: --records must tell whose images these are")
        self.records = {record.id: record for record in read_jsonl(records, Record)} if records else {}
        if self.gate and records:
            self.gate.notice(self.records.values())
            look_over(dialogues, self.records, split)
            if told := self.gate.cost({image_path(r, records): r.size for r in select(self.records.values(), split)}):
                console.say(told)
        self._manifest = Manifest(out, self.host, "", options.dry_run, self._session)
        self._compared = False

    @property
    def model(self) -> str | None:
        """What the server is asked for, None before that is known."""
        return self._manifest.model or None

    @model.setter
    def model(self, name: str | None) -> None:
        self._manifest.model = name or ""

    def _session(self) -> dict[str, Any]:
        """What the manifest holds once."""
        return self.connection.told() | {"gate": self.gate.settings if self.gate else None}

    def __call__(
        self,
        chat: Chat,
        dialogues: Sequence[Dialogue],
        questions: Sequence[EncodedExample],
        answers: int,
        max_new_tokens: int,
        distribution: Distribution,
        seed: int,
    ) -> list[Rollout]:
        """As ``generate.rollout``: ``answers`` answers to each question, question after question.

        Raises ``GenerationError`` with the question's id, and ``refused`` for a question that must not leave this
        machine.
        """
        pngs: dict[tuple[Path, str], bytes] = {}  # many questions are about one image
        letters = [self._letter(chat, d, row, pngs) for d, row in zip(dialogues, questions, strict=True)]
        wanted = Wanted(answers, max_new_tokens, distribution, sorted(chat.stops), seed)
        if self.options.dry_run:
            raise self._rehearsed(letters, wanted)
        reader = Reader(chat, self.corrected, frozenset(distribution.banned), self.kept)
        with self._connected() as client, ThreadPoolExecutor(self.options.concurrency) as pool:
            tasks = [
                pool.submit(self._answers, client, reader, i, letter, len(questions[i].prompt), wanted)
                for i, letter in enumerate(letters)
            ]
            try:
                return [drawn for task in tasks for drawn in task.result()]
            finally:  # after a failure nothing more is asked
                wanted.over.set()
                pool.shutdown(cancel_futures=True)

    def names(self) -> list[str]:
        """What the server calls its models; raises ``GenerationError`` where it cannot be asked, or tells none."""
        import openai

        with self._connected() as client:
            try:
                found = endpoint.names_at(client)
            except (openai.APIError, LookupError, TypeError) as error:
                raise GenerationError(f"its models: {self._failed(error)}") from error
        if not found:
            raise GenerationError(f"{self.host} has no models")
        return found

    def reads(self, chat: Chat, question: str, dialogue: Dialogue | None = None, row: Any = None) -> int | None:
        """How many tokens the server makes of a question of ours without an image, or of a dialogue's (encoded as
        ``row``); None where it does not tell."""
        if dialogue is None:
            said = (Turn("user", question),)
            letter = Letter(Request("a question", "answer", said), [{"role": "user", "content": question}], b"")
        else:
            letter = self._letter(chat, dialogue, row, {})
        body = self._body(letter, Wanted(1, 1, Distribution(0.0), sorted(chat.stops), 0), 1, 0)
        with self._connected() as client:
            reply = self._sent(client, "/chat/completions", body, letter.request.id, letter.request.record, letter.png)
        read = (reply.get("usage") or {}).get("prompt_tokens")
        return read if isinstance(read, int) else None

    def _answers(
        self, client: Any, reader: Reader, question: int, letter: Letter, prompt: int, wanted: Wanted
    ) -> list[Rollout]:
        """All answers to a question, of whose prompt this process makes ``prompt`` tokens."""
        found: list[Rollout] = []
        refused = 0
        for attempt in range(self._most(wanted)):
            if len(found) == wanted.answers or wanted.over.is_set():
                break
            body = self._body(letter, wanted, wanted.answers - len(found), attempt)
            request = letter.request
            reply = self._sent(client, "/chat/completions", body, request.id, request.record, letter.png)
            self._compare(reply, prompt)
            for choice in reply["choices"][: wanted.answers - len(found)]:
                if secret.masked(said := json.dumps(choice), self.key) != said:
                    raise GenerationError(
                        f"{request.id}: {self.host} repeats the key in an answer: give it another one"
                    )
                drawn = reader.read(choice, question, letter.request.id)
                if drawn is not None:
                    found.append(drawn)
                refused += drawn is None
        if len(found) < wanted.answers:
            raise GenerationError(
                f"{letter.request.id}: {self.host} gave {len(found)} of {wanted.answers} answers in "
                f"{self._most(wanted)} requests; {refused} more held ids that stand for images or padding, which it "
                "must honour logit_bias to leave out"
            )
        return [*found[:-1], replace(found[-1], refused=refused)]

    def _most(self, wanted: Wanted) -> int:
        """How many requests a question may take: `transformers serve` gives one answer to each."""
        return AGAIN + (wanted.answers if self.kind == "transformers" else 1)

    def _letter(
        self, chat: Chat, dialogue: Dialogue, row: EncodedExample, pngs: dict[tuple[Path, str], bytes]
    ) -> Letter:
        """What is shown and said. Raises ``refused`` where it must not leave this machine.

        ``pngs`` are the pictures that were made for other questions, by their file and what is hidden in them.
        """
        if dialogue.kind == "self-question":
            raise self.refused(f"{dialogue.id}: a server cannot be made to put a question as its user")
        turns = chat.turns(dialogue, row.seen.view)
        texts = [(turn["role"], part["text"]) for turn in turns for part in turn["content"] if part["type"] == "text"]
        picture = RequestImage(image_path(dialogue, self.dialogues), noise=dialogue.noise)
        said = tuple(Turn(role, text) for role, text in texts)
        request = Request(dialogue.id, "answer", said, picture, record=self.records.get(dialogue.record))
        key = picture.path, repr(picture.noise)
        if key not in pngs:
            with named(request):
                pngs[key] = _png(chat, picture)
        png = pngs[key]
        if self.gate:
            free = (*(text for turn in dialogue.history for text in turn), dialogue.question)  # all else is ours
            passed = self.gate.passed(Item(request.id, request.record, free, png, picture.path))
            if isinstance(passed, str):
                raise self.refused(f"{dialogue.id}: {passed}: leave its image out of the split that is asked")
            if passed.texts != free or passed.png != png:  # what is learnt must be the answer to what was asked
                raise self.refused(
                    f"{dialogue.id}: it cannot leave as it is: leave its image out of the split that is asked"
                )
        messages: list[dict[str, Any]] = [{"role": role, "content": text} for role, text in texts]
        image = {"type": "image_url", "image_url": {"url": data_url(png)}}
        first = next(message for message in messages if message["role"] == "user")
        first["content"] = [image, {"type": "text", "text": first["content"]}]
        return Letter(request, messages, png)

    def _body(self, letter: Letter, wanted: Wanted, missing: int, attempt: int) -> dict[str, Any]:
        """The request for answers that are missing, with all that would bend the distribution switched off."""
        drawn = wanted.distribution
        seed = seed_of(wanted.seed, letter.request.id, attempt) % 2**31
        body: dict[str, Any] = {
            "model": self.model,
            "messages": letter.messages,
            "temperature": drawn.temperature,
            "top_p": drawn.top_p,
            "max_tokens": wanted.max_new_tokens,
            "seed": seed,
            "logit_bias": {str(i): -100.0 for i in drawn.banned},
        }
        if self.kind == "transformers":
            # without this, the model's own generation configuration decides, which also fills what is left open
            plain: dict[str, Any] = {"do_sample": drawn.temperature > 0, "num_beams": 1}
            if drawn.temperature:
                plain |= {"temperature": drawn.temperature, "top_k": drawn.top_k, "top_p": drawn.top_p}
            plain |= {"repetition_penalty": 1.0, "no_repeat_ngram_size": 0, "min_length": 0, "min_new_tokens": 0}
            plain |= {"eos_token_id": wanted.stops, "pad_token_id": wanted.stops[0]}
            return body | {"generation_config": json.dumps(plain)}
        if self.kind == "openai":
            return body | ({"n": missing} if missing > 1 else {})
        given = self.corrected or self.kept
        return body | {
            "n": missing,
            "stop_token_ids": wanted.stops,
            "logprobs": given,
            "top_k": drawn.top_k or -1,
            "min_p": 0.0,
            "repetition_penalty": 1.0,
            "presence_penalty": 0.0,
            "frequency_penalty": 0.0,
            "skip_special_tokens": False,
            "return_token_ids": True,
            **({"return_tokens_as_token_ids": True} if given else {}),
        }

    def _rehearsed(self, letters: Sequence[Letter], wanted: Wanted) -> provenance.DryRun:
        """Enters what would be sent in the manifest, and ends the command."""
        for letter in letters:
            body = self._body(letter, wanted, wanted.answers, 0)
            self._manifest.write(letter.request.id, letter.request.record, json.dumps(body).encode(), letter.png)
        return provenance.DryRun(
            f"nothing was sent: what the first {len(letters)} questions would send is in {self._manifest.path}"
        )

    def _connected(self) -> Any:
        return self.connection.client(endpoint.whole)

    def _sent(
        self,
        client: Any,
        path: str,
        body: dict[str, Any],
        what: str,
        record: Record | None = None,
        png: bytes | None = None,
    ) -> Any:
        """The reply to a request about ``what``, entered in the manifest first, after all repetitions of what may
        pass."""
        import openai

        content = json.dumps(body).encode()
        try:
            self._manifest.write(what, record, content, png)
            return client.post(path, cast_to=object, content=content)
        except GateError as error:
            raise GenerationError(str(error)) from error
        except openai.APIError as error:
            raise GenerationError(f"{what}: {self._failed(error)}") from error

    def _failed(self, error: Exception) -> str:
        """Why a request came to nothing, in words without the key."""
        import openai

        if isinstance(error, openai.APIStatusError):
            return f"{self.host} refuses with {error.status_code}: {endpoint.safe(error, self.key)}"
        if isinstance(error, openai.APIConnectionError):
            return f"no reply from {self.host}: {endpoint.safe(error.__cause__ or error, self.key)}"
        return f"the reply of {self.host} cannot be read: {endpoint.safe(error, self.key)}"

    def _compare(self, reply: dict[str, Any], prompt: int) -> None:
        """Says once where the server makes another number of tokens of a prompt: it is then asked something else."""
        read = (reply.get("usage") or {}).get("prompt_tokens")
        first, self._compared = not self._compared, True
        if not first or read in (None, prompt):
            return
        said = (
            f"the server reads {read} tokens where this process reads {prompt}: another chat template or another size "
            "of the image"
        )
        if self.exact:
            raise GenerationError(f"{said}, so that boxes in pixels would be of another picture")
        console.say(f"warning: {said}")


def _png(chat: Chat, picture: RequestImage) -> bytes:
    """The picture as the model's processor takes it, as PNG made from its pixels alone."""
    out = io.BytesIO()
    chat.padded(picture.array()).save(out, "PNG")
    return out.getvalue()
