"""Who is asked: binds the expert that the options name to the rules, a local checkpoint or an endpoint."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import tyro

from unveil.core.number_types import Count
from unveil.core.path_types import OutputFile
from unveil.core.records import Record
from unveil.experts.expert import Backend, Budget, Expert, RuleBackend
from unveil.experts.local import Local
from unveil.experts.requests import ExpertError, Parameter
from unveil.experts.store import Store
from unveil.gate.address import host_of
from unveil.gate.options import GateOptions, gate_options


@dataclass(frozen=True, kw_only=True)
class ReachOptions(GateOptions):
    """How a server is reached that speaks OpenAI's chat completions."""

    seldom: ClassVar[tuple[str, ...]] = ("key_variable", "concurrency", "retries", "timeout")

    key_variable: str = "OPENAI_API_KEY"
    """Environment variable that holds the server's key; the key itself is never written anywhere."""
    allow_remote: bool = False
    """The server may be another machine. Images and texts then leave this one; see --dry-run."""
    concurrency: int = 8
    """Requests to the server under way at a time."""
    retries: int = 5
    """Repetitions after a failure that may pass, with growing waits."""
    timeout: float = 120.0
    """Seconds for one reply."""


@dataclass(frozen=True, kw_only=True)
class ServerOptions(ReachOptions):
    """How a server is asked that speaks OpenAI's chat completions."""

    dry_run: bool = False
    """Ask nobody; write down what would leave (manifest.jsonl beside the output)."""


@dataclass(frozen=True, kw_only=True)
class AskedOptions(ReachOptions):
    """Who is asked, and what that may cost."""

    seldom: ClassVar[tuple[str, ...]] = (
        "structured",
        "leave_out",
        "tries",
        "thinking_tokens",
        "expert_batch",
        "replies",
    )

    expert: str = "rules"
    """Who is asked: rules (offline; they answer from the annotations), local:MODEL (hub id or folder of a
    vision-language model on this machine), or the address of an OpenAI-compatible endpoint, http://127.0.0.1:8000/v1."""
    expert_model: str | None = None
    """endpoint: name of the model there."""
    structured: bool = True
    """endpoint: send the reply's JSON schema along; off is the same as --leave-out response_format."""
    leave_out: tuple[Parameter, ...] = ()
    """endpoint: what its server does not take; max_completion_tokens is then sent as max_tokens, and the system's words
    before the first question. What a server refuses by its name is left out in any case."""
    tries: Count = 3
    """Replies per item until one can be used."""
    thinking_tokens: int = 0
    """Tokens that each reply may have more, for a model that thinks before it answers."""
    budget: float | None = None
    """What all replies of this job may cost, those of earlier runs included; needs the prices."""
    budget_tokens: int | None = None
    """The same in tokens."""
    price_in: float = 0.0
    """Price of a million tokens that are sent."""
    price_out: float = 0.0
    """Price of a million tokens that come back."""
    expert_batch: Count = 32
    """local: requests answered at a time."""
    replies: OutputFile | None = None
    """File that keeps all replies, of the model that is trained too; by default one beside the output. Several commands
    may share one, and then ask nobody twice."""


@dataclass(frozen=True, kw_only=True)
class ExpertOptions(AskedOptions, ServerOptions):
    """Who is asked, and what that may cost."""


def refuse(expert: str) -> None:
    """Raises ``ExpertError`` or ``ModelError`` where a run could not ask an expert: these are rules and local:MODEL."""
    kind, _, model = expert.partition(":")
    if kind == "local":
        from unveil.vlm import models

        models.chat_of(model)
    elif expert != "rules":
        raise ExpertError(f"--expert {expert}: use rules or local:MODEL; `unveil prefer` asks other experts")


def refuse_unreachable(asked: AskedOptions) -> None:
    """Raises ``ExpertError``, ``GateError`` or ``ModelError`` where nobody can be asked as the options have it.

    A server is not called: that nobody answers there is told when it is asked first.
    """
    kind, _, model = asked.expert.partition(":")
    if kind == "local":
        from unveil.vlm import models

        models.chat_of(model)
    elif asked.expert != "rules":
        _refuse_unnamed(asked)
        host_of(asked.expert, asked.allow_remote)
        key_in(asked.key_variable)


def checkpoint(model: str, out: Path, replies: Path | None = None, **how: Any) -> Expert:
    """A checkpoint on this machine as one that is asked; replies are kept in ``replies``, else beside ``out``."""
    return Expert(Local(model, **how), _store(out, replies), tries=1)


def _store(out: Path, replies: Path | None) -> Store:
    return Store(replies or out.with_name(out.name + ".replies.sqlite"))


def bind(options: ExpertOptions, out: Path, records: Iterable[Record] = ()) -> Expert:
    """The expert that the options name; replies are kept beside ``out``.

    ``records`` are all of the file in question: before another machine is asked, texts are searched for what their
    patients are known by.
    """
    kind, _, model = options.expert.partition(":")
    here = kind in ("rules", "local")
    if options.dry_run and here:
        raise ExpertError(f"--dry-run: nothing leaves this machine with --expert {options.expert}")
    if options.expert == "rules":
        return Expert(RuleBackend())
    budget = Budget(options.budget, options.budget_tokens, options.price_in, options.price_out)
    asked = (
        Local(model, batch_size=options.expert_batch) if kind == "local" else _endpoint(options, out.parent, records)
    )
    return Expert(asked, _store(out, options.replies), budget, options.tries, options.thinking_tokens)


def _refuse_unnamed(asked: AskedOptions) -> None:
    if not asked.expert.startswith(("http://", "https://")):
        raise ExpertError("--expert: use rules, local:MODEL or the address of an endpoint (http:// or https://)")
    if asked.expert_model is None:
        raise ExpertError("--expert-model: name the model as the endpoint calls it")


def _endpoint(options: ExpertOptions, folder: Path, records: Iterable[Record]) -> Backend:
    _refuse_unnamed(options)
    assert options.expert_model
    from unveil.experts import endpoint

    return endpoint.connect(
        options.expert,
        options.expert_model,
        key_in(options.key_variable),
        folder,
        allow_remote=options.allow_remote,
        passage=gate_options(options),
        records=records,
        dry_run=options.dry_run,
        leave_out={*options.leave_out, *(() if options.structured else ("response_format",))},
        concurrency=options.concurrency,
        retries=options.retries,
        timeout=options.timeout,
    )


def key_in(variable: str) -> str:
    """The key in an environment variable, empty where there is none.

    No message repeats what was given: it may be the key itself.
    """
    if not re.fullmatch(r"[A-Za-z_]\w*", variable, re.A):
        raise ExpertError("--key-variable takes the name of an environment variable, never the key itself")
    key = os.environ.get(variable, "").strip()
    if not re.fullmatch(r"[!-~]*", key):
        raise ExpertError(f"the environment variable {variable} holds characters that no key has")
    return key


#: Who is asked: another group.
ExpertGroup = tyro.conf.OmitArgPrefixes[ExpertOptions]
#: The same in what hands it on to others.
AskedGroup = tyro.conf.OmitArgPrefixes[AskedOptions]
