"""Answers to learn from, drawn by a server that speaks OpenAI's chat completions: the way for large models.

The server is shown what the model would be shown here: the picture that its processor takes, the turns of its own chat
template, boxes in its own syntax. What comes back must tell which tokens were drawn and how likely each was, so that
learning can correct for what differs between the server and this process (``losses.importance``). Questions and images
pass the gate before other machines and stand in the manifest, as with experts; of weights the server is told the path.
"""

from __future__ import annotations

import io
import json
import os
import secrets
import shutil
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from unveil.core import console, files, provenance
from unveil.core.records import Dialogue, Record, image_path, read_jsonl, select
from unveil.core.sampling import seed_of
from unveil.experts import endpoint
from unveil.experts.messages import data_url
from unveil.experts.options import key_in
from unveil.experts.requests import Picture, Request, Turn, named
from unveil.gate import GateError, secret, sources
from unveil.gate.address import host_of
from unveil.gate.connection import Connection
from unveil.gate.manifest import Manifest
from unveil.gate.options import gate_options
from unveil.gate.passage import Gate, Item
from unveil.rl.options import GenerateOptions, Options
from unveil.rl.remote_tokens import Reader
from unveil.train.loop import TrainingError
from unveil.vlm.chat import Chat
from unveil.vlm.generate import Drawn, GenerationError, Save
from unveil.vlm.inputs import Encoded
from unveil.vlm.scorer import Distribution

#: Further requests for a question's answers where some of them are missing or had to be refused.
AGAIN = 4


@contextmanager
def bound(options: GenerateOptions, config: Options) -> Iterator[Server | None]:
    """The server that the options name, None for none; what was saved for it is removed in the end.

    Raises ``TrainingError`` for options that contradict one another, and ``GateError`` for an address that must not
    be asked.
    """
    if options.server is None:
        yield None
        return
    _checked(options, config)
    if options.logprobs == "none":
        console.say(
            "warning: the server's log-probabilities are not asked for, so nothing corrects for what differs between "
            "it and this process; importance_none is 1 in metrics.jsonl"
        )
    elif config.temperature != 1:
        console.say(
            f"note: log-probabilities must be those at --temperature {config.temperature}, which vLLM tells only with "
            "--logprobs-mode processed_logprobs; the first answers tell whether they are"
        )
    server = Server(options, config)
    try:
        yield server
    finally:
        if os.environ.get("RANK", "0") == "0":  # of several processes the first, as it writes them
            shutil.rmtree(server.served, ignore_errors=True)


def _checked(options: GenerateOptions, config: Options) -> None:
    if options.weights is None:
        raise TrainingError("--generate.weights: say how new weights reach the server: folder, vllm-lora or never")
    if options.weights == "never" and options.model is None:
        raise TrainingError("--generate.model: name the model as the server calls it")
    if options.weights == "vllm-lora" and (config.method == "full" or config.train_tower or config.train_projector):
        raise TrainingError(
            "--generate.weights vllm-lora: it loads adapters of the language model only, so take --method lora without "
            "--train-tower and --train-projector"
        )
    if options.dry_run and (config.out / "metrics.jsonl").exists():
        raise TrainingError(f"--generate.dry-run: {config.out} holds a run already; give it an --out of its own")
    if options.kind == "transformers" and options.weights == "vllm-lora":
        raise TrainingError("--generate.weights vllm-lora: transformers serve loads no adapters; use folder")
    if options.kind == "transformers" and options.logprobs == "given":
        raise TrainingError(
            "--generate.kind transformers: transformers serve tells no log-probabilities, by which learning is "
            "corrected; --generate.logprobs none learns without"
        )
    if options.every < 1 or options.concurrency < 1 or options.retries < 0 or options.timeout <= 0:
        raise TrainingError("--generate.every, concurrency and timeout must be above 0, and retries not below")


def look_over(dialogues: Path, records: Mapping[str, Record]) -> None:
    """Looks at the data sets of all questions that are learnt from, of which each step asks another machine a few.

    Raises ``GateError`` where one of them must not leave this one, before the first does.
    """
    asked = (d for d in read_jsonl(dialogues, Dialogue) if d.split == "train")
    sources.look_over((dialogue.id, records.get(dialogue.record)) for dialogue in asked)


