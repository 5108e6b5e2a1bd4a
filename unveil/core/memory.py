"""What a person is told where memory has run out, and what he can change so that a command needs less."""

from __future__ import annotations

from typing import Any

from unveil.core import faults, provenance


def short(error: BaseException, config: Any) -> str:
    """What has happened and what to change: memory has run out, here or in a worker process, which was ended for it."""
    if faults.worker_ended(error):
        fewer = ": fewer --workers" if "workers" in provenance.plain(config) else ""
        return f"a worker process was ended, mostly for lack of memory{fewer}"
    return f"out of memory: {advice(config, error)}"


def advice(config: Any, error: BaseException) -> str:
    """What was needed, where the error knows (``needs``), and what to change so that a command needs less memory.

    ``config`` is the command's; the error knows the ``stage`` of a longer job that failed.
    """
    known = vars(error)
    return known.get("needs") or _less(config, known.get("stage"))


def _less(config: Any, stage: tuple[str, Any] | None) -> str:
    """What to change in a configuration so that its command, or the stage of it that failed, needs less memory."""
    command, failed = stage or ("", config)
    own = {"batch_size": "answer_batch"} if command == "predict" else {}  # as longer jobs call it
    asked = {own.get(name, name): value for name, value in provenance.flat(provenance.plain(failed)).items()}
    options = {name: value for name, value in asked.items() if name in provenance.flat(provenance.plain(config))}
    size = next((name for name in ("batch_size", "answer_batch") if options.get(name, 1) > 1), None)
    ways = []
    if size:
        passes = (
            f" and raise --accumulate (now {options['accumulate']}) in turn"
            if "accumulate" in options and size == "batch_size"
            else ""
        )
        ways.append(f"lower {_option(size)} (now {options[size]}){passes}")
    if options.get("gradient_checkpointing") is False and not options.get("attention_loss"):  # which rules it out
        ways.append("--gradient-checkpointing")
    ways += [f"a lower {_option(name)}" for name in ("max_new_tokens", "limits.max_pixels") if name in options]
    if options.get("method") in ("auto", "full"):
        ways.append("--method lora")
    if options.get("workers", 0) is None or options.get("workers", 0) > 1:
        ways.append("fewer --workers")
    return ", ".join(ways) or "close other programs, or use a machine with more memory"


def _option(name: str) -> str:
    return f"--{name.rpartition('.')[2].replace('_', '-')}"
