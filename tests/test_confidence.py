"""Log-probabilities of tokens and options: where tokens stand in an answer, and options on the forest as alone."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import dialogue, draw, ids_of
from unveil.core.records import Dialogue
from unveil.testing.models import fresh, loaded
from unveil.vlm.confidence import Beginnings, options_of, tokens_of
from unveil.vlm.engine import Engine
from unveil.vlm.generate import Rollout, drawn_from
from unveil.vlm.inputs import EncodedExample
from unveil.vlm.models import Loaded


def drawn(ids: list[int], *logps: float) -> Rollout:
    return Rollout(0, ids, list(logps) or [-0.25] * len(ids), cut=False)


def joined(text: str, tokens: tuple[tuple[int, float], ...]) -> str:
    ends = [0, *(end for end, _ in tokens)]
    assert ends == sorted(ends)
    return "".join(text[a:b] for a, b in itertools.pairwise(ends))


def test_tokens_by_hand(tiny: Loaded) -> None:
    """no|du|le|;| |K|n and two for ö, of which the second has it, then the end; a space in front is stripped."""
    chat = tiny.chat
    ids = [*ids_of(chat, "nodule; Knö"), *chat.end[:1]]
    found = tokens_of(chat, drawn(ids, *(-0.00001 - i for i in range(len(ids)))))
    assert [end for end, _ in found] == [2, 4, 6, 7, 8, 9, 10, 10, 11, 11]
    assert [logp for _, logp in found] == [-float(i) for i in range(10)]
    assert math.copysign(1, found[0][1]) == 1, "a zero without a sign"
    spaced = tokens_of(chat, drawn(ids_of(chat, " a ")))
    assert joined("a", spaced) == "a" and spaced[-1][0] == 1


@pytest.mark.parametrize("name", ["llava_siglip", "qwen2_5_vl"])
@given(st.data())
def test_slices_make_up_the_answer(name: str, data: st.DataObject) -> None:
    """Of any ids: special ones that are skipped, halves of letters, spaces around, with an end and cut off."""
    chat = loaded(name).chat
    special = [i for i in (chat.tokenizer.bos_token_id, chat.tokenizer.pad_token_id, *chat.end) if i is not None]
    letters = ids_of(chat, " a nodule <b1>\n 结🙂é ")
    ids = data.draw(
        st.lists(st.sampled_from([*special, *letters]) | st.integers(0, len(chat.tokenizer) - 1), max_size=12)
    )
    found = tokens_of(chat, drawn(ids))
    assert len(found) == len(ids) and joined(chat.text(ids), found) == chat.text(ids)


def test_a_letter_that_was_cut_off_belongs_to_its_last_token(tiny: Loaded) -> None:
    ids = ids_of(tiny.chat, "n🙂")[:-1]
    text = tiny.chat.text(ids)
    assert text.startswith("n\ufffd") and joined(text, tokens_of(tiny.chat, drawn(ids))) == text


def test_what_a_server_has_not_told_is_left_out(tiny: Loaded) -> None:
    """Its end may have no log-probability; without that of another token there is none."""
    ids = [*ids_of(tiny.chat, "no"), tiny.chat.end[0]]
    assert tokens_of(tiny.chat, drawn(ids, *[-1.0] * (len(ids) - 1), math.nan)) == ((2, -1.0),)
    assert tokens_of(tiny.chat, drawn(ids, *[math.nan] * len(ids))) == ()
    assert tokens_of(tiny.chat, drawn(ids, math.nan, *[-1.0] * (len(ids) - 1))) == ()


# ------------------------------------------------------------------------------------------------------------- options


def asked(copy: Loaded, folder: Path) -> tuple[list[Dialogue], list[EncodedExample]]:
    """On two images: multiple choice, yes or no in English and in Chinese, and what has no options."""
    first, second = draw(folder / "a.png", (96, 64), 3), draw(folder / "b.png", (50, 120), 4)
    found = [
        dialogue("a", first.name, "Which?\nA. a mass\nB. a cyst\nC. none", "B. a cyst", kind="choice",
                 choices=("a mass", "a cyst", "none")),
        dialogue("b", second.name, "Is anything abnormal in this image?"),
        dialogue("c", first.name, "有结节吗？", "没有", kind="closed"),
        dialogue("d", first.name, "What is it?", "a cyst", kind="open"),
    ]  # fmt: skip
    return found, [copy.chat.encode(d, folder / d.image, with_answer=False) for d in found]


@pytest.mark.parametrize("name", ["llava_siglip", "qwen2_5_vl", "gemma3"])
@pytest.mark.parametrize("way", ["tree", "plain"])
def test_options_are_those_of_plain_rows(name: str, way: str, tmp_path: Path) -> None:
    """Each beginning of an answer scored by the model itself, alone on its own prompt, and those of one option added
    up; on the forest, and where the model is run as a whole."""
    copy = fresh(name)
    dialogues, rows = asked(copy, tmp_path)
    engine = Engine(copy)
    if way == "plain":
        engine.settle(rows)
        engine.scorer.keep_undivided()
    options = options_of(copy.chat, dialogues, rows)
    said, logps = engine.answer_beside(rows, 6, options.rows)
    alone = []
    never = drawn_from(engine.scorer)
    for row in options.rows:
        batch = copy.chat.batch([row])
        del batch["labels"]
        with torch.no_grad():
            logps_TV = never(copy.model(**batch).logits[0]).log_softmax(-1)
        alone.append(sum(float(logps_TV[len(row.prompt) + t - 1, i]) for t, i in enumerate(row.answer)))
    assert max(abs(a - b) for a, b in zip(logps, alone, strict=True)) < 2e-4
    assert [len(of) for of in options.likely(logps)] == [3, 2, 2, 0]
    assert [copy.chat.text(s.ids) for s in said] == [text for text, _ in Engine(copy).answer(rows, 6)]


def test_ways_of_writing_one_option_are_added_up() -> None:
    """p 0.2 and 0.1 for yes, 0.05 for no: ln 0.3 = -1.2040 and ln 0.05 = -2.9957; the second question has none."""
    given = Beginnings((), ((2, 1), ()))
    assert given.likely([math.log(0.2), math.log(0.1), math.log(0.05)]) == [(-1.204, -2.9957), ()]


def test_what_begins_an_option_is_its_letter_and_no_way_begins_another(tiny: Loaded, tmp_path: Path) -> None:
    """One row for each letter; for yes and no those of capitals and of small letters, "Yes." being "Yes"."""
    dialogues, rows = asked(tiny, tmp_path)
    options = options_of(tiny.chat, dialogues, rows)
    texts = [tiny.chat.decode(row.answer) for row in options.rows]
    assert [*texts[:3], *sorted(texts[3:7])] == ["A", "B", "C", "No", "Yes", "no", "yes"] and options.counts[:2] == (
        (1, 1, 1),
        (2, 2),
    )
    assert options.counts[3] == ()
    assert "没" in texts and "没有" not in texts, "which begins with the word before"


def test_options_that_begin_alike_are_not_known(tiny: Loaded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A vocabulary that lacks the letters writes one sign for all of them."""
    dialogues, rows = asked(tiny, tmp_path)
    real = tiny.chat.encode
    monkeypatch.setattr(
        tiny.chat, "encode", lambda d, *a, **k: replace(real(d, *a, **k), answer=ids_of(tiny.chat, "?????"))
    )
    assert options_of(tiny.chat, dialogues, rows) == Beginnings((), ((), (), (), ()))
