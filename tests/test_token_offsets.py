"""Which letters each generated id writes, and which ids write a word."""

from __future__ import annotations

import pytest
from conftest import ids_of

from unveil.vlm import token_offsets
from unveil.vlm.attention_maps import tokens_of
from unveil.vlm.chat import Chat
from unveil.vlm.models import Loaded


def touching(chat: Chat, text: str, *spans: tuple[int, int]) -> list[int]:
    """The tokens that the tokenizer itself says to have a letter of a span."""
    offsets = chat.tokenizer(text, return_offsets_mapping=True)["offset_mapping"]
    return [t for t, (a, b) in enumerate(offsets) if any(a < y and x < b for x, y in spans)]


def test_tokens_of_a_word_by_hand(tiny: Loaded) -> None:
    """This tokenizer writes no|du|le|;| |c|y|s|t and so on: the first three tokens, and the four after the space."""
    ids = ids_of(tiny.chat, "nodule; cyst (round).")
    assert token_offsets.pieces(tiny.chat.tokenizer, ids)[:9] == ["no", "du", "le", ";", " ", "c", "y", "s", "t"]
    assert tokens_of(tiny.chat, ids, "nodule") == [0, 1, 2]
    assert tokens_of(tiny.chat, ids, "cyst") == [5, 6, 7, 8]
    assert tokens_of(tiny.chat, ids, "mass") == []


def test_no_tokens_are_no_word(tiny: Loaded) -> None:
    assert tokens_of(tiny.chat, [], "cyst") == []


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
        ("cystic; cyst; cysts", "cyst", [(8, 12)]),
        ("cyst cyst (cyst)", "cyst", [(0, 4), (5, 9), (11, 15)]),
        ("Localisation: <b1><b2><b3><b4>.\nRecognition: cyst.", "cyst", [(45, 49)]),
        ("T2 (high)", "t2 (high)", [(0, 9)]),  # signs stand for themselves
        ("T2 high", "t2 (high)", []),
        ("a – “cyst” 结节 🙂; nodule", "nodule", [(17, 23)]),  # behind letters of several tokens
    ],
)
def test_tokens_of_a_label(tiny: Loaded, text: str, label: str, spans: list[tuple[int, int]]) -> None:
    """Those that the tokenizer's own offsets give for the places counted here."""
    found = tokens_of(tiny.chat, ids_of(tiny.chat, text), label)
    assert found == touching(tiny.chat, text, *spans)
    assert bool(found) is bool(spans)


def test_a_token_with_other_letters_beside(tiny: Loaded) -> None:
    """The one token " nodule" begins before the word, and is its token all the same."""
    ids = ids_of(tiny.chat, "the nodule; nodules")
    pieces = token_offsets.pieces(tiny.chat.tokenizer, ids)
    assert [pieces[t] for t in tokens_of(tiny.chat, ids, "nodule")] == [" nodule"]


def test_the_end_of_an_answer_is_no_word(tiny: Loaded) -> None:
    """What was drawn ends with the end's token, right behind the last word."""
    chat = tiny.chat
    ids = ids_of(chat, "Recognition: cyst")
    assert (
        tokens_of(chat, [*ids, *chat.end], "cyst")
        == tokens_of(chat, ids, "cyst")
        == touching(chat, "Recognition: cyst", (13, 17))
    )


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
def test_tokens_of_a_label_with_such_letters(
    tiny: Loaded, text: str, label: str, span: tuple[int, int], letters: set[int]
) -> None:
    """e|in| |K|n| and two for ö, of which the second has it; of three for 结 the third.

    All that complete a letter are found, and none that has no part of one.
    """
    found = set(tokens_of(tiny.chat, ids_of(tiny.chat, text), label))
    assert letters <= found <= set(touching(tiny.chat, text, span))


def test_a_word_does_not_begin_behind_such_a_letter(tiny: Loaded) -> None:
    """The word "écyst" is another one."""
    assert tokens_of(tiny.chat, ids_of(tiny.chat, "écyst"), "cyst") == []
