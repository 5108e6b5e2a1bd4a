"""How to speak with a model: an image and a question become its inputs, what it generates becomes text.

What transformers cannot know about a model, how it writes boxes, is declared in ``families`` or in the model's own
configuration (key ``unveil``), and never guessed.

Shapes: B rows, T tokens.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import OrderedDict
from collections.abc import Sequence
from functools import cached_property
from inspect import signature
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from unveil.core import faults, image_files, lesion_noise, pixels
from unveil.core.box_formats import BOX_FORMATS, MARKUP, BoxFormat, View, render
from unveil.core.dialects import dialect_of
from unveil.core.lesion_noise import Noise
from unveil.core.records import Dialogue, Kind
from unveil.core.said import said, said_before
from unveil.core.shown import GREY
from unveil.core.wordings import hinted
from unveil.vlm import token_offsets
from unveil.vlm.families import ModelError, Profile
from unveil.vlm.inputs import CROSSED, OF_ROW, EncodedExample, ImageInput, stack_images

IGNORED = -100
PROMPTS = 512
"""Prompts whose ids are remembered: of many images of one size, the same questions are asked."""
ASKER = "VUSER"
BLANK = View(MARKUP, (1, 1), (1, 1))  # of a prompt without an image
_SIGN = "\u2021"  # stands for a text whose surroundings are looked for


class Bound(Protocol):
    """The most that an image may cost."""

    def beyond(self, chat: Chat, seen: ImageInput) -> str | None:
        """What an image costs, in words, where that is too much."""


class Chat:
    """Turns an image and a question into a model's inputs and its output into text.

    An image is decoded and processed once and kept (``cache_mb`` of tensors at the most); each question on it then
    costs only the tokenising of its text. What the processor writes in the place of the image is found by comparing one
    processed prompt with the same prompt unprocessed, and put into every other prompt on that image. So nothing about a
    family's image tokens is assumed, and a processor for which this does not come out as its own ids is refused.

    One that is ``blind`` reads every image as a grey one of its size (``core.shown``): for training that sees nothing.
    """

    def __init__(
        self, processor: Any, profile: Profile, cache_mb: int = 512, bound: Bound | None = None, blind: bool = False
    ):
        self.processor = processor
        self.tokenizer = processor.tokenizer
        self.profile = profile
        self.dialect = dialect_of(self.box_format)
        self._template = None if processor.chat_template is not None else profile.template
        if processor.chat_template is None and self._template is None:
            raise ModelError(f"{type(processor).__name__}: there is no chat template, so it cannot be asked a question")
        if getattr(processor, "image_token", None) is None:
            raise ModelError(f"{type(processor).__name__}: it has no token for images, so it cannot be shown one")
        self.image_token = str(processor.image_token)
        self.bound = bound
        self.blind = blind
        self._room = cache_mb * 2**20
        self._seen: OrderedDict[str, ImageInput] = OrderedDict()
        self._known: OrderedDict[tuple[str, str], list[int]] = OrderedDict()

    @cached_property
    def fingerprint(self) -> str:
        """A hash of all that turns text and image into inputs: vocabulary, template, image settings, box format."""
        vocabulary = sorted(self.tokenizer.get_vocab().items())
        images = self.processor.image_processor.to_dict()
        about = [vocabulary, self.processor.chat_template, images, vars(self.profile)]
        about += ["blind"] if self.blind else []
        return hashlib.sha256(json.dumps(about, sort_keys=True, default=str).encode()).hexdigest()[:16]

    @property
    def box_format(self) -> BoxFormat:
        return BOX_FORMATS[self.profile.box_format]

    @cached_property
    def _around(self) -> tuple[str, str]:
        """What the chat template writes before and after an answer: white space before it, and the end's tokens."""
        before, _, after = self._rendered([*self._turns("?"), _turn("assistant", _SIGN)]).rpartition(_SIGN)
        prompt = self.prompt_text("?")
        lead = before[len(prompt) :] if before.startswith(prompt) else ""
        return lead if lead.isspace() else "", after.strip()

    @cached_property
    def end(self) -> list[int]:
        """The ids that end an answer, as the chat template writes them; the tokenizer's end where it writes none."""
        ids = self._ids(self._around[1])
        return ids if ids and ids[0] in self.tokenizer.added_tokens_decoder else [self.tokenizer.eos_token_id]

    @property
    def longest(self) -> int | None:
        """The longest row that the tokenizer declares its model to take, None where it declares none."""
        longest = self.tokenizer.model_max_length
        return longest if longest < 10**9 else None

    def cached_image(self, path: str | Path) -> ImageInput:
        """The image at ``path`` as the model sees it, from memory if it was looked at before."""
        key = str(path)
        if key in self._seen:
            self._seen.move_to_end(key)
        else:
            self._keep(key, self.read_image(path))
        return self._seen[key]

    def _keep(self, key: str, seen: ImageInput) -> None:
        while self._seen and seen.nbytes > self._room:
            self._room += self._seen.popitem(last=False)[1].nbytes
        self._room -= seen.nbytes
        self._seen[key] = seen

    def read_image(self, path: str | Path, hidden: Noise | None = None) -> ImageInput:
        """The image at ``path`` as the model sees it, decoded and processed, its lesion ``hidden`` by noise."""
        array = pixels.to_rgb(image_files.read(path))
        if self.blind:
            return self.process(np.full_like(array, GREY), path)
        try:
            shown = lesion_noise.apply(array, hidden) if hidden else array
        except lesion_noise.NoiseError as error:
            raise pixels.ImageError(f"{path}: {error}") from error
        return self.process(shown, path)

    def padded(self, array: NDArray[np.uint8]) -> Image.Image:
        """An image, (height, width, 3), as it is given to the processor: made square where the model's boxes ask so."""
        around = 0 if self.dialect.black else GREY
        return Image.fromarray(pixels.on_square(array, around) if self.box_format.square else array)

    def process(self, array: NDArray[np.uint8], name: object = "an image") -> ImageInput:
        """An image, (height, width, 3), as the model sees it; ``name`` is what errors call it.

        Raises ``ImageError`` where the processor cannot take this image, or it costs more than is allowed, and
        ``ModelError`` where the processor can take none.
        """
        try:
            seen = self._processed(array)
        except Exception as error:  # the processor's own, of any kind
            if faults.goes_through(error):
                raise
            kind, (height, width, _) = type(self.processor).__name__, array.shape
            try:
                self._processed(np.zeros((256, 256, 3), np.uint8))
            except Exception as other:
                if faults.out_of_memory(other):
                    raise
                unsaid = self._unsaid()
                why = f"its processor_config.json does not say {' and '.join(unsaid)}" if unsaid else error
                raise ModelError(f"{kind} cannot process images: {why}") from error
            raise pixels.ImageError(f"{name}: {kind} cannot take {width} x {height} pixels: {error}") from error
        if self.bound and (excess := self.bound.beyond(self, seen)):
            raise pixels.ImageError(f"{name}: {excess}")
        return seen

    def _unsaid(self) -> list[str]:
        """What the processor's configuration leaves open that has no usual value."""
        named = signature(type(self.processor).__init__).parameters.values()
        parts = (*self.processor.get_attributes(), "chat_template")
        return [p.name for p in named if p.name not in parts and getattr(self.processor, p.name, "") is None]

    def _processed(self, array: NDArray[np.uint8]) -> ImageInput:
        image, size = self.padded(array), (array.shape[1], array.shape[0])
        if self._template is not None:
            return self._process_alone(image, size)
        prompt = self.prompt_text("?")
        special = self._wants_special(prompt)
        done = self.processor(text=[prompt], images=[image], return_tensors="pt", add_special_tokens=special)
        full = done["input_ids"][0].tolist()
        text, block = self._expansion(prompt, full)
        at = token_offsets.first_at(block, full)
        if at is None or self._ids(prompt.replace(self.image_token, text), special) != full:
            raise ModelError(f"{type(self.processor).__name__}: what it writes in the place of an image was not found")
        typed = {k: v for k, v in done.items() if k.endswith("token_type_ids")}
        tensors = {k: v.float() if v.is_floating_point() else v for k, v in done.items() if k not in (*OF_ROW, *typed)}
        tiles = done[CROSSED][0, at, 0].tolist() if CROSSED in done else []
        types = {k: v[0, at : at + len(block)].tolist() for k, v in typed.items()}
        view = View(self.box_format, size, self._frame(tensors, size))
        return ImageInput(tensors, text, block, types, view, tiles=tiles)

    def _process_alone(self, image: Image.Image, size: tuple[int, int]) -> ImageInput:
        """For a processor whose own text is not used: its image part, and as many image tokens as it declares."""
        tensors = dict(self.processor.image_processor(images=[image], return_tensors="pt"))
        text = self.image_token * self.processor.image_seq_length
        return ImageInput(tensors, text, self._ids(text), {}, View(self.box_format, size, self._frame(tensors, size)))

    def _expansion(self, prompt: str, full: list[int]) -> tuple[str, list[int]]:
        """The text that the processor writes in the place of the image, and its ids in the processed prompt ``full``.

        The ids include neighbours that merged with it, such as line feeds.
        """
        plain = self._ids(prompt, self._wants_special(prompt))
        image = token_offsets.first_at(self._ids(self.image_token), plain)
        if image is None:
            raise ModelError(f"{type(self.processor).__name__}: the prompt does not hold its image token")
        head = next((i for i in range(image) if plain[i] != full[i]), image)
        most = len(plain) - image - 1
        tail = next((i for i in range(most) if plain[-1 - i] != full[-1 - i]), most)
        block = full[head : len(full) - tail]
        before, _, after = self.decode(plain[head : len(plain) - tail]).partition(self.image_token)
        return self.decode(block).removeprefix(before).removesuffix(after), block

    def _frame(self, tensors: dict[str, Tensor], size: tuple[int, int]) -> tuple[int, int]:
        """Width and height of the picture after resizing, which absolute pixel formats refer to."""
        if self.box_format.grid is not None:
            return size
        if "image_grid_thw" not in tensors:
            raise ModelError(f"{type(self.processor).__name__} does not tell the size of the resized image")
        _, rows, columns = tensors["image_grid_thw"][0].tolist()
        patch = self.processor.image_processor.patch_size
        return columns * patch, rows * patch

    def _turns(self, question: str) -> list[dict[str, Any]]:
        asked = {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": question}]}
        return [_turn("system", self.dialect.system), asked] if self.dialect.system else [asked]

    def _ids(self, text: str, special: bool = False) -> list[int]:
        ids: list[int] = self.tokenizer(text, add_special_tokens=special)["input_ids"]
        return ids

    def _wants_special(self, prompt: str) -> bool:
        """Whether the tokenizer is to add its special tokens: as ``apply_chat_template``, not if the template did."""
        bos = self.tokenizer.bos_token
        return self._template is None and not (bos and prompt.startswith(bos))

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ids, special tokens and all."""
        return token_offsets.decoded(self.tokenizer, ids)

    def prompt_text(self, question: str) -> str:
        return self._rendered(self._turns(question), add_generation_prompt=True)

    def _rendered(self, turns: list[dict[str, Any]], **options: Any) -> str:
        if self._template is None:
            text: str = self.processor.apply_chat_template(turns, tokenize=False, **options)
        else:
            text = self.tokenizer.apply_chat_template(turns, chat_template=self._template, tokenize=False, **options)
        return text

    def question(self, text: str, kind: Kind, view: View, hint: bool = True) -> str:
        """A question in the model's own words: boxes in its box format, the answer's form where it needs a hint."""
        return render(hinted(text, self.dialect.hint(kind, view)) if hint and self.profile.hint else text, view)

    def turns(self, dialogue: Dialogue, view: View, hint: bool = True) -> list[dict[str, Any]]:
        """All that is said before the answer, as chat templates take it, the image first; boxes in the model's format.

        A self-question ends with the model's last answer, since its next question is what the model is to write.
        """
        questions = [render(q, view) for q, _ in dialogue.history]
        if dialogue.kind != "self-question":
            questions.append(self.question(dialogue.question, dialogue.kind, view, hint))
        elif not questions:
            raise ModelError(f"{dialogue.id}: a model's own question needs a turn before it")
        turns = self._turns(questions[0])
        for i, (question, answer) in enumerate(dialogue.history):
            turns.append(_turn("assistant", said_before(question, answer, view)))
            if i + 1 < len(questions):
                turns.append(_turn("user", questions[i + 1]))
        return turns

    def _prompt(self, dialogue: Dialogue, view: View, hint: bool) -> str:
        """All that stands before the answer: earlier turns, and the question or the sign that the model is to ask."""
        turns = self.turns(dialogue, view, hint)
        if dialogue.kind != "self-question":
            return self._rendered(turns, add_generation_prompt=True)
        return self._rendered(turns) + self.asker

    @cached_property
    def asker(self) -> str:
        """What stands before a question that the model puts: the user's turn as it opens, the role renamed.

        STLLaVA-Med (arXiv 2406.19973) calls the role VUSER. It is text, so no vocabulary is added.
        """
        turns = [*self._turns("?"), _turn("assistant", "?")]
        before, opened = self._rendered(turns), self._rendered([*turns, _turn("user", _SIGN)]).partition(_SIGN)[0]
        opened = opened.removeprefix(before)
        renamed = re.sub("user", lambda m: ASKER if m[0].isupper() else ASKER.lower(), opened, flags=re.IGNORECASE)
        return renamed if renamed != opened else f"{opened}{ASKER}: "

    def encode_text(self, name: str, question: str) -> EncodedExample:
        """A question without an image, to be answered."""
        prompt = self._rendered([_turn("user", question)], add_generation_prompt=True)
        return EncodedExample(
            name, ImageInput({}, "", [], {}, BLANK), self._ids(prompt, self._wants_special(prompt)), [], 0
        )

    def encode(
        self, dialogue: Dialogue, image: str | Path | ImageInput, with_answer: bool, hint: bool = True
    ) -> EncodedExample:
        """A dialogue as ids, with its true answer (to learn from) or without (to be answered).

        ``hint`` lets a model that needs it be told the form of an answer to a question of this kind.
        """
        try:
            if isinstance(image, ImageInput):
                seen = image
            else:
                seen = self.read_image(image, dialogue.noise) if dialogue.noise else self.cached_image(image)
        except pixels.ImageError as error:
            raise pixels.ImageError(f"{dialogue.id}: {error}") from error
        prompt = self._prompt(dialogue, seen.view, hint)
        if prompt.count(self.image_token) != 1:
            raise ModelError(f"{dialogue.id}: the question holds the image token {self.image_token}; take it out")
        ids = self._prompt_ids(prompt, seen.text)
        at = token_offsets.first_at(seen.block, ids)
        if at is None:
            raise ModelError(f"{dialogue.id}: the question's start merges with the image's tokens; begin with a letter")
        true = said(dialogue.kind, dialogue.answer, dialogue.target, seen.view) if with_answer else ""
        answer = self._answer_ids(prompt, true) if with_answer else []
        return EncodedExample(dialogue.id, seen, ids, answer, at)

    def _prompt_ids(self, prompt: str, image: str) -> list[int]:
        """The ids of a prompt with the text of an image inside, of which the last ones are remembered."""
        key = prompt, image
        if key not in self._known:
            self._known[key] = self._ids(prompt.replace(self.image_token, image), self._wants_special(prompt))
            if len(self._known) > PROMPTS:
                self._known.popitem(last=False)
        return self._known[key]

    def _answer_ids(self, prompt: str, answer: str) -> list[int]:
        """The ids of an answer and its end, as they stand behind the prompt."""
        special, text = self._wants_special(prompt), self._around[0] + answer
        before, whole = self._ids(prompt, special), self._ids(prompt + text, special)
        joined = whole[: len(before)] == before  # not so where the answer's first letters merge with the prompt's last
        return [*(whole[len(before) :] if joined else self._ids(text)), *self.end]

    def batch(
        self, rows: Sequence[EncodedExample], device: Any = "cpu", left: bool = False, dtype: torch.dtype | None = None
    ) -> dict[str, Tensor]:
        """Rows as one padded batch with ``labels`` on the answers only (B, T); padding stands left for generation.

        Pixels are of ``dtype``, which not every tower turns them to itself."""
        longest = max(map(len, rows))
        pad = self.tokenizer.eos_token_id if self.tokenizer.pad_token_id is None else self.tokenizer.pad_token_id

        def fill(values: list[Any], filler: Any) -> list[Any]:
            gap = [filler] * (longest - len(values))
            return [*gap, *values] if left else [*values, *gap]

        out = {
            "input_ids": [fill([*r.prompt, *r.answer], pad) for r in rows],
            "attention_mask": [fill([1] * len(r), 0) for r in rows],
            "labels": [fill([IGNORED] * len(r.prompt) + r.answer, IGNORED) for r in rows],
        }
        out |= {key: [fill(r.types(key), 0) for r in rows] for key in rows[0].seen.types}
        if self.profile.prefix:
            out["token_type_ids"] = [fill([0] * len(r.prompt) + [1] * len(r.answer), 1) for r in rows]
        if tiles := rows[0].seen.tiles:
            out[CROSSED] = [fill(r.tiles(), [[0] * len(tiles)]) for r in rows]
        batch = {k: torch.tensor(v) for k, v in out.items()} | stack_images([r.seen.tensors for r in rows])
        return {k: v.to(device, dtype if v.is_floating_point() else None) for k, v in batch.items()}

    def text(self, ids: Sequence[int]) -> str:
        """Generated ids as text: up to the end of the answer, box tokens kept."""
        return self.decode([ids[i] for i in self._spoken(ids)]).strip()

    def offsets(self, ids: Sequence[int]) -> list[tuple[int, int]]:
        """From where to where in ``text(ids)`` each id reaches; an id that writes nothing of it has no length."""
        spoken = self._spoken(ids)
        written, spans = token_offsets.spans(self.tokenizer, [ids[i] for i in spoken])
        before, length = len(written) - len(written.lstrip()), len(written.strip())
        found, at = dict(zip(spoken, spans, strict=True)), 0
        out = []
        for i in range(len(ids)):
            start, at = found.get(i, (at, at))
            out.append((min(max(start - before, 0), length), min(max(at - before, 0), length)))
        return out

    def _spoken(self, ids: Sequence[int]) -> list[int]:
        """The places of the ids that are the answer's text."""
        end = next((i for i, token in enumerate(ids) if token in self.stops), len(ids))
        drop = {self.tokenizer.pad_token_id, self.tokenizer.bos_token_id}
        return [i for i in range(end) if ids[i] not in drop]

    @cached_property
    def stops(self) -> frozenset[int]:
        """The ids at which generation ends."""
        return frozenset(i for i in (self.end[0], self.tokenizer.eos_token_id) if i is not None)


def _turn(role: str, text: str) -> dict[str, Any]:
    return {"role": role, "content": [{"type": "text", "text": text}]}
