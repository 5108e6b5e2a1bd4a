"""What the gate's rules find in texts, what passes, and that time grows with the text alone.

``gate_found.tsv`` and ``gate_passes.txt`` hold forms that hospitals of many countries write; nobody in them is real.
"""

from __future__ import annotations

import importlib
import math
import pkgutil
import re
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from unveil import curate, experts
from unveil.gate.finding import Found, find
from unveil.gate.rule import Searched
from unveil.gate.rules.identifiers import RULES

HERE = Path(__file__).parent
FOUND = [line.split("\t") for line in (HERE / "gate_found.tsv").read_text(encoding="utf-8").splitlines()[1:]]
PASSES = (HERE / "gate_passes.txt").read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize("group", dict.fromkeys(group for group, _ in FOUND))
def test_what_identifies_is_found(group: str) -> None:
    """Each part in braces is touched by something found."""
    missed = []
    for marked in (marked for its, marked in FOUND if its == group):
        text, secrets = unmarked(marked)
        places = find(text)
        touched = [any(place.start < end and place.end > start for place in places) for start, end in secrets]
        missed += [] if touched and all(touched) else [marked]
    assert missed == []


def unmarked(marked: str) -> tuple[str, list[tuple[int, int]]]:
    """The text without braces, and where they stood."""
    text, secrets = "", []
    for n, part in enumerate(re.split("[{}]", marked)):
        secrets += [(len(text), len(text) + len(part))] if n % 2 else []
        text += part
    return text, secrets


def test_what_is_medicine_passes() -> None:
    assert [(text, text[place.start : place.end], place.rule) for text in PASSES for place in find(text)] == []


@pytest.mark.parametrize(
    ("text", "kind", "secret"),
    [
        ("Seen by Dr. Okonjo.", "name", "Okonjo"),
        ("She lives in Ashbourne.", "place", "Ashbourne"),
        ("On 3 April 2019.", "date", "3 April 2019"),
        ("A 93-year-old man.", "age over 89", "93-year-old"),
        ("Tel. 030 1234567", "phone or fax", "030 1234567"),
        ("Write to j.roe@example.org", "e-mail", "j.roe@example.org"),
        ("SSN 219-09-9999", "social security number", "219-09-9999"),
        ("MRN 4471290", "record number", "4471290"),
        ("Policy number 88203441", "health plan number", "88203441"),
        ("Account 8830021", "account number", "8830021"),
        ("Licence no. F2559210", "licence number", "F2559210"),
        ("Number plate ABC-1234", "vehicle", "ABC-1234"),
        ("Serial number A99812", "device", "A99812"),
        ("See https://example.org/a", "URL", "https://example.org/a"),
        ("From 192.168.4.17 on", "IP address", "192.168.4.17"),
        ("Fingerprint on file", "biometric", "Fingerprint on file"),
        ("In /home/roe/a.dcm", "file path", "/home/roe/a.dcm"),
        ("Of 3f2504e0-4f89-11d3-9a0c-0305e82c3301", "other number", "3f2504e0-4f89-11d3-9a0c-0305e82c3301"),
    ],
)
def test_each_kind_of_hipaa_has_a_rule(text: str, kind: str, secret: str) -> None:
    """The eighteen kinds but for photographs, which no text has, and with file paths."""
    [place] = find(text)
    assert place.kind == kind and secret in text[place.start : place.end]


def test_what_we_write_ourselves_passes() -> None:
    """All texts in the code of curate and in the wordings, which every request is made of."""
    names = [
        f"{package.__name__}.{module.name}"
        for package in (curate, experts)
        for module in pkgutil.iter_modules(package.__path__)
    ]
    for module in map(importlib.import_module, ["unveil.core.answers", *names]):
        for name, value in vars(module).items():
            for text in strings(value) if name.isupper() else ():
                assert not find(text), f"{module.__name__}.{name}"


def strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | tuple | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from strings(inner)


# ------------------------------------------------------------------------------------------------------ name finder


def test_all_that_a_name_finder_tells_is_found() -> None:
    """It tells three places: a name that no rule finds, an eponym, an ordinary word."""
    text = "Quillfeather, Crohn, Effusion"
    told: list[Any] = [(0, 12), (14, 19), (21, 29, "name")]
    assert find(text, names=lambda _: told) == [Found(start, end, "name", "name finder") for start, end, *_ in told]


