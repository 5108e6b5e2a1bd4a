"""unveil: teach a medical vision-language model to point at what is abnormal and to name it.

Research software. Not a medical device.

What stands in ``__all__`` is the public Python interface; it is imported when it is first used, so ``import unveil``
takes no time and no torch. Commands are functions of their options, by the names that the command line has, and return
what they have made; ``help(unveil.sft)`` tells all of them::

    records = unveil.ingest_folder(data=Path("scans"), out=Path("out/data"))
    dialogues = unveil.mau(records=records, out=Path("out/dialogues.jsonl"))
    tuned = unveil.sft(dialogues=dialogues, records=records, model="tiny", out=Path("out/tuned"))
    answer = unveil.ask(unveil.load(tuned), "scan.png")

Wrong data and values raise ``ValueError`` with what was found, where, and what to do; an option that there is not, or
that is missing, ``TypeError``; what the system refuses ``OSError``. With ``dry_run=True`` training ends in
``unveil.core.provenance.DryRun``, which is no error. A command that has no function here is a module with ``Config``
and ``main(config)``, such as ``unveil.rl.grpo``.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

__all__ = [
    "Answer",
    "Box",
    "Dialogue",
    "Engine",
    "Finding",
    "Prediction",
    "Question",
    "Record",
    "ask",
    "check",
    "dpo",
    "ingest_folder",
    "load",
    "mau",
    "predict",
    "read_jsonl",
    "run",
    "score",
    "sft",
    "write_jsonl",
]

if TYPE_CHECKING:
    from unveil.audit import check as _check
    from unveil.core.functions import function
    from unveil.core.geometry import Box
    from unveil.core.jsonl import read_jsonl, write_jsonl
    from unveil.core.records import Dialogue, Finding, Prediction, Question, Record
    from unveil.curate import mau as _mau
    from unveil.evaluate import predict as _predict
    from unveil.evaluate import score as _score
    from unveil.evaluate.ask import Answer, ask
    from unveil.ingest import ingest as _ingest
    from unveil.pipelines import run as _run
    from unveil.train import dpo as _dpo
    from unveil.train import sft as _sft
    from unveil.vlm.engine import Engine, load

    run = function("run", _run.Config, _run.main)
    ingest_folder = function("ingest_folder", _ingest.Config, _ingest.main)
    check = function("check", _check.Config, _check.main)
    mau = function("mau", _mau.Config, _mau.main)
    sft = function("sft", _sft.Config, _sft.main)
    dpo = function("dpo", _dpo.Config, _dpo.main)
    predict = function("predict", _predict.Config, _predict.main)
    score = function("score", _score.Config, _score.main)

#: Where a public name is defined; of a command, its module.
_DEFINED = {
    "Answer": "evaluate.ask",
    "Box": "core.geometry",
    "Dialogue": "core.records",
    "Engine": "vlm.engine",
    "Finding": "core.records",
    "Prediction": "core.records",
    "Question": "core.records",
    "Record": "core.records",
    "ask": "evaluate.ask",
    "load": "vlm.engine",
    "read_jsonl": "core.jsonl",
    "write_jsonl": "core.jsonl",
}
_COMMANDS = {
    "check": "audit.check",
    "dpo": "train.dpo",
    "ingest_folder": "ingest.ingest",
    "mau": "curate.mau",
    "predict": "evaluate.predict",
    "run": "pipelines.run",
    "score": "evaluate.score",
    "sft": "train.sft",
}


def __getattr__(name: str) -> Any:
    """A public name, imported at its first use."""
    if name in _DEFINED:
        value = getattr(import_module(f"unveil.{_DEFINED[name]}"), name)
    elif name in _COMMANDS:
        command = import_module(f"unveil.{_COMMANDS[name]}")
        value = import_module("unveil.core.functions").function(name, command.Config, command.main)
    else:
        raise AttributeError(f"module 'unveil' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
