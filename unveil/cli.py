"""The command line: finds the command, reads its options, shows the user's own errors without a traceback."""

from __future__ import annotations

import difflib
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro

from unveil import __version__
from unveil.audit import audit, check
from unveil.core import console, faults, files, provenance, records
from unveil.core.untrusted import JsonError, parse_json, readable, shortened
from unveil.curate import convert, hallucinate, mau, noise, questions, rank, relevance, selftrain
from unveil.evaluate import score
from unveil.ingest.ingest import IngestConfig, ingest
from unveil.pipelines import prefer, run, study


def train_sft(config: Any) -> None:
    from unveil.train import sft

    console.trained(sft.main(config))


def train_dpo(config: Any) -> None:
    from unveil.train import dpo

    console.trained(dpo.main(config))


def train_aar(config: Any) -> None:
    from unveil.rl import aar

    aar.train_aar(config)


def train_grpo(config: Any) -> None:
    from unveil.rl import aar

    aar.train_grpo(config)


def train_ppo(config: Any) -> None:
    from unveil.rl import aar

    aar.train_ppo(config)


def predict_command(config: Any) -> None:
    from unveil.evaluate import predict

    console.say(f"predictions: {predict.main(config)}")


def ask_command(config: Any) -> None:
    from unveil.evaluate import ask

    answer = ask.ask(config)
    print(answer.plain())
    if answer.cut:
        console.say(f"cut at {config.max_new_tokens} tokens (--max-new-tokens)")
    if answer.boxes:
        console.say(f"boxes: x1, y1, x2, y2 in pixels of the image, {answer.size[0]} x {answer.size[1]}")
    if config.picture:
        console.say(f"picture: {config.picture}")
    console.say("research software, not a medical device")


def looks_command(config: Any) -> None:
    from unveil.evaluate import attention

    console.say(f"maps: {attention.main(config)}")


def gate_command(config: Any) -> bool:
    from unveil.gate import trial

    return trial.main(config)


def _gate_config() -> type:
    from unveil.gate.trial import GateConfig

    return GateConfig


def _ask_config() -> type:
    from unveil.evaluate.ask import AskConfig

    return AskConfig


def _looks_config() -> type:
    from unveil.evaluate.attention import LooksConfig

    return LooksConfig


def _sft_config() -> type:
    from unveil.train.sft import SftConfig

    return SftConfig


def _dpo_config() -> type:
    from unveil.train.dpo import DpoConfig

    return DpoConfig


def _rewarding(name: str) -> Callable[[], type]:
    """A configuration of ``rl.aar``, imported when it is asked for."""

    def config() -> type:
        from unveil.rl import aar

        return getattr(aar, name)

    return config


def _predict_config() -> type:
    from unveil.evaluate.predict import PredictConfig

    return PredictConfig


#: Of commands whose work so far is kept.
GOES_ON = "the same command goes on from here"
RESUMES = "the same command with --resume goes on from the last checkpoint"


@dataclass(frozen=True)
class Command:
    """A command: its configuration (imported only when it is called), what it does, a line of help."""

    config: Callable[[], type]
    do: Callable[[Any], Any]
    help: str
    stopped: str = "the same command begins anew"
    """What a person is told who has stopped it."""


