"""The command line: finds the command, reads its options, shows the user's own errors without a traceback.

A command is a module with a frozen dataclass ``Config``, its options, and ``main(config)``, its work. ``main`` says
itself what it finds, and returns the path of what it has made, or whether what it looked at is fit. Where that module
takes long to import, its options are defined in another, so that help and mistyped options answer at once; but those of
learning from rewards name the advantages there are, which are functions of torch, and wait for it.
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
from unveil.core import layout, overview

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
    options: str = ""
    """Where ``Config`` is defined, MODULE:CLASS, if not in its own module, which takes long to import."""

    def load(self) -> Any:
        """The module, which holds ``Config`` and ``main``."""
        return import_module(f"unveil.{self.module}")

    def config(self) -> Any:
        """``Config``."""
        module, _, name = (self.options or f"{self.module}:Config").partition(":")
        return getattr(import_module(f"unveil.{module}"), name)


def _trained(folder: Path) -> None:
    from unveil.core import console

    console.trained(folder)


def _made(what: str, path: Path) -> None:
    from unveil.core import console

    console.made(what, path)


def _training(module: str, options: str, help: str) -> Command:
    return Command(module, help, RESUMES, shared=True, told=_trained, options=options)


COMMANDS: dict[str, Command] = {
    "start": Command("pipelines.start", "the guided start: four questions, six images, then the main job", ""),
    "demo": Command(
        "pipelines.run",
        "the main job on synthetic images with the tiny model: no data, no GPU, no network",
        GOES_ON,
        options="pipelines.options:RunOptions",
    ),
    "run": Command(
        "pipelines.run",
        "the main job on your annotated images: ingest to report",
        GOES_ON,
        options="pipelines.options:RunOptions",
    ),
    "ingest": Command("ingest.ingest", "annotated images in one of many formats, or synthetic ones, to records.jsonl"),
    "datasets": Command(
        "ingest.datasets", "data sets that are read as they are distributed: where they are from, what of one is here"
    ),
    "check": Command("audit.check", "find bad boxes, bad images and leaking splits; deal a safe split"),
    "check-model": Command(
        "pipelines.check_model",
        "look at a model first: whether it is computed rightly, how it writes boxes, what it costs and cannot do",
        options="pipelines.options:CheckModelOptions",
    ),
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
    "curate probes": Command("curate.probes", "questions about what is there and what is not, in pairs"),
    "curate selftrain": Command("curate.selftrain", "pairs from the model's own questions and answers", GOES_ON),
    "curate relevance": Command("curate.relevance", "weights of pairs by their clinical relevance", GOES_ON),
    "curate corrections": Command(
        "curate.corrections", "what people have decided in a review, carried out: corrected records, dialogues, pairs"
    ),
    "prefer": Command(
        "pipelines.prefer",
        "pairs and training of a preference method by its name",
        GOES_ON,
        told=_trained,
        options="pipelines.options:PreferOptions",
    ),
    "train sft": _training("train.sft", "train.options:SftOptions", "fine-tune a model on them"),
    "train dpo": _training(
        "train.dpo", "train.options:DpoOptions", "train a model to prefer better answers to worse ones"
    ),
    "train aar": _training(
        "rl.aar", "rl.options:AarOptions", "learn from rewards for places, attention and names (UMed-LVLM's stage 2)"
    ),
    "train grpo": _training(
        "rl.grpo", "rl.options:GrpoOptions", "rewards of your choice, against other answers to the same question"
    ),
    "train ppo": _training("rl.ppo", "rl.options:PpoOptions", "rewards of your choice, with a critic"),
    "predict": Command(
        "evaluate.predict",
        "let a model answer the test questions",
        GOES_ON,
        shared=True,
        told=partial(_made, "predictions"),
        options="evaluate.options:PredictOptions",
    ),
    "check-served": Command(
        "evaluate.served",
        "whether a server answers as the trained model that it runs",
        GOES_ON,
        options="evaluate.served_options:ServedOptions",
    ),
    "ask": Command("evaluate.ask", "ask a model about one image", options="evaluate.options:AskOptions"),
    "try": Command(
        "review.trying",
        "a page on which a model, or two side by side, is asked about an image",
        options="review.options:TryOptions",
    ),
    "attention": Command(
        "evaluate.attention",
        "compute attention maps along the true diagnoses of test images",
        shared=True,
        told=partial(_made, "maps"),
        options="evaluate.options:AttentionOptions",
    ),
    "score": Command("evaluate.score", "score answers, with 95 % intervals and paired differences"),
    "judge": Command("evaluate.judge", "let a language model judge open answers against the reference", GOES_ON),
    "benchmark": Command(
        "pipelines.benchmark",
        "measure a model by a benchmark of the field, or by all whose data are there",
        GOES_ON,
        options="pipelines.options:BenchmarkOptions",
    ),
    "export records": Command(
        "export.records", "records as COCO, YOLO, Label Studio tasks, or a folder to publish with a dataset card"
    ),
    "export benchmark": Command(
        "export.benchmark", "questions and images as a task of lmms-eval or Inspect, with the code that scores them"
    ),
    "export boxes": Command(
        "export.boxes", "a model's boxes as DICOM reports or segmentations, or in millimetres of the patient"
    ),
    "export model": Command("export.model", "a trained model as vLLM, transformers, a hub or llama.cpp reads it"),
    "convert predictions": Command(
        "evaluate.exchange.convert", "predictions that others made as ours, and ours as those of others"
    ),
    "convert model": Command("vlm.convert", "LLaVA-Med 1.5 and LLaVA-1.5 as transformers and all commands load them"),
    "convert pairs": Command("curate.convert", "preference pairs to or from the form that TRL reads"),
    "review": Command(
        "review.review",
        "a page in the browser: people decide about records, questions, pairs or answers",
        GOES_ON,
        told=partial(_made, "decisions"),
        options="review.options:ReviewOptions",
    ),
    "runs": Command(
        "review.runs",
        "a page in the browser: runs of a folder compared, followed while they train, stopped in order",
        "",
        options="review.options:RunsOptions",
    ),
    "study": Command(
        "pipelines.study",
        "a full comparison over several seeds of preference methods, of rewards or of baselines",
        GOES_ON,
    ),
    "report": Command("pipelines.report", "write the report of a run again", told=partial(_made, "report")),
}


def usage(width: int = 80) -> str:
    """The overview that ``unveil`` and ``unveil --help`` print, wrapped at ``width``."""
    return overview.text({name: command.help for name, command in COMMANDS.items()}, width)


def parse(arguments: Sequence[str]) -> tuple[Command, Any]:
    """The command and its configuration; exits where something else is asked for.

    Raises ``OptionError`` where there is no such command, or its options do not take the words.
    """
    words = list(arguments)
    if (answer := _answered(words)) is not None:
        _exit(answer)
    from unveil.core import help_page, options

    name = next((n for n in (" ".join(words[:2]), *words[:1]) if n in COMMANDS), None)
    if name is None:
        raise options.OptionError(unknown(words))
    command, rest = COMMANDS[name], words[len(name.split()) :]
    kind = command.config()
    plugins = options.load_plugins(kind, rest)
    file = _config_file(rest)
    default = None if file is None else _saved(kind, file, name, plugins)
    if HELP & {*rest}:
        _exit(help_page.page(kind, f"unveil {name}", default, "--help-all" in rest, layout.width()))
    try:
        return command, options.read(kind, rest, f"unveil {name}", default)
    except options.OptionError as error:
        raise options.OptionError(f"{error}\n`unveil {name} --help` explains its options") from error


HELP = {"-h", "--help", "--help-all"}


def _answered(words: Sequence[str]) -> str | None:
    """The answer to words that need no command: the overview, the version, a script for a shell, a group's commands."""
    if not words or words[0] in HELP | {"help"}:
        return usage(layout.width())
    if words[0] == "--version":
        return f"unveil {__version__}"
    if words[0] == "--completion":
        return completion_script(*words[1:])
    return group(words[0], layout.width()) if words[0] not in COMMANDS and HELP & {*words[1:2]} else None