# ------------------------------------------------------------------------------------------------------------ asking


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


class Server:
    """The ``Generator`` behind an address."""

    def __init__(self, options: GenerateOptions, config: Options):
        assert options.server is not None
        self.options, self.dialogues = options, config.dialogues
        self.key = key_in(options.key_variable)
        self.host = host_of(options.server, options.allow_remote or options.dry_run, "--generate.server", "--generate.")
        self.connection = Connection(options.server, self.host, self.key, options.retries, options.timeout)
        self.gate = None if self.connection.here else Gate(gate_options(options))
        for note in self.connection.notes():
            console.say(note)
        if self.gate and not (self.key or options.dry_run):
            raise TrainingError(
                f"{self.host} needs a key: put it into the environment variable that --generate.key-variable names "
                "(any word will do for a server that asks for none)"
            )
        self.out, self.served = config.out, config.out / "served"
        self.records = {record.id: record for record in read_jsonl(config.records, Record)}
        if self.gate:
            self.gate.notice(self.records.values())
            look_over(config.dialogues, self.records)
            if told := self.gate.cost(
                {image_path(r, config.records): r.size for r in select(self.records.values(), "train")}
            ):
                console.say(told)
        self._manifest = Manifest(self.out, self.host, "", options.dry_run, self._session)
        self.model: str | None = None
        """What the server is asked for, None before the first renewal."""
        self._compared = False

    def _session(self) -> dict[str, Any]:
        """What the manifest holds once."""
        return self.connection.told() | {"gate": self.gate.settings if self.gate else None}

    # ------------------------------------------------------------------------------------------------------ weights

    def renew(self, step: int, save: Save | None) -> None:
        """Brings the server new weights at a run's start and every so many updates; see ``Generator``.

        An adapter gets a name that no run has had before: under an old one the server would go on with what it has
        cached of that.
        """
        how, before = self.options.weights, self.model
        if before is not None and (step % self.options.every or how == "never"):
            return
        folder = self.served / f"step-{step:07d}"
        names = {"folder": str(folder.resolve())}
        if how == "vllm-lora" and not self.options.dry_run:
            names[how] = f"{self.options.model or 'unveil'}-{self._start(save is not None)}-{folder.name}"
        self.model = names.get(how or "", self.options.model)
        self._manifest.model = self.model or ""
        if save is None or how == "never" or self.options.dry_run:
            return
        save(folder, how == "folder")
        if how == "vllm-lora":
            self._load(folder, before)
        for old in self.served.glob("step-*"):
            if old != folder:
                shutil.rmtree(old)

    def _start(self, first: bool) -> str:
        """A word that no other start of a run has had, the same in all its processes: the first one writes it down."""
        file = self.served / "start"
        if first and self.model is None:
            files.write_text(file, secrets.token_hex(4))
        return file.read_text()

    def _load(self, folder: Path, before: str | None) -> None:
        """Lets vLLM drop the last adapter and load the new one."""
        path = str(folder.resolve())
        with self._connected() as client:
            if before is not None:
                try:
                    self._sent(client, "/unload_lora_adapter", {"lora_name": before}, f"the adapter {before}")
                except GenerationError as error:  # its cache may have let it go by itself
                    console.say(f"note: the server did not drop {error}")
            new = {"lora_name": self.model, "lora_path": path}
            self._sent(client, "/load_lora_adapter", new, f"the adapter {path}")

    # ------------------------------------------------------------------------------------------------------ answers

    def __call__(
        self,
        chat: Chat,
        dialogues: Sequence[Dialogue],
        questions: Sequence[Encoded],
        answers: int,
        max_new_tokens: int,
        distribution: Distribution,
        seed: int,
    ) -> list[Drawn]:
        """See ``Generator``. Raises ``GenerationError`` with the question's id, and ``TrainingError`` for a question
        that must not leave this machine."""
        letters = [self._letter(chat, d, row) for d, row in zip(dialogues, questions, strict=True)]
        wanted = Wanted(answers, max_new_tokens, distribution, sorted(chat.stops), seed)
        if self.options.dry_run:
            raise self._rehearsed(letters, wanted)
        reader = Reader(chat, self.options.logprobs == "given", frozenset(distribution.banned))
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

    def _answers(
        self, client: Any, reader: Reader, question: int, letter: Letter, prompt: int, wanted: Wanted
    ) -> list[Drawn]:
        """All answers to a question, of whose prompt this process makes ``prompt`` tokens."""
        found: list[Drawn] = []
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
        return AGAIN + (wanted.answers if self.options.kind == "transformers" else 1)

    def _letter(self, chat: Chat, dialogue: Dialogue, row: Encoded) -> Letter:
        """What is shown and said. Raises ``TrainingError`` where it must not leave this machine."""
        if dialogue.kind == "self-question":
            raise TrainingError(f"{dialogue.id}: a server cannot be made to put a question as its user")
        turns = chat.turns(dialogue, row.seen.view)
        texts = [(turn["role"], part["text"]) for turn in turns for part in turn["content"] if part["type"] == "text"]
        picture = Picture(image_path(dialogue, self.dialogues), noise=dialogue.noise)
        said = tuple(Turn(role, text) for role, text in texts)
        request = Request(dialogue.id, "answer", said, picture, record=self.records.get(dialogue.record))
        with named(request):
            png = _png(chat, picture)
        if self.gate:
            free = (*(text for turn in dialogue.history for text in turn), dialogue.question)  # all else is ours
            passed = self.gate.passed(Item(request.id, request.record, free, png, picture.path))
            if isinstance(passed, str):
                raise TrainingError(f"{dialogue.id}: {passed}: leave its image out of the training split")
            if passed.texts != free or passed.png != png:  # what is learnt must be the answer to what was asked
                raise TrainingError(
                    f"{dialogue.id}: it cannot leave as it is: leave its image out of the training split"
                )
        messages: list[dict[str, Any]] = [{"role": role, "content": text} for role, text in texts]
        image = {"type": "image_url", "image_url": {"url": data_url(png)}}
        messages[0]["content"] = [image, {"type": "text", "text": texts[0][1]}]
        return Letter(request, messages, png)

    def _body(self, letter: Letter, wanted: Wanted, missing: int, attempt: int) -> dict[str, Any]:
        """The request for answers that are missing, with all that would bend the distribution switched off."""
        drawn = wanted.distribution
        seed = seed_of(wanted.seed, letter.request.id, attempt) % 2**31
        body: dict[str, Any] = {
            "model": self.model,
            "messages": letter.messages,
            "temperature": drawn.temperature,
            "top_p": 1.0,
            "max_tokens": wanted.max_new_tokens,
            "seed": seed,
            "logit_bias": {str(i): -100.0 for i in drawn.banned},
        }
        if self.options.kind == "transformers":
            # without this, the model's own generation configuration decides, which also fills what is left open
            plain: dict[str, Any] = {"do_sample": True, "temperature": drawn.temperature, "top_k": 0, "top_p": 1.0}
            plain |= {"repetition_penalty": 1.0, "no_repeat_ngram_size": 0, "min_length": 0, "min_new_tokens": 0}
            plain |= {"eos_token_id": wanted.stops, "pad_token_id": wanted.stops[0]}
            return body | {"generation_config": json.dumps(plain)}
        given = self.options.logprobs == "given"
        return body | {
            "n": missing,
            "stop_token_ids": wanted.stops,
            "logprobs": given,
            "top_k": -1,
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
        except openai.APIStatusError as error:
            why = f"{self.host} refuses with {error.status_code}: {endpoint.safe(error, self.key)}"
        except openai.APIConnectionError as error:
            why = f"no reply from {self.host}: {endpoint.safe(error.__cause__ or error, self.key)}"
        raise GenerationError(f"{what}: {why}")

    def _compare(self, reply: dict[str, Any], prompt: int) -> None:
        """Says once where the server makes another number of tokens of a prompt: it is then asked something else."""
        read = (reply.get("usage") or {}).get("prompt_tokens")
        first, self._compared = not self._compared, True
        if first and read not in (None, prompt):
            console.say(
                f"warning: the server reads {read} tokens where this process reads {prompt}: another chat template or "
                "another size of the image; mismatch in metrics.jsonl shows what that does"
            )


def _png(chat: Chat, picture: Picture) -> bytes:
    """The picture as the model's processor takes it, as PNG made from its pixels alone."""
    out = io.BytesIO()
    chat.picture(picture.array()).save(out, "PNG")
    return out.getvalue()