COMMANDS: dict[str, Command] = {
    "demo": Command(
        lambda: run.RunConfig,
        run.run,
        "the main job on drawn images with the tiny model: no data, no GPU, no network",
        GOES_ON,
    ),
    "run": Command(lambda: run.RunConfig, run.run, "the main job on your annotated images: ingest to report", GOES_ON),
    "ingest": Command(
        lambda: IngestConfig,
        ingest,
        "annotated images (voc, coco, yolo, csv) or drawn ones to records.jsonl",
    ),
    "check": Command(
        lambda: check.CheckConfig, check.check, "find bad boxes, bad images and leaking splits; deal a safe split"
    ),
    "curate mau": Command(
        lambda: mau.MauConfig, mau.curate_mau, "records to questions with true answers in three steps"
    ),
    "curate noise": Command(
        lambda: noise.NoiseConfig, noise.curate_noise, "pairs in which noise hides the lesion from the worse side"
    ),
    "gate": Command(
        _gate_config,
        gate_command,
        "try on a file what may leave this machine; nothing is sent, a page tells",
    ),
    "audit": Command(
        lambda: audit.AuditConfig,
        audit.audit,
        "what a model could learn from preference pairs instead of medicine",
    ),
    "curate hallucinate": Command(
        lambda: hallucinate.HallucinateConfig,
        hallucinate.curate_hallucinate,
        "pairs of a true answer and a plausible wrong one, drawn from the model or written",
        GOES_ON,
    ),
    "curate rank": Command(
        lambda: rank.RankConfig, rank.curate_rank, "pairs of the model's own answers, better and worse", GOES_ON
    ),
    "curate questions": Command(
        lambda: questions.QuestionsConfig, questions.curate_questions, "conversations that teach a model to ask as well"
    ),
    "curate selftrain": Command(
        lambda: selftrain.SelftrainConfig,
        selftrain.curate_selftrain,
        "pairs from the model's own questions and answers",
        GOES_ON,
    ),
    "curate relevance": Command(
        lambda: relevance.RelevanceConfig,
        relevance.curate_relevance,
        "weights of pairs by their clinical relevance",
        GOES_ON,
    ),
    "prefer": Command(
        lambda: prefer.PreferConfig, prefer.prefer, "pairs and training of a preference method by its name", GOES_ON
    ),
    "train sft": Command(_sft_config, train_sft, "fine-tune a model on them", RESUMES),
    "train dpo": Command(_dpo_config, train_dpo, "train a model to prefer better answers to worse ones", RESUMES),
    "train aar": Command(
        _rewarding("Aar"),
        train_aar,
        "let a model earn rewards for pointing, looking and naming (UMed-LVLM's stage 2)",
        RESUMES,
    ),
    "train grpo": Command(
        _rewarding("Grpo"), train_grpo, "rewards of your choice, against other answers to the same question", RESUMES
    ),
    "train ppo": Command(_rewarding("Ppo"), train_ppo, "rewards of your choice, with a critic", RESUMES),
    "predict": Command(_predict_config, predict_command, "let a model answer the test questions", GOES_ON),
    "ask": Command(_ask_config, ask_command, "ask a model about one image"),
    "looks": Command(_looks_config, looks_command, "read where a model looks when it names what is there"),
    "score": Command(
        lambda: score.ScoreConfig, score.main, "score answers, with 95 % intervals and paired differences"
    ),
    "convert pairs": Command(
        lambda: convert.PairsConfig, convert.convert_pairs, "preference pairs to or from the form that TRL reads"
    ),
    "study preferences": Command(
        lambda: study.StudyConfig,
        study.preferences,
        "the full comparison of preference methods over several seeds",
        GOES_ON,
    ),
    "study rewards": Command(
        lambda: study.StudyConfig,
        study.rewards,
        "abnormal-aware rewarding and its ablations over several seeds",
        GOES_ON,
    ),
    "report": Command(lambda: run.ReportConfig, run.report, "write the report of a run again"),
}

#: Commands whose work several processes share (`torchrun`, `accelerate launch`).
SHARED = ("train sft", "train dpo", "train aar", "train grpo", "train ppo", "predict", "looks")

GUIDE = """
Which way to a better model:
  boxes or labels             unveil run (fine-tuning): the model once over each answer and epoch
  boxes or masks, and more    unveil prefer --name mmedpo: 3 drawn answers per question, wrong ones, hidden lesions
  a fine-tuned model, boxes   unveil train aar: 8 drawn answers per question, rewarded for pointing and naming
  answers without boxes       unveil prefer --name dpo --expert ...: an expert who knows, 1 request per question
  many images, few labels     unveil curate selftrain: an expert who sees, 10 requests per image
  before training on pairs    unveil audit: what they would teach besides medicine
More, with costs and figures: docs/preferences.md, docs/results.md"""


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
            "",
            *lines,
            GUIDE,
        ]
    )


