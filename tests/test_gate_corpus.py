"""The corpus on which the privacy gate is measured: what its readers rely on.

Each promise is tested on every row, and the parts that make rows on values worked out by hand.
"""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pytest

from scripts.gate_corpus import __main__ as command
from scripts.gate_corpus import ages, people, pictures, places, rows, templates
from scripts.gate_corpus.disguises import DISGUISES
from scripts.gate_corpus.fillings import CHANGES, Filling
from scripts.gate_corpus.rows import Planted
from scripts.gate_corpus.templates import Template

ROWS = rows.rows(0)
HALVES = ("open", "held")
PLANTED = [row for row in ROWS if row.group != "clean"]
CLEAN = [row for row in ROWS if row.group == "clean"]


def outside(row: Planted) -> str:
    """The text without what identifies, which becomes a bar."""
    text = row.text
    for secret in sorted(row.secrets, key=len, reverse=True):
        text = text.replace(secret, " | ")
    return text


def runs(row: Planted, words: int) -> set[tuple[str, ...]]:
    """All runs of so many words outside of what identifies."""
    parts = [re.findall(r"\w+", part.lower()) for part in outside(row).split("|")]
    return {tuple(part[i : i + words]) for part in parts for i in range(len(part) - words + 1)}


def every_name(half: str) -> set[str]:
    return {name for parts in people.origins(half).values() for names in parts for name in names}


def standing(name: str, text: str) -> bool:
    """Whether the name stands in the text as words of its own."""
    return re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text) is not None


def test_the_seed_decides() -> None:
    """The same seed, the same rows; another one, other names in the same sentences."""
    assert rows.rows(0) == ROWS
    other = rows.rows(1)
    assert [(r.id, r.kind) for r in other] == [(r.id, r.kind) for r in ROWS]
    assert sum(a.text != b.text for a, b in zip(ROWS, other, strict=True)) > 1800
    assert [r.text for r in other if r.group == "clean"] == [r.text for r in CLEAN]


def test_what_was_made_after_the_rules_is_a_corpus_of_its_own() -> None:
    """520 texts with somebody's data and 200 clean ones; each secret stands in its text, and no text is an old one."""
    fresh = list(rows.fresh())
    assert Counter(bool(row.secrets) for row in fresh) == {True: 520, False: 200}
    assert all(secret in row.text for row in fresh for secret in row.secrets)
    assert all((row.group == "clean") == (not row.secrets) for row in fresh)
    assert len({row.text for row in fresh} | {row.text for row in ROWS}) == len(fresh) + len(ROWS)


def test_counts() -> None:
    halves = Counter(row.half for row in PLANTED)
    assert min(halves.values()) >= 800 and sum(halves.values()) >= 1600
    assert len({row.kind for row in PLANTED}) >= 110
    assert min(Counter(row.half for row in CLEAN).values()) >= 320
    assert sum(row.group == "injection" for row in PLANTED) >= 40
    assert {(row.half, row.group) for row in ROWS} == {(h, g) for h in HALVES for g in templates.GROUPS}


def test_most_kinds_are_of_both_halves_and_some_of_one() -> None:
    """A tenth to a fifth of all kinds stand in one half only, in each."""
    halves = defaultdict(set)
    for row in PLANTED:
        halves[row.group, row.kind].add(row.half)
    counted = Counter(tuple(sorted(found)) for found in halves.values())
    for half in (("open",), ("held",)):
        assert 0.1 < counted[half] / len(halves) < 0.2


def test_secrets_stand_in_their_texts() -> None:
    for row in ROWS:
        assert bool(row.secrets) == (row.group != "clean"), row
        assert all(secret.strip() and secret in row.text for secret in row.secrets), row
        assert not re.search(r"~|#}|\{[a-z]+\d?[.:}]", row.text), row


def test_ids_and_texts_are_unique() -> None:
    assert len({row.id for row in ROWS}) == len({row.text for row in ROWS}) == len(ROWS)


@pytest.mark.parametrize("seed", [0, 7])
def test_halves_share_nothing(seed: int) -> None:
    """No text, no secret, no sentence around a secret, and no run of five words."""
    texts, secrets, carriers, fives = ({h: set[Any]() for h in HALVES} for _ in range(4))
    for row in rows.rows(seed):
        texts[row.half].add(row.text)
        secrets[row.half] |= set(row.secrets)
        carriers[row.half].add(re.sub(r"[^\w|]+", " ", outside(row).lower()).strip())
        fives[row.half] |= runs(row, 5)
    for of in (texts, secrets, carriers, fives):
        assert not of["open"] & of["held"]


def test_clean_texts_hold_no_secret() -> None:
    """Nor any name or place that could be drawn; only an age is also a number elsewhere."""
    text = "\n".join(row.text for row in CLEAN)
    secrets = {s for row in PLANTED if row.group != "injection" for s in row.secrets if not re.fullmatch(r"\d{1,3}", s)}
    names = {name for half in HALVES for name in every_name(half) if len(name) > 1}
    towns = {town for half in HALVES for towns in places.sites(half).values() for town in towns}
    assert not [secret for secret in secrets | names | towns if standing(secret, text)]