def _config_file(words: list[str]) -> Path | None:
    """The file after ``--config``, which is taken out of the words together with it; None where it is not there."""
    from unveil.core.options import OptionError

    at = next((i for i, word in enumerate(words) if word.partition("=")[0] == "--config"), None)
    if at is None:
        return None
    _, equals, value = words[at].partition("=")
    files = [value] if equals else words[at + 1 : at + 2]
    if not files or not files[0] or files[0].startswith("--"):
        raise OptionError("--config: a file is needed, the run.json that an earlier run has left")
    del words[at : at + (1 if equals else 2)]
    return Path(files[0])


def _saved(kind: type, file: Path, name: str, plugins: Sequence[Path]) -> Any:
    """The configuration in a run.json of the command, or of another name of it."""
    from unveil.core import records, saved

    own = [n for n, one in COMMANDS.items() if one.module == COMMANDS[name].module]
    try:
        return saved.saved(kind, file, name, own, plugins)
    except records.RecordError as error:
        raise records.RecordError(f"--config {error}") from error


def _exit(text: str) -> None:
    print(text, flush=True)
    raise SystemExit(0)


def completion_script(*shells: str) -> str:
    """The script that completes commands and their options in a shell; all commands' modules are imported for it."""
    from unveil.core import options, shell_completion

    if len(shells) != 1 or shells[0] not in shell_completion.SHELLS:
        raise options.OptionError(f"--completion: a shell is needed, one of {', '.join(shell_completion.SHELLS)}")
    return shell_completion.script(shells[0], {name: command.config() for name, command in COMMANDS.items()})


