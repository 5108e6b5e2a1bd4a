"""The command line: finds the command, reads its options, shows the user's own errors without a traceback.

A command is a module with a frozen dataclass ``Config``, its options, and ``main(config)``, its work. ``main`` says
itself what it finds, and returns the path of what it has made, or whether what it looked at is fit.
"""

from __future__ import annotations

import difflib
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from unveil import __version__
from unveil.core import console, faults, files, memory, options, provenance
from unveil.core.untrusted import readable

#: What a person is told who has stopped a command: nothing of its work is kept, or some is.
ANEW = "the same command begins anew"
GOES_ON = "the same command goes on from here"
RESUMES = "the same command with --resume goes on from the last checkpoint"


@dataclass(frozen=True)
class Command:
    """A command: its module in the package, imported only when it is called, and a line of help."""

    module: str
    help: str
    stopped: str = ANEW
    """What a person is told who has stopped it."""
    shared: bool = False
    """Whether several processes may share its work (`torchrun`, `accelerate launch`)."""
    told: Callable[[Path], None] | None = None
    """Says at the end what it has made, where it does not say so itself."""

    def load(self) -> Any:
        """The module, which holds ``Config`` and ``main``."""
        return import_module(f"unveil.{self.module}")


def _training(module: str, help: str) -> Command:
    return Command(module, help, RESUMES, shared=True, told=console.trained)


COMMANDS: dict[str, Command] = {
    "demo": Command(
        "pipelines.run", "the main job on synthetic images with the tiny model: no data, no GPU, no network", GOES_ON
    ),
    "run": Command("pipelines.run", "the main job on your annotated images: ingest to report", GOES_ON),
    "ingest": Command("ingest.ingest", "annotated images (voc, coco, yolo, csv) or synthetic ones to records.jsonl"),
    "check": Command("audit.check", "find bad boxes, bad images and leaking splits; deal a safe split"),
    "curate mau": Command("curate.mau", "records to questions with true answers in three steps"),
    "curate noise": Command("curate.noise", "pairs in which noise hides the lesion from the worse side"),
    "gate": Command("gate.trial", "try on a file what may leave this machine; nothing is sent, a page tells"),
    "audit": Command("audit.audit", "what a model could learn from preference pairs instead of medicine"),
    "curate hallucinate": Command(
        "curate.hallucinate",
        "pairs of a true answer and a plausible wrong one, drawn from the model or written",
        GOES_ON,
    ),
    "curate rank": Command("curate.rank", "pairs of the model's own answers, better and worse", GOES_ON),
    "curate questions": Command("curate.questions", "conversations that teach a model to ask as well"),
    "curate selftrain": Command("curate.selftrain", "pairs from the model's own questions and answers", GOES_ON),
    "curate relevance": Command("curate.relevance", "weights of pairs by their clinical relevance", GOES_ON),
    "prefer": Command(
        "pipelines.prefer", "pairs and training of a preference method by its name", GOES_ON, told=console.trained
    ),
    "train sft": _training("train.sft", "fine-tune a model on them"),
    "train dpo": _training("train.dpo", "train a model to prefer better answers to worse ones"),
    "train aar": _training("rl.aar", "learn from rewards for places, attention and names (UMed-LVLM's stage 2)"),
    "train grpo": _training("rl.grpo", "rewards of your choice, against other answers to the same question"),
    "train ppo": _training("rl.ppo", "rewards of your choice, with a critic"),
    "predict": Command(
        "evaluate.predict", "let a model answer the test questions", GOES_ON, True, partial(console.made, "predictions")
    ),
    "ask": Command("evaluate.ask", "ask a model about one image"),
    "attention": Command(
        "evaluate.attention",
        "compute attention maps along the true diagnoses of test images",
        shared=True,
        told=partial(console.made, "maps"),
    ),
    "score": Command("evaluate.score", "score answers, with 95 % intervals and paired differences"),
    "convert pairs": Command("curate.convert", "preference pairs to or from the form that TRL reads"),
    "study": Command(
        "pipelines.study",
        "a full comparison over several seeds of preference methods, of rewards or of baselines",
        GOES_ON,
    ),
    "report": Command("pipelines.report", "write the report of a run again", told=partial(console.made, "report")),
}

GUIDE = """
Which way to a better model:
  boxes or labels             unveil run (fine-tuning): the model once over each answer and epoch
  boxes or masks, and more    unveil prefer --name mmedpo: 3 sampled answers per question, wrong ones, hidden lesions
  a fine-tuned model, boxes   unveil train aar: 8 sampled answers per question, rewarded for pointing and naming
  answers without boxes       unveil prefer --name dpo --expert ...: an expert who knows, 1 request per question
  many images, few labels     unveil curate selftrain: an expert who sees, 10 requests per image
  before training on pairs    unveil audit: what they would teach besides medicine
More, with costs and figures: docs/how-to/preferences.md, docs/explanation/results.md"""


