"""Name finders: what finds the names of persons in free text. Without one, or a review, free text does not leave."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from unveil.core import plugins
from unveil.gate import GateError
from unveil.gate.words import harmless

#: Where somebody is named in a text: from, to (half-open, in characters), and the kind of what stands there.
Place = tuple[int, int, str]
Finder = Callable[[str], list[Place]]

#: What of Presidio's is taken, and what it is called here. Its dates and places are left out: they stop four of ten
#: sentences of radiology, and have rules of our own. So have e-mails, for which it would fetch the list of public
#: suffixes from the network.
PRESIDIO = {
    "PERSON": "name",
    "PHONE_NUMBER": "phone number",
    "IP_ADDRESS": "address in a network",
    "MEDICAL_LICENSE": "licence number",
    "CREDIT_CARD": "account number",
    "IBAN_CODE": "account number",
    "US_SSN": "social security number",
    "US_PASSPORT": "national number",
    "US_DRIVER_LICENSE": "licence number",
    "UK_NHS": "national number",
    "ES_NIF": "national number",
    "IT_FISCAL_CODE": "national number",
    "IN_AADHAAR": "national number",
    "IN_PAN": "national number",
    "AU_MEDICARE": "national number",
}
MODEL = "en_core_web_lg"
#: How sure Presidio must be: as of a telephone number without a word beside it (0.4) or a person (0.85), and surer than
#: of "T2" as a driver's licence (0.3) or of any nine digits as a social security number (0.05).
SURE = 0.4
_GRADE = re.compile(r"[IVX]+[A-Fa-f]?|[^\W\d_]{0,5}-?\d{1,2}[A-Za-z]?")


def finder(option: str) -> Finder:
    """What ``--names`` asks for: FILE.py:FUNCTION, or presidio, or presidio:MODEL with a model of spaCy's (its name, or
    its folder).

    Raises ``GateError`` where it is not to be had; nothing is downloaded.
    """
    name, _, model = option.partition(":")
    if name == "presidio":
        return _presidio(model or MODEL)
    try:
        return _checked(plugins.function(option), option)
    except plugins.PluginError as error:
        raise GateError(f"--names {error}, or presidio, or presidio:MODEL") from error


def _checked(function: Callable[[str], Any], option: str) -> Finder:
    """A user's function, of which each answer is looked at: a finder that fails lets nothing pass."""

    def find(text: str) -> list[Place]:
        try:
            return [_place(found, len(text)) for found in function(text)]
        except Exception as error:  # whatever a user's function raises
            raise GateError(f"--names {option}: {type(error).__name__}: {error}") from error

    return find


def _place(found: Any, length: int) -> Place:
    """One answer of a user's function: (start, end) or (start, end, kind)."""
    start, end, *kind = found
    if type(start) is not int or type(end) is not int or not 0 <= start < end <= length or len(kind) > 1:
        raise ValueError(f"a place is (start, end) or (start, end, kind) within the text, not {found!r}")
    return start, end, str(kind[0]) if kind else "name"


def _medicine(text: str) -> bool:
    """Whether a name consists of words of medicine and eponyms ("Crohn", "Bosniak IIF"), which models of everyday's
    language take for persons."""
    said = re.findall(r"[^\W_]{2,}(?:['\u2019-][^\W_]+)*", text)
    return bool(said) and all(harmless(word) or _GRADE.fullmatch(word) for word in said)


def _presidio(model: str) -> Finder:
    """Microsoft's Presidio with a model of spaCy's that is installed: it would download one that is not."""
    try:
        import spacy
        from presidio_analyzer import AnalyzerEngine
        from presidio_analyzer.nlp_engine import NlpEngineProvider
    except ImportError as error:
        raise GateError(f"--names presidio is not installed ({error}): pip install 'unveil[names]'") from error
    if not (spacy.util.is_package(model) or (Path(model) / "meta.json").is_file()):
        raise GateError(
            f"--names presidio: spaCy's model {model} is not installed, and none is downloaded unasked: "
            f"`python -m spacy download {model}`, or name another one, or its folder, with --names presidio:MODEL"
        )
    language = str(spacy.util.get_model_meta(model)["lang"]) if Path(model).is_dir() else model.split("_")[0]
    engines = {"nlp_engine_name": "spacy", "models": [{"lang_code": language, "model_name": model}]}
    engine = NlpEngineProvider(nlp_configuration=engines).create_engine()
    analyser = AnalyzerEngine(nlp_engine=engine, supported_languages=[language])
    lock = threading.Lock()  # requests are written by several threads

    def find(text: str) -> list[Place]:
        with lock:
            found: Iterable[Any] = analyser.analyze(text, language, entities=list(PRESIDIO), score_threshold=SURE)
        places = [(place.start, place.end, PRESIDIO[place.entity_type]) for place in found]
        return [place for place in places if not (place[2] == "name" and _medicine(text[place[0] : place[1]]))]

    return find