def test_a_name_finder_that_points_outside_the_text_is_an_error() -> None:
    with pytest.raises(ValueError, match="from 3 to 9 in a text of 5"):
        find("abcde", names=lambda _: [(3, 9)])


def test_overlapping_places_are_one_and_in_order() -> None:
    text = "Mail j.roe@example.org or see Dr. Okonjo, MRN 4471290"
    at = text.index("Dr.")
    places = find(text, names=lambda _: [(at, at + 8)])
    assert [text[place.start : place.end] for place in places] == ["j.roe@example.org", "Dr. Okonjo", "4471290"]


# --------------------------------------------------------------------------------------------------------- time

#: Short pieces of which hostile and spoilt texts are made.
_PIECES = (
    r"1.1.1.|1-1-|a.a.|A A |a@|/a|:a:|1 1 |1/1/|A.|Aa Bb |John |John, |a_|%41|&#65;|<a>|.com |a.com|x^|X^Y |1:"
    r"|00:|ab:|C:\a|MRN |MRN 1 |1st |Jan |1 Jan |Dr. |dr |of |de la |St. |Street |1 Aa |@a |+1 |(1)|0 1 |nine "
    r"|ninety |A|a|1|.| |12 |1234 |王|患者|年|1月|김|Иван |A1|1A|-|--|**|`|\|'|A-|J |J o |Aa, |by |Signed by "
    r"|patient |Patient: |at |dot |Hospital |Aa Hospital |NRM |Xx|aB |QUJD|=|*/|<!--|A'|a'|A&|a-a |A;|(A)|1'|s a |a1-"
)
PIECES = _PIECES.split("|")


def seconds(work: Callable[[], object], enough: float = 0.05) -> float:
    """The least CPU time of up to three runs, since what others do on the machine only adds to it; of fewer where one
    took no longer than is ``enough``."""
    times: list[float] = []
    while len(times) < 3 and min(times, default=math.inf) > enough:
        began = time.process_time()
        work()
        times.append(time.process_time() - began)
    return min(times)


def ratio(work: Callable[[str], object], piece: str, size: int) -> float:
    """How many times longer four times as much takes: 4 where time is linear, 16 where it is quadratic."""
    small, large = ((piece * (n // len(piece) + 1))[:n] for n in (size, 4 * size))
    return seconds(lambda: work(large)) / max(seconds(lambda: work(small)), 1e-4)


def literals(pattern: str) -> list[str]:
    """Pieces that a pattern itself names, each also beside a number: what it goes farthest on."""
    words = sorted(set(re.findall(r"[A-Za-z]{2,12}", re.sub(r"\\.|\(\?P?<?\w*>?", " ", pattern))))
    return [f"{word}{gap}" for word in words[:: max(1, len(words) // 3)] for gap in (" ", " 1 ", ". A")]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: f"{rule.kind}: {rule.name}")
def test_no_pattern_is_quadratic(rule: Any) -> None:
    """Of four times as much text none takes nine times longer, if it takes a time that can be measured at all."""

    def work(text: str) -> list[Any]:
        return list(rule.pattern.finditer(text)) + list(rule.find(Searched(text)))

    for piece in ["1", "1.", "1-", "a", "a.", "A ", "Aa ", "a@", ":", "/a", *literals(rule.pattern.pattern)]:
        if seconds(partial(work, piece * (10_000 // len(piece))), enough=0.1) > 0.1:
            assert ratio(work, piece, 2_500) < 9, piece


def test_the_whole_search_is_linear(capsys: pytest.CaptureFixture) -> None:
    """Time for 10 kB of each piece; more than a loose bound only where four times as much takes nine times longer."""
    bound = 0.5
    times = {piece: seconds(partial(find, (piece * 10_000)[:10_000]), enough=bound) for piece in PIECES}
    with capsys.disabled():
        worst = sorted(times, key=times.__getitem__)[-3:]
        print(" ".join(f"{piece!r}: {times[piece] * 1000:.0f} ms" for piece in worst), end=" ")
    for piece, took in times.items():
        assert took < bound or ratio(find, piece, 2_500) < 9, piece


def test_a_long_text_of_numbers_is_found_as_a_whole_and_at_once() -> None:
    """Nobody writes such a report, and searching it would hold a worker for seconds."""
    (place,) = find("1.1.1." * 7000)
    assert (place.start, place.end, place.rule) == (0, 42_000, "more numbers than can be searched")
    assert find("A mass of 12 x 10 mm in segment 4, grown by 2 mm. " * 400) == []