def parse(arguments: Sequence[str]) -> tuple[Command, Any]:
    """The command and its configuration; exits with the usage where there is no such command."""
    words = list(arguments)
    name = next((n for n in (" ".join(words[:2]), *words[:1]) if n in COMMANDS), None)
    if words[:1] == ["--version"]:
        print(f"unveil {__version__}", flush=True)
        raise SystemExit(0)
    if not words or words[0] in ("-h", "--help", "help"):
        print(usage(), flush=True)
        raise SystemExit(0)
    if name is None:
        helped = words[1:2] in (["-h"], ["--help"]) and group(words[0])
        said, where = (group(words[0]), sys.stdout) if helped else (f"unveil: {unknown(words)}", sys.stderr)
        print(said, file=where, flush=True)
        raise SystemExit(0 if helped else 2)
    command, rest = COMMANDS[name], words[len(name.split()) :]
    kind = command.config()
    default = {}
    if "--config" in rest:
        at = rest.index("--config")
        if at + 1 == len(rest):
            raise SystemExit("unveil: --config needs a file")
        default = {"default": _saved(kind, Path(rest[at + 1]), name)}
        del rest[at : at + 2]
    return command, tyro.cli(kind, args=rest, prog=f"unveil {name}", **default)


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


def _saved(kind: type, path: Path, name: str) -> Any:
    """The configuration that an earlier run has left in its run.json."""
    if not path.is_file():
        raise records.RecordError(f"{path}: no such file, or not a regular one")
    wanted = "--config takes the one that lies beside what a run has made"
    try:
        about = parse_json(path.read_bytes())
    except JsonError as error:
        raise records.RecordError(f"{path}: not a run.json ({error}); {wanted}") from error
    if not isinstance(about, dict) or not {"command", "config"} <= about.keys():
        raise records.RecordError(f"{path}: not a run.json; {wanted}")
    if about["command"] not in (name, "run" if name == "demo" else name):
        raise records.RecordError(f"{path} is of `unveil {shortened(str(about['command']))}`, not of `unveil {name}`")
    return records.build(kind, _unasked(about["config"]), str(path))


def _unasked(config: Any) -> Any:
    """A saved configuration without what holds for one call: a repeated run writes over nothing unless told to."""
    if not isinstance(config, dict):
        return config
    once = ("restart", "resume", "dry_run")
    return {name: _unasked(value) for name, value in config.items() if name not in once}


#: Errors that are the user's to mend: shown as one message, without a traceback.
USER_ERRORS = (ValueError, OSError)


def less(config: Any, stage: tuple[str, Any] | None = None) -> str:
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
    if options.get("gradient_checkpointing") is False:
        ways.append("--gradient-checkpointing")
    ways += [f"a lower {_option(name)}" for name in ("max_new_tokens", "limits.max_pixels") if name in options]
    if options.get("method") in ("auto", "full"):
        ways.append("--method lora")
    if options.get("workers", 0) is None or options.get("workers", 0) > 1:
        ways.append("fewer --workers")
    return ", ".join(ways) or "close other programs, or use a machine with more memory"


def _option(name: str) -> str:
    return f"--{name.rpartition('.')[2].replace('_', '-')}"


def main(arguments: Sequence[str] | None = None) -> int:
    """The ``unveil`` command."""
    command: Command | None = None
    try:
        command, config = parse(sys.argv[1:] if arguments is None else arguments)
        if int(os.environ.get("WORLD_SIZE", "1")) > 1 and command not in map(COMMANDS.get, SHARED):
            raise records.RecordError(f"this command works in one process; several share {', '.join(SHARED)}")
        outcome = command.do(config)
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
            what = f"out of memory: {less(config, vars(error).get('stage'))}"
        console.say(f"error: {what}; {command.stopped}")
        return 1
    return 1 if outcome is False else 0


if __name__ == "__main__":
    sys.exit(main())
