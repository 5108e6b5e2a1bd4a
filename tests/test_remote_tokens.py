"""Ids and log-probabilities of an answer from all that servers tell; what cannot be aligned says what is needed."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest

from tests.helpers.drawing import Reply, Vllm, drawing
from tests.helpers.rollouts import choice
from unveil.experts.remote_tokens import Reader
from unveil.testing.models import loaded
from unveil.vlm.chat import Chat
from unveil.vlm.generate import GenerationError, Rollout
from unveil.vlm.models import Loaded


@pytest.fixture
def vllm() -> Iterator[Vllm]:
    """A server that has the model as it is before training."""
    with drawing(models={"base": loaded("llava_siglip")}) as running:
        yield running


def ids_of(chat: Chat, text: str) -> list[int]:
    return chat.tokenizer(text, add_special_tokens=False)["input_ids"]


def test_ids_from_all_that_servers_tell(tiny: Loaded) -> None:
    """Ids as a list, as token_id:N, as the text of a token; all the same answer, with the end behind it."""
    chat = tiny.chat
    ids = [*ids_of(chat, "Yes."), chat.end[0]]
    reader, told = Reader(chat, corrected=True), choice(ids, "Yes.", logps=[-0.5 * n for n in range(len(ids))])
    first = reader.read(told, 1, "q")
    texts = [{**e, "token": chat.decode([i])} for e, i in zip(told["logprobs"]["content"], ids, strict=True)]
    assert first == Rollout(1, ids, [-0.5 * n for n in range(len(ids))], cut=False)
    assert reader.read({**told, "token_ids": None}, 1, "q") == first
    assert reader.read({**told, "token_ids": None, "logprobs": {"content": texts}}, 1, "q") == first


def test_an_end_that_was_left_out_is_not_known(tiny: Loaded) -> None:
    """Nobody told how likely the end was: NaN, whose weight is 1. So is vLLM's -9999, which stands for no value."""
    chat, reader = tiny.chat, Reader(tiny.chat, corrected=True)
    ids = ids_of(chat, "Yes.")
    for given in (choice(ids, "Yes."), choice(ids, "Yes.", token_ids=[*ids, chat.end[0]])):
        found = reader.read(given, 0, "q")
        assert found is not None and found.ids == [*ids, chat.end[0]] and not found.cut
        assert found.logps[:-1] == [-1.0] * len(ids) and math.isnan(found.logps[-1])
    found = reader.read(choice(ids, "Yes.", logps=[-9999.0] * len(ids)), 0, "q")
    assert found is not None and all(map(math.isnan, found.logps))


def test_cut_empty_and_overlong_answers(tiny: Loaded) -> None:
    """``length`` is cut; nothing said is an answer of its end alone; what stands behind an end was not said."""
    chat, reader = tiny.chat, Reader(tiny.chat, corrected=True)
    ids = ids_of(chat, "Yes.")
    cut, empty = reader.read(choice(ids, "Yes.", "length"), 0, "q"), reader.read(choice([], ""), 0, "q")
    assert cut == Rollout(0, ids, [-1.0] * len(ids), cut=True)
    assert empty is not None and empty.ids == chat.end[:1] and math.isnan(empty.logps[0]) and not empty.cut
    both = reader.read(choice([*ids, chat.end[0], *ids], "Yes.", "length"), 0, "q")
    assert both is not None and both.ids == [*ids, chat.end[0]] and not both.cut


def test_a_banned_id_is_refused(tiny: Loaded) -> None:
    ids = ids_of(tiny.chat, "Yes.")
    assert Reader(tiny.chat, True, {ids[0]}).read(choice(ids, "Yes."), 0, "q") is None


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"logprobs": None}, "no log-probabilities; the server must give them"),
        ({"token_ids": [3]}, "1 tokens have 3 log-probabilities; the server must tell the ids"),
        ({"token_ids": [3, 4, 10**6]}, r"id 1000000 is beyond the \d+ of the vocabulary"),
        ({"token_ids": [3, 4, "4"]}, "id 4 is beyond"),
        ({"message": {"content": "No."}}, "its tokens read 'Yes.' here and 'No.' there: it has another tokenizer"),
        ({"message": None}, "cannot be learnt from"),
        ({"finish_reason": "tool_calls"}, "it ended by 'tool_calls'"),
        ({"logprobs": {"content": [{"token": "token_id:3", "logprob": "x"}] * 3}}, "'x' is no log-probability"),
        ({"logprobs": {"content": [{"token": "token_id:3", "logprob": 0.5}] * 3}}, "0.5 is no log-probability"),
        ({"token_ids": None, "logprobs": {"content": [{"token": "no such", "logprob": -1}]}}, "0 ids .* 'no such'"),
    ],
    ids=lambda v: v if isinstance(v, str) else "",
)
def test_a_reply_that_cannot_be_aligned_says_what_is_needed(wrong: Reply, why: str, tiny: Loaded) -> None:
    ids = ids_of(tiny.chat, "Yes.")
    assert len(ids) == 3
    with pytest.raises(GenerationError, match=f"q: .*{why}"):
        Reader(tiny.chat, corrected=True).read(choice(ids, "Yes.") | wrong, 0, "q")


def test_nothing_at_all_cut_at_once_is_no_answer(tiny: Loaded) -> None:
    with pytest.raises(GenerationError, match=r"q: .*cut before its first token"):
        Reader(tiny.chat, corrected=True).read(choice([], "", "length"), 0, "q")