def members(name: str) -> dict[str, str]:
    """The commands that begin with a word, such as ``train``, with what they do."""
    return {n: command.help for n, command in COMMANDS.items() if n.split()[0] == name}


def group(name: str, width: int = 80) -> str | None:
    """The commands that begin with a word, as a list; None where there are none."""
    found = [(f"unveil {n}", text) for n, text in members(name).items()]
    return layout.rows(found, width) if found else None


def unknown(words: Sequence[str]) -> str:
    """What to say to words that name no command, in two lines: the closest names, or those that may follow."""
    second = [word for word in words[1:2] if not word.startswith("-")]
    ways = f"`unveil {words[0]} --help` says what each does" if (found := members(words[0])) else ""
    asked = " ".join([words[0], *second]) if found else words[0]
    close = _closest(words[0], second)
    if close:
        said = f"no command {asked!r}; perhaps you meant {' or '.join(f'`unveil {name}`' for name in close)}"
    elif found:
        said = f"`unveil {words[0]}` is followed by one of {', '.join(name.split()[1] for name in found)}"
    else:
        said = f"no command {asked!r}"
    return f"{said}\n{ways or '`unveil --help` lists all commands'}"


def _closest(first: str, second: Sequence[str]) -> list[str]:
    """Commands, or first words of some, that are called almost so."""
    close = difflib.get_close_matches(" ".join([first, *second]), COMMANDS, n=2) if second else []
    names = dict.fromkeys([*COMMANDS, *(name.split()[0] for name in COMMANDS)])
    return close or ([] if members(first) else difflib.get_close_matches(first, names, n=2))


def main(arguments: Sequence[str] | None = None) -> int:
    """The ``unveil`` command; returns its exit code: 2 for words that it does not know, 1 for what went wrong."""
    command, config = None, None
    try:
        command, config = parse(sys.argv[1:] if arguments is None else arguments)
        made = _work(command, config)
        sys.stdout.flush()
    except KeyboardInterrupt as stop:
        kept = getattr(stop, "__notes__", [])
        _say("; ".join(filter(None, ["stopped", *kept, command.stopped if command else ""])))
        return 130
    except BrokenPipeError:  # whoever read the output, such as `head`, has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except Exception as error:
        code = _told(error, command, config)
        if code is None:
            raise
        return code
    return 1 if made is False else 0


def _work(command: Command, config: Any) -> Any:
    from unveil.core import number_types, paths

    if int(os.environ.get("WORLD_SIZE", "1")) > 1 and not command.shared:
        sharing = ", ".join(name for name, one in COMMANDS.items() if one.shared)
        raise ValueError(f"this command works in one process; several share {sharing}")
    paths.check(config)
    number_types.check(config)
    made = command.load().main(config)
    if command.told:
        command.told(made)
    return made


def _say(message: str) -> None:
    from unveil.core import console

    console.say(message)


#: Errors that are the user's to mend: shown as one message, without a traceback.
USER_ERRORS = (ValueError, OSError)


def _told(error: Exception, command: Command | None, config: Any) -> int | None:
    """Tells an error that a person can mend, and returns the exit code; None for others, which are faults of ours."""
    from unveil.core import faults, files, memory, options, paths, provenance
    from unveil.core.untrusted import readable

    if isinstance(error, provenance.DryRun):
        _say(f"dry run: {error}")
        return 0
    if os.environ.get("UNVEIL_DEBUG"):
        return None
    if isinstance(error, options.OptionError):
        _say(f"error: {error}")
        return 2
    if isinstance(error, USER_ERRORS):
        said = files.said(error)
        _say(f"error: {readable(said if config is None else paths.named(config, said))}")
        return 1
    if command and (faults.worker_ended(error) or faults.out_of_memory(error)):
        what = memory.short(error, vars(error).get("config", config))
        _say("; ".join(filter(None, [f"error: {what}", command.stopped])))
        return 1
    return None


if __name__ == "__main__":
    sys.exit(main())
