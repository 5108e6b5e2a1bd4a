"""Answers to learn from, drawn by a server that speaks OpenAI's chat completions: the way for large models.

It is asked as any model behind an address (``experts.remote_answers``), and is brought the weights that were learnt, of
which it is told the path. What comes back must tell which tokens were drawn and how likely each was, so that learning
can correct for what differs between the server and this process (``losses.importance``).
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from unveil.core import console, files
from unveil.experts.remote_answers import RemoteAnswers
from unveil.rl.options import GenerateOptions, RlOptions
from unveil.train.loop import TrainingError
from unveil.vlm.generate import GenerationError, Save


@contextmanager
def bound(options: GenerateOptions, config: RlOptions) -> Iterator[Server | None]:
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


def _checked(options: GenerateOptions, config: RlOptions) -> None:
    if config.blind:
        raise TrainingError("--blind: a server would look at the images; leave --generate.server out")
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


class Server(RemoteAnswers):
    """The ``Generator`` behind an address."""

    refused = TrainingError

    def __init__(self, options: GenerateOptions, config: RlOptions):
        assert options.server is not None
        super().__init__(
            options.server,
            options.kind,
            options,
            config.dialogues,
            config.records,
            config.out,
            "train",
            corrected=options.logprobs == "given",
            before="--generate.",
        )
        self.how = options
        self.served = config.out / "served"

    def renew(self, step: int, save: Save | None) -> None:
        """Brings the server new weights at a run's start and every so many updates; see ``Generator``.

        An adapter gets a name that no run has had before: under an old one the server would go on with what it has
        cached of that.
        """
        how, before = self.how.weights, self.model
        if before is not None and (step % self.how.every or how == "never"):
            return
        folder = self.served / f"step-{step:07d}"
        names = {"folder": str(folder.resolve())}
        if how == "vllm-lora" and not self.options.dry_run:
            names[how] = f"{self.how.model or 'unveil'}-{self._start(save is not None)}-{folder.name}"
        self.model = names.get(how or "", self.how.model)
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
