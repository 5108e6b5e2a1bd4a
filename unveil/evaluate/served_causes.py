"""Why a server answers otherwise than the model that it is said to run.

First what is asked: how many tokens the server makes of a question without an image (another chat template), and of one
with (another size of the image). Then who answers: the questions whose answers differ are asked here again, of the same
weights in another precision, of the model under the training, of an adapter without its part on the vision tower; the
one that answers as the server does is the cause.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from unveil.core import console
from unveil.core.digests import folder_of
from unveil.core.jsonl import read_jsonl, write_jsonl
from unveil.core.records import Dialogue, Prediction, image_path, rebased
from unveil.core.run_folder import RunModel
from unveil.evaluate import predict
from unveil.evaluate.options import PredictOptions
from unveil.evaluate.served_options import ServedOptions
from unveil.experts.remote_answers import RemoteAnswers
from unveil.vlm import models
from unveil.vlm.families import ModelError
from unveil.vlm.generate import GenerationError

#: Questions that suspects are asked.
SOME = 24
#: A question without an image, by which chat templates are compared.
PLAIN = "Is anything abnormal in this image?"
#: The share of a suspect's answers that must be the server's.
ENOUGH = 0.8
UNKNOWN = (
    "not found: what is asked has as many tokens, and neither another precision nor the model before training answers "
    "as the server does. Left are how it resizes or normalises images, and its kernels"
)
RAW = "; or log-probabilities before ids are banned (--logprobs-mode processed_logprobs tells those after)"
Both = Sequence[tuple[Prediction, Prediction]]


def connected(config: ServedOptions, found: RunModel, out: Path) -> RemoteAnswers:
    """The server; the gate is before it if it is another machine."""
    assert found.dialogues
    return RemoteAnswers(
        config.url, config.engine, config, found.dialogues, found.records, out, config.split, kept=True
    )


@dataclass(frozen=True)
class Suspect:
    """A model that may be the one that answers."""

    cause: str
    asked: PredictOptions
    rounds: str = ""
    """The precision, where nothing but that is another one."""


def causes(
    config: ServedOptions, found: RunModel, asked: PredictOptions, server: RemoteAnswers, both: Both
) -> list[str]:
    """What explains the differences, in words; where nothing does, what is left."""
    worst = sorted(both, key=lambda pair: (pair[0].answer == pair[1].answer, -_apart(*pair)))[:SOME]
    wanted = {p.id for p, _ in worst}
    questions = [d for d in read_jsonl(asked.dialogues, Dialogue) if d.id in wanted]
    if said := prompts(server, asked, questions[0]):
        return [said]
    with TemporaryDirectory() as folder:
        return _who(config, found, asked, worst, questions, Path(folder))


def prompts(server: RemoteAnswers, asked: PredictOptions, question: Dialogue) -> str | None:
    """What differs in what the server is asked, told by the number of tokens that it makes of it."""
    chat = models.chat_of(asked.model, **asked.how)
    row = chat.encode(question, image_path(question, asked.dialogues), with_answer=False)
    try:
        plain, seen = server.reads(chat, PLAIN), server.reads(chat, "", question, row)
    except GenerationError as error:  # such as one that takes no question without an image
        console.say(f"note: how many tokens the server makes of a question is not known: {error}")
        return None
    here = len(chat.encode_text("plain", PLAIN).prompt)
    if plain is not None and plain != here:
        return (
            f"template: the server makes {plain} tokens of a question without an image, this process {here}: it has "
            "another chat template, or adds tokens of its own"
        )
    if seen is not None and seen != len(row.prompt):
        return (
            f"resize: the server makes {seen} tokens of {question.id} with its image, this process {len(row.prompt)}, "
            "and as many of one without: it has other bounds on an image's size (mm-processor settings of the server, "
            "preprocessor_config.json), or another question's form"
        )
    return None


def _who(
    config: ServedOptions,
    found: RunModel,
    asked: PredictOptions,
    worst: Both,
    questions: Sequence[Dialogue],
    folder: Path,
) -> list[str]:
    """Asks the suspects, and names the one that answers as the server does.

    Two programs that compute in bf16 round otherwise, so of a precision it is enough that the server is as far from
    what is answered here as this precision is.
    """
    file = folder / "dialogues.jsonl"
    write_jsonl(file, [rebased(d, asked.dialogues, file) for d in questions])
    ours, theirs = {p.id: p for p, _ in worst}, {q.id: q for _, q in worst}
    before, apart = likeness(list(ours.values()), theirs)
    perhaps: list[str] = []
    for i, suspect in enumerate(_suspects(found, asked, folder)):
        console.say(f"asked too: {suspect.cause}")
        out = folder / f"suspect-{i}.jsonl"
        try:
            predict.main(replace(suspect.asked, dialogues=file, out=out, limit=None, engine="own"))
        except ModelError as error:  # it cannot answer so here
            console.say(f"it cannot be asked: {error}")
            continue
        said = list(read_jsonl(out, Prediction))
        equal, _ = likeness(said, theirs)
        if equal > before and equal >= ENOUGH:
            alike = f"{round(equal * len(worst))} of {len(worst)} of the answers looked at are the server's"
            return [f"{suspect.cause} ({alike}; {round(before * len(worst))} as it is here)"]
        _, by_rounding = likeness(said, ours)
        if suspect.rounds and apart and by_rounding and 0.5 <= apart / by_rounding <= 2:
            figures = (
                f"mean |log p - log q| {apart:.2g}, and {by_rounding:.2g} between {suspect.rounds} and what is here"
            )
            perhaps.append(f"{suspect.cause}, by how far it is from this process ({figures})")
    return perhaps[:1] or [UNKNOWN + (RAW if config.engine == "vllm" and before == 1 else "")]


def differences(ours: Prediction, theirs: Prediction) -> list[float]:
    """|log p - log q| of each token that both wrote behind the same beginning."""
    found, start = [], 0
    for (end, p), (other, q) in zip(ours.tokens, theirs.tokens, strict=False):
        if end != other or ours.answer[start:end] != theirs.answer[start:end]:
            break
        found.append(abs(p - q))
        start = end
    return found


def likeness(said: Sequence[Prediction], theirs: dict[str, Prediction]) -> tuple[float, float]:
    """The share of answers that are the same, and the mean difference of log-probabilities, 0 where it is not known."""
    equal = sum(p.answer == theirs[p.id].answer for p in said) / len(said)
    apart = [v for p in said for v in differences(p, theirs[p.id])]
    return equal, sum(apart) / len(apart) if apart else 0.0


def _apart(ours: Prediction, theirs: Prediction) -> float:
    return sum(differences(ours, theirs))


def _suspects(found: RunModel, asked: PredictOptions, folder: Path) -> Iterator[Suspect]:
    from unveil.vlm import exported

    if (blind := exported.without_sight(found.folder, folder / "blind")) is not None:
        cause = "missing vision LoRA: the server applies the adapter to the language model only"
        yield Suspect(cause, replace(asked, model=str(blind)))
    base = (found.training or {}).get("config", {}).get("model")
    if base and (folder_of(base).is_dir() or models.is_here(base)):
        cause = f"weights: the server answers as {Path(base).name}, from which training began: without what was learnt"
        yield Suspect(cause, replace(asked, model=str(base), box_format=None))
    device = models.default_device()
    usual = models.default_dtype(device)
    for precision, dtype in models.DTYPES.items():
        slow = precision == "fp16" and device.type == "cpu"
        if dtype != models.DTYPES.get(asked.precision, usual) and not slow:
            other: Any = precision
            yield Suspect(f"dtype: the server computes in {precision}", replace(asked, precision=other), precision)
