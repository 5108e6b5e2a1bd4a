"""Which letters each generated id writes, and which ids write a word."""

from __future__ import annotations

import pytest

from tests.conftest import ids_of
from unveil.core.answers import parse
from unveil.core.box_formats import BOX_FORMATS, View
from unveil.core.names import normal
from unveil.vlm import token_offsets
from unveil.vlm.attention_maps import tokens_of
from unveil.vlm.chat import Chat
from unveil.vlm.models import Loaded


def touching(chat: Chat, text: str, *spans: tuple[int, int]) -> list[int]:
    """The tokens that the tokenizer itself says to have a letter of a span."""
    offsets = chat.tokenizer(text, return_offsets_mapping=True)["offset_mapping"]
    return [t for t, (a, b) in enumerate(offsets) if any(a < y and x < b for x, y in spans)]


def tokens_in(chat: Chat, ids: list[int], name: str) -> list[int]:
    """The tokens that give a name in a diagnosis, where these names are known."""
    names = [name, *(known for known in ("nodule", "cyst", "mass", "pleural effusion") if known != name.lower())]
    said = parse("diagnosis", chat.text(ids), View(BOX_FORMATS["bins-64"], (64, 64), (64, 64)), names)
    return tokens_of(chat, ids, said, normal(name))


def test_tokens_of_a_word_by_hand(tiny: Loaded) -> None:
    """This tokenizer writes no|du|le|;| |c|y|s|t and so on: the first three tokens, and the four after the space."""
    ids = ids_of(tiny.chat, "nodule; cyst (round).")
    assert token_offsets.pieces(tiny.chat.tokenizer, ids)[:9] == ["no", "du", "le", ";", " ", "c", "y", "s", "t"]
    assert tokens_in(tiny.chat, ids, "nodule") == [0, 1, 2]
    assert tokens_in(tiny.chat, ids, "cyst") == [5, 6, 7, 8]
    assert tokens_in(tiny.chat, ids, "mass") == []


def test_no_tokens_are_no_word(tiny: Loaded) -> None:
    assert tokens_in(tiny.chat, [], "cyst") == []


@pytest.mark.parametrize(
    ("text", "label", "spans"),
    [
        ("Recognition: nodule.", "nodule", [(13, 19)]),
        ("Recognition: nodule.", "Nodule", [(13, 19)]),  # the annotation's letters do not matter
        ("NODULE, Nodule", "nodule", [(0, 6), (8, 14)]),
        ("pleural effusion.", "pleural effusion", [(0, 16)]),
        ("a pleural-effusion, Pleural_Effusion", "pleural effusion", [(2, 18), (20, 36)]),
        ("pleural\n effusion", "pleural effusion", [(0, 17)]),
        ("pleural, effusion", "pleural effusion", []),
        ("a cystic mass", "cyst", []),  # a longer word
        ("a microcyst", "cyst", []),
        ("cystic; cyst; cysts", "cyst", [(8, 12), (14, 19)]),  # in either number
        ("a cyst, cyst (cyst)", "cyst", [(2, 6), (8, 12)]),  # a bracket gives reasons, no names
        ("a cyst, no nodule", "nodule", []),  # denied
        ("Localisation: <b1><b2><b3><b4>.\nRecognition: cyst.", "cyst", [(45, 49)]),
        ("Detection: a cyst.\nRecognition: mass.\nA cyst, I think.", "cyst", []),  # outside of the names
        ('{"label": "n\\u006fdule"}, {"label": "cyst"}', "cyst", [(37, 41)]),
        ('{"label": "n\\u006fdule"}, {"label": "cyst"}', "nodule", [(11, 22)]),  # in JSON's own spelling
        ("T2 (high)", "t2 (high)", [(0, 9)]),  # signs stand for themselves
        ("T2 high", "t2 (high)", []),
        ("a – “cyst” 结节 🙂; nodule", "nodule", [(17, 23)]),  # behind letters of several tokens
        ("Recognition: cyst, mass and nodule.", "nodule", [(28, 34)]),
    ],
)
def test_tokens_of_a_name(tiny: Loaded, text: str, label: str, spans: list[tuple[int, int]]) -> None:
    """Those that the tokenizer's own offsets give for the places counted here."""
    found = tokens_in(tiny.chat, ids_of(tiny.chat, text), label)
    assert found == touching(tiny.chat, text, *spans)
    assert bool(found) is bool(spans)


