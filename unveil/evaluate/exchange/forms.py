"""The forms in which others keep predictions: how a row is told, read and written."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from unveil.core.box_formats import BOX_FORMATS, PIXELS, View, neutral, render
from unveil.core.choices import write_choice
from unveil.core.dialects import answer_text
from unveil.core.grading import ScoreError
from unveil.core.records import Dialogue, Prediction, Record, RecordError

Form = Literal["unveil", "medevalkit", "lmms-eval", "vlmevalkit", "llava-med", "flare"]
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Given:
    """An answer of a file that others made, with what it says of the question."""

    place: str
    """Where it stands, such as "row 3"."""
    answer: str
    ids: tuple[str, ...] = ()
    """How the question may be called there."""
    question: str = ""
    image: str = ""
    gold: str = ""
    """The true answer, as the file has it."""


@dataclass(frozen=True)
class ToWrite:
    """A prediction of ours with what it answers, as writers need it."""

    prediction: Prediction
    dialogue: Dialogue
    record: Record

    @property
    def question(self) -> str:
        return plain_question(self.dialogue)

    @property
    def image(self) -> str:
        return self.record.source.file or self.record.image


@dataclass(frozen=True)
class PredictionForm:
    """A form: ``fits`` tells it by the keys of a row."""

    fits: Callable[[Row], bool]
    read: Callable[[Row, str], Given]
    write: Callable[[int, ToWrite], dict[str, Any]]
    layout: Literal["lines", "list", "table"]


def plain_question(dialogue: Dialogue) -> str:
    """A question without its options below it."""
    return (
        dialogue.question.partition("\n" + write_choice(dialogue.choices, 0))[0]
        if dialogue.choices
        else dialogue.question
    )


def in_pixels(row: Prediction, size: tuple[int, int]) -> str:
    """An answer with its boxes in pixels of the image of that size: other forms tell neither format nor frame.

    Raises ``ScoreError`` where its box format is not known.
    """
    text = neutral(spoken(row), View(BOX_FORMATS[row.box_format], size, row.frame))
    return render(text, View(PIXELS, size, size))


def spoken(row: Prediction) -> str:
    """What of a prediction is the answer (``dialects``); raises ``ScoreError`` where its box format is not known."""
    if row.box_format not in BOX_FORMATS:
        raise ScoreError(f"{row.id}: unknown box format {row.box_format!r}; known are {', '.join(BOX_FORMATS)}")
    return answer_text(row.answer, BOX_FORMATS[row.box_format])


def text_of(value: Any) -> str:
    """A value as text: the one of a list of one, a whole number without a point."""
    while isinstance(value, list) and len(value) == 1:
        value = value[0]
    if value is None or isinstance(value, (dict, list)):
        return ""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value)


def answer_of(value: Any) -> str:
    """An answer as text, with nothing of it lost: several texts after another, an object or several numbers as JSON."""
    while isinstance(value, list) and len(value) == 1:
        value = value[0]
    if isinstance(value, list) and value and all(isinstance(one, str) for one in value):
        return "; ".join(value)
    return json.dumps(value, ensure_ascii=False) if isinstance(value, (dict, list)) and value else text_of(value)


def _first(row: Row, *names: str) -> str:
    return next((said for name in names if (said := text_of(row.get(name)))), "")


def _ids(row: Row, *names: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(said for name in names if (said := text_of(row.get(name)))))


NAMES = ("id", "uid", "qid", "question_id", "questionId", "QuestionID", "ID")
IMAGES = ("image", "image_path", "img_name", "image_name", "ImageName", "img_path", "image_file", "file_name")


def _about(row: Row, *questions: str) -> dict[str, str]:
    return {"question": _first(row, *questions), "image": _first(row, *IMAGES)}


# ---------------------------------------------------------------------------------------------------------- MedEvalKit


def _read_medevalkit(row: Row, place: str) -> Given:
    """``results.json``: the sample as its data set has it, with the response; most data sets give it no id."""
    gold = text_of(row.get("answer"))
    return Given(place, answer_of(row.get("response")), _ids(row, *NAMES), gold=gold, **_about(row, "question"))


def _write_medevalkit(number: int, row: ToWrite) -> dict[str, Any]:
    d = row.dialogue
    return {
        "id": d.id,
        "image_path": row.image,
        "question": row.question,
        "choices": list(d.choices),
        "answer": d.answer,
        "answer_type": "OPEN" if d.kind == "open" else "CLOSED",
        "lang": d.language or "",
        "response": row.prediction.answer,
    }


# ----------------------------------------------------------------------------------------------------------- lmms-eval


def _read_lmms(row: Row, place: str) -> Given:
    """``*_samples_*.jsonl``: versions differ in whether the document stands there; its id is also in what a metric
    keeps of a sample. ``doc_id`` is a place in the data set's order, by which nothing is matched."""
    answer = row["filtered_resps"] if row.get("filtered_resps") not in (None, [], "") else row.get("resps")
    while isinstance(answer, list) and len(answer) == 1:
        answer = answer[0]
    if isinstance(answer, list) and answer:
        raise RecordError(f"{place} has {len(answer)} answers to one question; keep the one that counts")
    doc = row.get("doc") if isinstance(row.get("doc"), dict) else {}
    kept = [value for value in row.values() if isinstance(value, dict) and value is not doc]
    ids = tuple(dict.fromkeys(one for of in (doc, *kept) for one in _ids(of or {}, *NAMES)))
    about = _about(doc or {}, "question")
    about["question"] = about["question"] or text_of(row.get("input"))
    return Given(place, answer_of(answer), ids, gold=text_of(row.get("target")), **about)