def test_what_is_known_of_a_record() -> None:
    """Only records have it; the secret is of the known, written as there or otherwise, never another row's."""
    fields = {"id", "patient", "study", "image", "source_file", "others"}
    for row in ROWS:
        assert (row.known is not None) == (row.group == "record")
        if row.known is None:
            continue
        assert set(row.known) == fields
        known = " ".join(" ".join(v) if isinstance(v, list) else v for v in row.known.values())
        plain = re.sub(r"\W|_", "", CHANGES["ascii"](known)).lower()
        for secret in row.secrets:
            parts = re.findall(r"[^\W_]+", CHANGES["ascii"](secret).lower())
            assert all(part in plain for part in parts), row


def test_names_have_their_form() -> None:
    assert all(row.form == "name" for row in ROWS if row.group == "names")
    assert all(row.form == "other" for row in ROWS if row.group in ("dates", "ages", "numbers", "clean"))


def test_halves_of_the_lists_are_disjoint() -> None:
    names = [every_name(half) for half in HALVES]
    sites = [{site for found in places.sites(half).values() for site in found} for half in HALVES]
    assert min(map(len, names)) > 300 and not names[0] & names[1]
    assert min(map(len, sites)) > 60 and not sites[0] & sites[1]


def test_a_template_is_filled() -> None:
    """The same gap is filled alike, and what stands between tildes is the secret, disguised here by spaces."""
    template = Template("open", "names", "any", "name", "~{last:up}~ is {last}", 1, "spaced")
    text, (secret,) = rows._filled(template, Filling("open", "seed"))
    last = text.split(" is ")[1]
    assert secret == " ".join(last.upper()) and text == f"{secret} is {last}"
    assert last in {n for origin in set(people.MIXED) for n in people.some("last", origin, "open")}


def test_a_pattern_keeps_what_is_no_mark() -> None:
    assert re.fullmatch(r"X-[A-Z]\d{2}[a-z][0-9a-f]", Filling("held", "s").fill("{p:X-A##ah}"))


def test_a_date_says_one_day_in_many_ways() -> None:
    said = Filling("open", "s").fill("{date:%Y-%m-%d} {date:%-d} {date:§th} {date2:%d}")
    day, short, ordinal, _ = said.split()
    assert int(day[-2:]) == int(short) == int(re.sub(r"\D", "", ordinal))
    assert set(Filling("open", "s").fill("{date:٪%d%m}")) <= set("٠١٢٣٤٥٦٧٨٩")


@pytest.mark.parametrize(
    ("age", "how", "said"),
    [(93, "", "93"), (90, "words", "ninety"), (93, "words", "ninety-three"), (102, "words", "one hundred and two"),
     (91, "de", "einundneunzig"), (101, "de", "hunderteins"), (91, "fr", "quatre-vingt-onze"),
     (90, "fr", "quatre-vingt-dix"), (97, "fr", "quatre-vingt-dix-sept"), (100, "fr", "cent"),
     (93, "es", "noventa y tres"), (91, "it", "novantuno"), (98, "it", "novantotto"), (92, "it", "novantadue"),
     (94, "pt", "noventa e quatro")],
)  # fmt: skip
def test_ages_in_words(age: int, how: str, said: str) -> None:
    assert ages.say(age, how) == said


@pytest.mark.parametrize(
    ("how", "said"),
    [("zero", "J-\u200bo"), ("nonbreaking", "J\u2011o"), ("wide", "Ｊ－ｏ"), ("decimal", "&#74;&#45;&#111;"),
     ("percent", "J%2Do"), ("bold", "J-**o**"), ("reversed", "o-J"), ("base64", "Si1v"), ("under", "J_o")],
)  # fmt: skip
def test_disguises(how: str, said: str) -> None:
    """``J-o``, by hand."""
    assert DISGUISES[how]("J-o") == said


def test_every_disguise_is_used_and_changes_something() -> None:
    used = {t.disguise for half in HALVES for group in templates.GROUPS for t in templates.templates(half, group)}
    assert used - {""} == set(DISGUISES)
    assert all(disguise("Abe Cox-10") != "Abe Cox-10" for disguise in DISGUISES.values())


def test_a_template_without_its_tildes_is_refused() -> None:
    section = {"half": "open", "group": "names", "kind": "k", "form": "name", "times": "", "disguise": "", "known": {}}
    with pytest.raises(ValueError, match=r"open/names\.txt, line 3: tildes"):
        templates._template(section, "Seen by ~{last}", "open/names.txt, line 3")


def test_the_command_writes_all_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = []
    monkeypatch.setattr(pictures, "write", lambda folder, seed: drawn.append((folder, seed)))
    command.main(command.Config(out=tmp_path / "corpus", seed=0))
    lines = (tmp_path / "corpus" / "texts.jsonl").read_text(encoding="utf-8").splitlines()
    assert [Planted(**json.loads(line)) for line in lines] == ROWS
    assert drawn == [(tmp_path / "corpus", 0)]
