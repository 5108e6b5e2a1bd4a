"""How questions are worded, and what is told of the form of their answers."""

from __future__ import annotations

from collections.abc import Iterator

from unveil.core.records import Kind

#: Question wordings by kind. The first one is always used for validation and test.
QUESTIONS: dict[Kind, tuple[str, ...]] = {
    "detection": (
        "Is anything abnormal in this image?",
        "Does this image show an abnormality?",
        "Do you see anything abnormal?",
    ),
    "localisation": ("Where is the {}?", "Point at the {}.", "Locate the {}."),
    "recognition": ("What is in this region: {}?", "What does the region {} show?", "Name the finding at {}."),
    "diagnosis": (
        "Give the diagnosis: detection, localisation, recognition.",
        "Examine the image in three steps: detection, localisation, recognition.",
        "Detect, localise and name what is abnormal.",
    ),
    "grounding": ("Where is this seen: {}?", "Point at what this describes: {}.", "Mark where this is seen: {}."),
    "report": ("Write the {} for this image.", "Look at this image and write the {}.", "Give the {} of this image."),
}

#: The wordings of questions about phrases by the ISO 639-1 code of the phrase; the others are asked about in English.
IN_LANGUAGE: dict[str, tuple[str, ...]] = {
    "en": QUESTIONS["grounding"],
    "es": ("¿Dónde se ve esto: {}?", "Señala lo que describe esta frase: {}.", "Marca dónde se ve esto: {}."),
    "zh": ("图中哪里可以看到：{}？", "请指出这句话描述的位置：{}。", "请标出：{}。"),
}
#: The same of questions for reports.
REPORT_IN_LANGUAGE: dict[str, tuple[str, ...]] = {
    "en": QUESTIONS["report"],
    "es": ("Escribe {} de esta imagen.", "Informa sobre esta imagen: da {}.", "Redacta {} de esta imagen."),
    "zh": ("请写出这张图像的{}。", "请根据这张图像给出{}。", "请撰写这张图像的{}。"),
}
#: What the parts of a report are called in these languages.
PARTS: dict[str, dict[str, str]] = {
    "en": {"findings": "findings of a report", "impression": "impression of a report", "report": "report"},
    "es": {"findings": "los hallazgos", "impression": "la impresión", "report": "el informe"},
    "zh": {"findings": "影像所见", "impression": "影像诊断意见", "report": "报告"},
}

#: Added to the question for models that have not been taught the answer's form yet (``families.Profile.hint``).
HINTS: dict[Kind, str] = {
    "detection": "Answer yes or no.",
    "localisation": "Answer with one bounding box for each, such as {box}, or with: None.",
    "recognition": "Answer with its name only.",
    "diagnosis": (
        "Answer in three lines. Detection: abnormal or normal. Localisation: one bounding box for each abnormality, "
        "such as {box}, separated by semicolons. Recognition: their names in the same order, separated by semicolons."
    ),
    "grounding": "Answer with one bounding box for each place, such as {box}.",
    "report": "Answer with the text alone.",
    "closed": "Answer with a single word or phrase.",
    "choice": "Answer with the letter of the right option.",
    "open": "Answer briefly.",
}


def wordings(kind: Kind, language: str | None = None) -> tuple[str, ...]:
    """The wordings of a kind, those of a question about a phrase, or for a report, in its language where there are
    any."""
    several = {"grounding": IN_LANGUAGE, "report": REPORT_IN_LANGUAGE}.get(kind, {})
    return several.get(language or "en", QUESTIONS[kind])


def filled(kind: Kind, form: str, target: str | None, language: str | None = None) -> str:
    """A wording with what the question is about."""
    if kind != "report":
        return form.format(target)
    return form.format(PARTS.get(language or "en", PARTS["en"])[target or "report"])


def asked_about(kind: Kind, question: str) -> str | None:
    """What a question of this kind, in one of the wordings above, is about ("" for a whole image); None if it is none.

    The inverse of filling in a wording.
    """
    if kind == "report":
        return next((part for text, part in _reports() if text == question.strip()), None)
    forms = QUESTIONS.get(kind, ())
    if kind == "grounding":
        forms = tuple(form for several in IN_LANGUAGE.values() for form in several)
    for form in forms:
        before, _, after = form.partition("{}")
        text = question.strip()
        if "{}" not in form and text == form:
            return ""
        if "{}" in form and text.startswith(before) and text.endswith(after) and len(text) > len(before) + len(after):
            return text[len(before) : len(text) - len(after)]
    return None


def _reports() -> Iterator[tuple[str, str]]:
    """Every question for a report, with the part that it asks for."""
    for language, forms in REPORT_IN_LANGUAGE.items():
        for form in forms:
            yield from ((form.format(words), part) for part, words in PARTS[language].items())


def hinted(question: str, hint: str) -> str:
    """A question with what is told of its answer's form, on a line of its own below a question of several lines."""
    return f"{question}{chr(10) if chr(10) in question else ' '}{hint}" if hint else question