def _write_lmms(number: int, row: ToWrite) -> dict[str, Any]:
    d = row.dialogue
    doc = {"id": d.id, "question": row.question, "image": row.image, "answer": d.answer}
    return {
        "doc_id": number,
        "doc": doc,
        "input": d.question,
        "target": d.answer,
        "resps": [[row.prediction.answer]],
        "filtered_resps": [row.prediction.answer],
    }


# ---------------------------------------------------------------------------------------------------------- VLMEvalKit


def _read_vlmevalkit(row: Row, place: str) -> Given:
    """A table with ``index`` and ``prediction``. A number alone is a place in the order of its data set, by which
    nothing is matched: it is a name only where the question is told too."""
    index = text_of(row["index"])
    ids = _ids(row, *NAMES, *(() if index.isdigit() and not row.get("question") else ("index",)))
    return Given(place, answer_of(row["prediction"]), ids, gold=text_of(row.get("answer")), **_about(row, "question"))


def _write_vlmevalkit(number: int, row: ToWrite) -> dict[str, Any]:
    d = row.dialogue
    return {
        "index": d.id,
        "image_path": row.image,
        "question": row.question,
        "answer": d.answer,
        "prediction": row.prediction.answer,
    }


# ----------------------------------------------------------------------------------------------------------- LLaVA-Med


#: What LLaVA-Med's questions of VQA-RAD and SLAKE have behind them where they are closed, before the options.
_OFFER = re.compile(r"\s*Please choose from\b.*\Z", re.DOTALL)


def _read_llava_med(row: Row, place: str) -> Given:
    """``answer-file.jsonl``: what the question is called, the prompt and the text."""
    asked = _OFFER.sub("", text_of(row.get("prompt")))
    return Given(place, answer_of(row["text"]), _ids(row, "question_id"), asked, _first(row, *IMAGES))


def _write_llava_med(number: int, row: ToWrite) -> dict[str, Any]:
    p = row.prediction
    return {
        "question_id": p.id,
        "prompt": row.dialogue.question,
        "text": p.answer,
        "answer_id": f"{p.id}:{p.model}",
        "model_id": p.model,
        "metadata": {},
    }


# --------------------------------------------------------------------------------------------------------------- FLARE


def _fits_flare(row: Row) -> bool:
    return {"uid", "prediction"} <= row.keys() or ({"Question", "Answer"} <= row.keys() and "ImageName" in row)


def _read_flare(row: Row, place: str) -> Given:
    """The challenge's list of questions, filled in, or rows of ``uid`` and ``prediction``."""
    answer = row["prediction"] if "prediction" in row else row["Answer"]
    return Given(place, answer_of(answer), _ids(row, *NAMES), **_about(row, "Question", "question"))


#: What FLARE calls the tasks; of kinds that it has not, the nearest.
_PLACES, _REPORT = ("localisation", "grounding", "diagnosis"), "Report Generation"


def _task(kind: str) -> str:
    return "Detection" if kind in _PLACES else {"report": _REPORT, "open": "Open"}.get(kind, "Classification")


def _write_flare(number: int, row: ToWrite) -> dict[str, Any]:
    d = row.dialogue
    return {
        "uid": d.id,
        "TaskType": _task(d.kind),
        "Modality": row.record.modality or "",
        "ImageName": row.image,
        "Question": d.question,
        "Answer": row.prediction.answer,
        "Split": d.split or "",
    }


def _has(*names: str) -> Callable[[Row], bool]:
    return lambda row: set(names) <= row.keys()


FORMS: dict[Form, PredictionForm] = {
    "lmms-eval": PredictionForm(_has("doc_id", "filtered_resps"), _read_lmms, _write_lmms, "lines"),
    "llava-med": PredictionForm(_has("question_id", "text"), _read_llava_med, _write_llava_med, "lines"),
    "medevalkit": PredictionForm(_has("response"), _read_medevalkit, _write_medevalkit, "list"),
    "flare": PredictionForm(_fits_flare, _read_flare, _write_flare, "list"),
    "vlmevalkit": PredictionForm(_has("index", "prediction"), _read_vlmevalkit, _write_vlmevalkit, "table"),
}
#: The keys by which a row is told for one of ours.
OURS = {"id", "record", "kind", "answer", "box_format"}


def told(row: Row) -> Form | None:
    """The form of a row, by its keys; None for none of them."""
    if row.keys() >= OURS:
        return "unveil"
    return next((name for name, form in FORMS.items() if form.fits(row)), None)


def described() -> str:
    """What files are read, in words."""
    keys: Sequence[str] = (
        "unveil (predictions.jsonl)",
        "medevalkit (results.json: response)",
        "lmms-eval (samples_*.jsonl: doc_id, filtered_resps)",
        "vlmevalkit (TSV or XLSX: index, prediction)",
        "llava-med (question_id, text)",
        "flare (ImageName, Question, Answer; or uid, prediction)",
    )
    return ", ".join(keys)
