"""Phrases: sentences that say what is seen, each with the findings that are its places."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from unveil.core.answers import clean
from unveil.core.geometry import Box
from unveil.core.records import Finding


@lru_cache(maxsize=1 << 14)  # an image's phrases are compared with one another
def asked_as(phrase: str) -> str:
    """A phrase as a question names it: on one line, without control tokens and without its full stop."""
    return " ".join(clean(phrase).split()).rstrip(" .\u3002")


def in_languages(finding: Finding, language: str | None) -> dict[str | None, str]:
    """A finding's phrase by language, that of the record first; None where nobody has said which that is."""
    said: dict[str | None, str] = {language: finding.phrase or ""}
    said |= {code: text for code, text in finding.translations.items() if code != language}
    return {code: asked for code, text in said.items() if (asked := asked_as(text))}


def of_phrase(findings: Sequence[Finding], phrase: str) -> list[Finding]:
    """The findings of a phrase, in whatever language it is given: one that is translated at one place is at all."""
    wanted = asked_as(phrase)
    if not wanted:
        return []
    own = {asked_as(f.phrase or "") for f in findings if wanted in in_languages(f, None).values()}
    return [f for f in findings if f.phrase and asked_as(f.phrase) in own]


def boxes(findings: Sequence[Finding]) -> list[Box] | None:
    """The places of findings, each once: several names may share one; None where one of them has none."""
    found = [f.box for f in findings if f.box]
    return list(dict.fromkeys(found)) if len(found) == len(findings) else None
