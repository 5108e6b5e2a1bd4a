"""Which tokens a server drew, and how likely each was, as its chat completions tell it."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping, Sequence
from functools import cached_property
from typing import Any

from unveil.vlm.chat import Chat
from unveil.vlm.generate import GenerationError, Rollout

#: What vLLM writes where it has no log-probability; no token that was drawn has it.
UNKNOWN = -9999.0


class Reader:
    """Makes answers of what a server replies.

    ``corrected``: log-probabilities are needed; ``kept``: they are welcome, one for each token or none at all.
    ``banned``: ids that no answer may hold. Raises ``GenerationError`` for a reply from which the tokens that were
    drawn cannot be told.
    """

    def __init__(self, chat: Chat, corrected: bool, banned: Collection[int] = (), kept: bool = False):
        self.chat, self.corrected, self.banned, self.kept = chat, corrected, banned, kept
        self.vocabulary = len(chat.tokenizer)

    def read(self, choice: Mapping[str, Any], question: int, name: str) -> Rollout | None:
        """An answer, ended as this process ends it; None for one that holds a banned id."""
        try:
            ids, logps = self._tokens(choice)
            self._check(ids, choice["message"].get("content") or "")
            return self._drawn(ids, logps, choice.get("finish_reason"), question)
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise GenerationError(f"{name}: the server's reply cannot be learnt from: {error}") from error

    def _tokens(self, choice: Mapping[str, Any]) -> tuple[list[int], list[float]]:
        """Ids and log-probabilities as they came, of the same number."""
        content = (choice.get("logprobs") or {}).get("content") or []
        given = choice.get("token_ids")
        text = choice["message"].get("content") or ""
        if self.corrected and not content and (text or given):
            raise ValueError(
                "it has no log-probabilities; the server must give them (`logprobs` of chat completions), or "
                "--generate.logprobs none learns without"
            )
        if given is None and content:
            given = [self._id(entry["token"]) for entry in content]
        if given is None:
            given = self.chat.tokenizer(text, add_special_tokens=False)["input_ids"]
        ids = list(given)
        ended = len(ids) == len(content) + 1 and ids[-1] in self.chat.stops
        if not self.corrected and not (self.kept and (ended or len(ids) == len(content))):
            return ids, [math.nan] * len(ids)
        logps = [_logp(entry["logprob"]) for entry in content]
        if ended:
            logps.append(math.nan)
        if len(ids) != len(logps):
            raise ValueError(f"{len(ids)} tokens have {len(logps)} log-probabilities; {NEEDED}")
        return ids, logps

    def _id(self, token: str) -> int:
        """The id of a token as it is told: ``token_id:17``, or its text if that is the text of one id only."""
        if found := re.fullmatch(r"token_id:(\d+)", token):
            return int(found[1])
        ids = self._by_text.get(token, [])
        if len(ids) != 1:
            raise ValueError(f"{len(ids)} ids of the vocabulary read {token!r}; {NEEDED}")
        return ids[0]

    @cached_property
    def _by_text(self) -> dict[str, list[int]]:
        """All ids by their text."""
        found: dict[str, list[int]] = {}
        for i in range(self.vocabulary):
            found.setdefault(self.chat.decode([i]), []).append(i)
        return found

    def _check(self, ids: Sequence[int], text: str) -> None:
        """Raises ``ValueError`` where the ids are not those of the text: another tokenizer's."""
        if wrong := [i for i in ids if not (isinstance(i, int) and 0 <= i < self.vocabulary)]:
            raise ValueError(f"id {wrong[0]} is beyond the {self.vocabulary} of the vocabulary: it is another model's")
        kept = self.chat.tokenizer.decode(list(ids), skip_special_tokens=True)
        until = next((n for n, i in enumerate(ids) if i in self.chat.stops), len(ids))
        here = {_bare(self.chat.decode(ids)), _bare(self.chat.decode(ids[:until])), _bare(kept)}
        if _bare(text) not in here:
            raise ValueError(
                f"its tokens read {self.chat.decode(ids)[:80]!r} here and {text[:80]!r} there: it has another "
                "tokenizer, or takes the answer apart (a parser of reasoning or tools)"
            )

    def _drawn(self, ids: list[int], logps: list[float], finish: str | None, question: int) -> Rollout | None:
        """The answer up to the first token that ends one here. An end that the server left out is not known."""
        if finish not in ("stop", "length"):
            raise ValueError(f"it ended by {finish!r}")
        until = next((n + 1 for n, i in enumerate(ids) if i in self.chat.stops), len(ids))
        ids, logps = ids[:until], logps[:until]
        ended = bool(ids) and ids[-1] in self.chat.stops
        if not ended and finish == "stop":
            ids, logps, ended = [*ids, self.chat.end[0]], [*logps, math.nan], True
        if not ids:
            raise ValueError("it is cut before its first token")
        return None if set(ids) & set(self.banned) else Rollout(question, ids, logps, cut=not ended)


NEEDED = (
    "the server must tell the ids that it drew (vLLM's `return_token_ids` or `return_tokens_as_token_ids`), with a "
    "log-probability for each"
)


def _logp(value: Any) -> float:
    """A log-probability, NaN where the server says that it has none."""
    if not isinstance(value, int | float) or math.isnan(value) or value > 1e-3:
        raise ValueError(f"{value!r} is no log-probability")
    return math.nan if value <= UNKNOWN else float(value)


def _bare(text: str) -> str:
    """A text without spaces and incomplete letters, which servers put together in their own ways."""
    return re.sub(r"[\s\ufffd]+", "", text)