def usage() -> str:
    """The overview that ``unveil`` and ``unveil --help`` print."""
    width = max(map(len, COMMANDS)) + 2
    lines = [f"  {name:<{width}}{command.help}" for name, command in COMMANDS.items()]
    return "\n".join(
        [
            f"unveil {__version__}: teach a medical vision-language model to point at what is abnormal and to name it.",
            "Research software, not a medical device.",
            "",
            "usage: unveil COMMAND [options]        unveil COMMAND --help explains every option",
            "       unveil COMMAND --config run.json  repeats a run; options given besides go before it",
            "       unveil --completion SHELL         completion of commands and options in bash, zsh or fish",
            "",
            *lines,
            GUIDE,
        ]
    )


def parse(arguments: Sequence[str]) -> tuple[Command, Any]:
    """The command and its configuration; exits where something else is asked for, or there is no such command."""
    words = list(arguments)
    if not words or words[0] in ("-h", "--help", "help"):
        _exit(usage())
    if words[0] == "--version":
        _exit(f"unveil {__version__}")
    if words[0] == "--completion":
        _exit(completion_script(*words[1:]))
    name = next((n for n in (" ".join(words[:2]), words[0]) if n in COMMANDS), None)
    if name is None:
        if words[1:2] in (["-h"], ["--help"]) and (members := group(words[0])):
            _exit(members)
        print(f"unveil: {unknown(words)}", file=sys.stderr, flush=True)
        raise SystemExit(2)
    command, rest = COMMANDS[name], words[len(name.split()) :]
    kind = command.load().Config
    default = None
    if "--config" in rest:
        at = rest.index("--config")
        if at + 1 == len(rest):
            raise SystemExit("unveil: --config needs a file")
        from unveil.core import saved

        own = [other for other, one in COMMANDS.items() if one.module == command.module]
        default = saved.saved(kind, Path(rest[at + 1]), name, own)
        del rest[at : at + 2]
    return command, options.read(kind, rest, f"unveil {name}", default)


def _exit(text: str) -> None:
    print(text, flush=True)
    raise SystemExit(0)


def completion_script(*shells: str) -> str:
    """The script that completes commands and their options in a shell; all commands' modules are imported for it."""
    from unveil.core import shell_completion

    if len(shells) != 1 or shells[0] not in shell_completion.SHELLS:
        raise SystemExit(f"unveil: --completion needs a shell, one of {', '.join(shell_completion.SHELLS)}")
    return shell_completion.script(shells[0], {name: command.load().Config for name, command in COMMANDS.items()})


def group(name: str) -> str:
    """The commands that begin with a word, such as ``train``, a line each; nothing if there is none."""
    members = {n: command.help for n, command in COMMANDS.items() if n.split()[0] == name}
    return "\n".join(f"  unveil {n:<{max(map(len, members))}}  {text}" for n, text in members.items())


def unknown(words: Sequence[str]) -> str:
    """What to say to words that name no command: the closest names, or the commands of the group that they name."""
    members, second = group(words[0]), [word for word in words[1:2] if not word.startswith("-")]
    asked = " ".join([words[0], *second]) if members else words[0]
    close = difflib.get_close_matches(" ".join([words[0], *second]), COMMANDS, n=2) if second else []
    if not members and not close:
        close = difflib.get_close_matches(
            words[0], [*COMMANDS, *sorted({name.split()[0] for name in COMMANDS} - {*COMMANDS})], n=2
        )
    hint = f"did you mean {' or '.join(f'`unveil {name}`' for name in close)}?" if close else members
    return "\n".join(filter(None, [f"no command {asked!r}", hint, "`unveil --help` lists all commands"]))


#: Errors that are the user's to mend: shown as one message, without a traceback.
USER_ERRORS = (ValueError, OSError)


def main(arguments: Sequence[str] | None = None) -> int:
    """The ``unveil`` command."""
    command: Command | None = None
    try:
        command, config = parse(sys.argv[1:] if arguments is None else arguments)
        if int(os.environ.get("WORLD_SIZE", "1")) > 1 and not command.shared:
            sharing = ", ".join(name for name, one in COMMANDS.items() if one.shared)
            raise ValueError(f"this command works in one process; several share {sharing}")
        made = command.load().main(config)
        if command.told:
            command.told(made)
        sys.stdout.flush()
    except KeyboardInterrupt:
        console.say(f"stopped; {command.stopped}" if command else "stopped")
        return 130
    except BrokenPipeError:  # whoever read the output, such as `head`, has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except provenance.DryRun as told:
        console.say(f"dry run: {told}")
        return 0
    except USER_ERRORS as error:
        if os.environ.get("UNVEIL_DEBUG"):
            raise
        console.say(f"error: {readable(files.said(error))}")
        return 1
    except (MemoryError, RuntimeError) as error:
        ended = faults.worker_ended(error)
        if command is None or os.environ.get("UNVEIL_DEBUG") or not (ended or faults.out_of_memory(error)):
            raise
        if ended:
            fewer = ": fewer --workers" if "workers" in provenance.plain(config) else ""
            what = f"a worker process was ended, mostly for lack of memory{fewer}"
        else:
            what = f"out of memory: {memory.advice(config, vars(error).get('stage'))}"
        console.say(f"error: {what}; {command.stopped}")
        return 1
    return 1 if made is False else 0


if __name__ == "__main__":
    sys.exit(main())
