"""Review files: who has looked at what, and when."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from unveil.gate import GateError, reviews
from unveil.gate.reviews import hash_of

TEXTS = ("Anna has a mass.", "A mass in the left lung.")


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def completed(path: Path, head: dict[str, Any], decisions: tuple[str, ...] = ("keep", "send")) -> Path:
    """A review file as a person leaves it."""
    reviews.write(path, "texts", ({"sha256": hash_of(text), "text": text} for text in TEXTS))
    first, *rest = lines(path)
    rest = [{**line, "decision": decision} for line, decision in zip(rest, decisions, strict=True)]
    path.write_text("".join(json.dumps(line) + "\n" for line in ({**first, **head}, *rest)))
    return path


SIGNED = {"reviewer": "A. Reviewer, data protection", "date": "2026-01-31"}


def test_what_is_sent_and_kept_with_who_has_looked_and_when(tmp_path: Path) -> None:
    review = reviews.read(completed(tmp_path / "r.jsonl", SIGNED), "texts")
    assert (review.reviewer, review.date) == ("A. Reviewer, data protection", "2026-01-31")
    assert review.allows(hash_of(TEXTS[1])) and hash_of(TEXTS[0]) in review.kept
    assert review.about["sent"] == review.about["kept"] == 1 and "path" not in review.about


def test_what_is_not_decided_is_kept(tmp_path: Path) -> None:
    review = reviews.read(completed(tmp_path / "r.jsonl", SIGNED, ("", "send")), "texts")
    assert hash_of(TEXTS[0]) in review.kept


def test_the_hash_of_a_text_heeds_neither_spaces_nor_control_tokens() -> None:
    assert hash_of("a  mass\n<|im_start|>") == hash_of("a mass") != hash_of("A mass")


@pytest.mark.parametrize(
    ("head", "why"),
    [
        ({}, "who has reviewed"),
        ({"reviewer": " ", "date": "2026-01-31"}, "who has reviewed"),
        ({"reviewer": "A"}, "when was it reviewed"),
        ({"reviewer": "A", "date": "31.1.2026"}, "when was it reviewed"),
        ({"reviewer": "A", "date": "2999-01-01"}, "yet to come"),
        ({**SIGNED, "reviewed": "images"}, "a review of images, and one of texts is needed"),
        ({**SIGNED, "reviewed": "all"}, "its first line says what was reviewed"),
    ],
)
def test_a_review_that_nobody_answers_for_is_none(head: dict[str, Any], why: str, tmp_path: Path) -> None:
    with pytest.raises(GateError, match=why):
        reviews.read(completed(tmp_path / "r.jsonl", head), "texts")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"decision": "yes"}, r'r.jsonl:2: the decision is "send" or "keep", not \'yes\''),
        ({"text": "Anna has no mass."}, "r.jsonl:2: the text is not the one of its sha256"),
        ({"sha256": None}, "r.jsonl:2: each line after the first needs the sha256"),
        ({"sha256": hash_of(TEXTS[1]), "text": TEXTS[1]}, "r.jsonl:3: this item is decided twice, and not alike"),
    ],
)
def test_a_line_that_was_changed_is_refused(change: dict[str, Any], why: str, tmp_path: Path) -> None:
    path = completed(tmp_path / "r.jsonl", SIGNED)
    head, first, *rest = lines(path)
    path.write_text("".join(json.dumps(line) + "\n" for line in (head, {**first, **change}, *rest)))
    with pytest.raises(GateError, match=why):
        reviews.read(path, "texts")


@pytest.mark.parametrize("content", ["", "[]\n", "{\n", "not JSON\n"])
def test_a_file_that_is_no_review_is_named(content: str, tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    path.write_text(content)
    with pytest.raises(GateError, match=r"r\.jsonl"):
        reviews.read(path, "texts")
    with pytest.raises(GateError, match=r"none\.jsonl"):
        reviews.read(tmp_path / "none.jsonl", "texts")