def test_a_token_with_other_letters_beside(tiny: Loaded) -> None:
    """The one token " nodule" begins before the word, and is its token all the same."""
    ids = ids_of(tiny.chat, "the nodule; mass")
    pieces = token_offsets.pieces(tiny.chat.tokenizer, ids)
    assert [pieces[t] for t in tokens_in(tiny.chat, ids, "nodule")] == [" nodule"]


def test_the_end_of_an_answer_is_no_word(tiny: Loaded) -> None:
    """What was drawn ends with the end's token, right behind the last word."""
    chat = tiny.chat
    ids = ids_of(chat, "Recognition: cyst")
    assert (
        tokens_in(chat, [*ids, *chat.end], "cyst")
        == tokens_in(chat, ids, "cyst")
        == touching(chat, "Recognition: cyst", (13, 17))
    )


@pytest.mark.parametrize("text", ["Recognition: cyst.", "  cyst, “结节” 🙂\n ", "<b1><b2><b3><b4>", " ", ""])
def test_offsets_are_those_of_the_answer_s_text(tiny: Loaded, text: str) -> None:
    """Spaces around it, padding, a begin and all from the end on are no text, and have no length."""
    chat = tiny.chat
    drop = [i for i in (chat.tokenizer.bos_token_id, chat.tokenizer.pad_token_id) if i is not None]
    begin = [i for i in drop if i not in chat.stops]
    ids = [*begin, *ids_of(chat, text), *chat.end, *ids_of(chat, "more")]
    found, said = chat.offsets(ids), chat.text(ids)
    assert len(found) == len(ids) and said == text.strip()
    assert "".join(said[a:b] for a, b in found) == said
    assert all(a == b for a, b in [*found[: len(begin)], *found[len(begin) + len(ids_of(chat, text)) :]])


@pytest.mark.parametrize(
    "text",
    [
        "Detection: abnormal.\nLocalisation: <b1><b2><b3><b4>.\nRecognition: nodule; cyst (round, sharp edge).",
        " two  spaces,\ta tab\n\n\nand lines ",
        "Knötchen",
        "a – “cyst” 结节 🙂.",
        "",
    ],
)
def test_pieces_are_the_text(tiny: Loaded, text: str) -> None:
    """One for each token, and together what they say."""
    ids = ids_of(tiny.chat, text)
    pieces = token_offsets.pieces(tiny.chat.tokenizer, ids)
    assert len(pieces) == len(ids)
    assert "".join(pieces) == tiny.chat.tokenizer.decode(ids, clean_up_tokenization_spaces=False) == text


def test_a_letter_of_several_tokens_by_hand(tiny: Loaded) -> None:
    """Of two tokens for ö, of three for 结 and of four for 🙂 the last one completes the letter and has it."""
    assert token_offsets.pieces(tiny.chat.tokenizer, ids_of(tiny.chat, "Knö")) == ["K", "n", "", "ö"]
    assert token_offsets.pieces(tiny.chat.tokenizer, ids_of(tiny.chat, "结节a🙂")) == [
        "",
        "",
        "结",
        "",
        "",
        "节",
        "a",
        "",
        "",
        "",
        "🙂",
    ]


def test_a_letter_that_is_never_completed(tiny: Loaded) -> None:
    """Of an answer that was cut within a letter the last tokens say nothing; what goes on has the sign for it."""
    ids = ids_of(tiny.chat, "n🙂")
    assert token_offsets.pieces(tiny.chat.tokenizer, ids[:-1]) == ["n", "", "", ""]
    assert token_offsets.pieces(tiny.chat.tokenizer, [*ids[:-1], ids[0]]) == ["n", "", "", "", "\ufffdn"]


@pytest.mark.parametrize(
    ("text", "label", "span", "letters"),
    [
        ("ein Knötchen.", "knötchen", (4, 12), {3, 4, 6, 7, 8, 9, 10, 11}),
        ("结节", "结节", (0, 2), {2, 5}),
        ("ein äöü.", "äöü", (4, 7), {4, 6, 8}),
    ],
)
def test_tokens_of_a_name_with_such_letters(
    tiny: Loaded, text: str, label: str, span: tuple[int, int], letters: set[int]
) -> None:
    """e|in| |K|n| and two for ö, of which the second has it; of three for 结 the third.

    All that complete a letter are found, and none that has no part of one.
    """
    found = set(tokens_in(tiny.chat, ids_of(tiny.chat, text), label))
    assert letters <= found <= set(touching(tiny.chat, text, span))


def test_a_word_does_not_begin_behind_such_a_letter(tiny: Loaded) -> None:
    """The word "écyst" is another one."""
    assert tokens_in(tiny.chat, ids_of(tiny.chat, "écyst"), "cyst") == []
