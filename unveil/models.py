"""Models: loading one with its processor, showing it an image and a question, and letting it answer.

Any ``AutoModelForImageTextToText`` of transformers is taken, by hub id or local folder, from safetensors only and never
with remote code. What the library cannot know about a model, how it writes boxes, is declared in ``PROFILES`` or in the
model's own configuration (key ``unveil``), and never guessed.

Shapes: B rows, T tokens.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
import transformers
from PIL import Image, ImageOps
from safetensors import safe_open
from torch import Tensor, nn
from transformers import AutoModelForImageTextToText, AutoProcessor, PreTrainedModel

from unveil import pixels
from unveil.records import Dialogue, Kind
from unveil.wording import HINTS, SYNTAXES, BoxSyntax, View, render

TINY = "tiny"
IGNORED = -100


class ModelError(ValueError):
    """A model that cannot be used as asked; the message says why and what to do."""


@dataclass(frozen=True)
class Profile:
    """What a model family expects: its box syntax, and whether it needs to be told the form of an answer."""

    syntax: str
    hint: bool = True


#: By ``model_type`` of the configuration. Families without a convention of their own get floats 0-1 and are taught them.
PROFILES: dict[str, Profile] = {
    "llava": Profile("unit-square"),
    "llava_next": Profile("unit-square"),
    "qwen2_vl": Profile("qwen2-vl"),
    "qwen2_5_vl": Profile("json-pixels"),
    "qwen3_vl": Profile("json-1000"),
    "internvl": Profile("internvl"),
    "paligemma": Profile("loc-1024"),
    "gemma3": Profile("json-1000"),
    "idefics3": Profile("unit"),
    "smolvlm": Profile("unit"),
}


def profile_of(config: Any, syntax: str | None = None) -> Profile:
    """The profile: ``syntax`` if the user names one, else the configuration's own, else that of its family."""
    own = getattr(config, "unveil", None)
    if own is not None:
        profile = Profile(own["syntax"], own["hint"])
    elif config.model_type in PROFILES:
        profile = PROFILES[config.model_type]
    elif syntax is None:
        known = ", ".join(SYNTAXES)
        raise ModelError(
            f"how {config.model_type!r} models write boxes is not known here: name it with --box-syntax (one of {known})"
        )
    else:
        profile = Profile(syntax)
    if syntax is not None and syntax not in SYNTAXES:
        raise ModelError(f"box syntax {syntax!r} is not known: use one of {', '.join(SYNTAXES)}")
    return profile if syntax is None else Profile(syntax, profile.hint)


@dataclass(frozen=True)
class Loaded:
    """A model ready for use, and how to speak with it."""

    name: str
    model: PreTrainedModel
    chat: Chat
    fingerprint: str

    @property
    def device(self) -> torch.device:
        return next(self.model.parameters()).device


def tiny_folder() -> Path:
    """The folder of the tiny base model: in the package when installed, else in the repository."""
    here = Path(__file__).resolve().parent
    for folder in (here / "assets" / TINY, here.parent / "assets" / TINY):
        if (folder / "config.json").is_file():
            return folder
    raise ModelError("the tiny base model is not part of this installation")


def load(
    name: str | Path,
    *,
    revision: str | None = None,
    syntax: str | None = None,
    device: str | torch.device | None = None,
    dtype: torch.dtype | None = None,
) -> Loaded:
    """Loads a hub id, a local folder, a folder with a LoRA adapter, or ``"tiny"`` (the base model of this project)."""
    quiet()
    folder = str(tiny_folder()) if str(name) == TINY else str(name)
    where = torch.device(device) if device else default_device()
    dtype = dtype or default_dtype(where)
    options = {"revision": revision, "trust_remote_code": False}
    try:
        if (Path(folder) / "adapter_config.json").is_file():
            model, folder = _load_adapter(folder, dtype)
        else:
            model = AutoModelForImageTextToText.from_pretrained(folder, dtype=dtype, use_safetensors=True, **options)
        processor = AutoProcessor.from_pretrained(folder, **options)
    except (OSError, ValueError, ImportError) as error:
        raise ModelError(f"{name}: cannot be loaded as a vision-language model: {error}") from error
    chat = Chat(processor, profile_of(model.config, syntax))
    return Loaded(str(name), model.to(where).eval(), chat, fingerprint(model))


def _load_adapter(folder: str, dtype: torch.dtype) -> tuple[PreTrainedModel, str]:
    """A LoRA adapter on its base model, merged for speed; the adapter's folder also holds the processor."""
    from peft import PeftModel

    about = json.loads((Path(folder) / "adapter_config.json").read_text())
    base_name = about["base_model_name_or_path"]
    base = AutoModelForImageTextToText.from_pretrained(
        str(tiny_folder()) if base_name == TINY else base_name,
        dtype=dtype,
        use_safetensors=True,
        trust_remote_code=False,
    )
    merged = PeftModel.from_pretrained(base, folder).merge_and_unload()
    merged.config.unveil = json.loads((Path(folder) / "unveil.json").read_text())
    return merged, folder


def quiet() -> None:
    """Keeps transformers' own progress bars and notes off the screen."""
    transformers.utils.logging.disable_progress_bar()
    transformers.logging.set_verbosity_error()


def default_device() -> torch.device:
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def default_dtype(device: torch.device) -> torch.dtype:
    """bfloat16 where the device computes in it, else float32."""
    return torch.bfloat16 if device.type == "cuda" and torch.cuda.is_bf16_supported() else torch.float32


def fingerprint(model: nn.Module) -> str:
    """A hash that changes with any weight: of each parameter's name, shape and content sums."""
    digest = hashlib.sha256()
    with torch.no_grad():
        for name, value in sorted(model.state_dict().items()):
            wide = value.detach().double().flatten()
            sums = (wide.sum(), (wide * torch.arange(1, wide.numel() + 1, device=wide.device)).sum())
            digest.update(f"{name} {tuple(value.shape)} {[float(s) for s in sums]}".encode())
    return digest.hexdigest()[:16]


# --------------------------------------------------------------------------------------------- parts of a model

_TOWERS = ("vision_tower", "visual", "vision_model")
_PROJECTORS = ("multi_modal_projector", "connector", "merger")


def part_of(parameter: str) -> str:
    """Which part of the model a parameter belongs to: "tower", "projector" or "language", by transformers' names."""
    words = parameter.split(".")
    if any(p in words for p in _PROJECTORS):
        return "projector"
    return "tower" if any(t in words for t in _TOWERS) else "language"


def linear_layers(model: nn.Module, parts: Sequence[str]) -> list[str]:
    """The names of all linear layers of the given parts, the head left out: what LoRA is put on by default."""
    head = re.compile(r"(^|\.)(lm_head|score)$")
    return [
        name
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear) and not head.search(name) and part_of(name) in parts
    ]


# ------------------------------------------------------------------------------------------------------ the chat


@dataclass(frozen=True)
class Seen:
    """An image as one model sees it: its tensors, the tokens that stand for it, and the frame of pixel coordinates."""

    tensors: dict[str, Tensor]
    block: list[int]
    types: dict[str, list[int]]
    view: View


@dataclass(frozen=True)
class Encoded:
    """One row: the prompt's ids with the image inside, and the answer's ids (empty when the model is to answer)."""

    id: str
    seen: Seen
    prompt: list[int]
    answer: list[int]
    image_at: int

    def __len__(self) -> int:
        return len(self.prompt) + len(self.answer)


class Chat:
    """Turns an image and a question into a model's inputs and its output into text.

    An image is decoded and processed once and kept (``cache_mb`` of tensors at the most); each question on it then costs
    only the tokenising of its text. The tokens that stand for the image are found by comparing one processed prompt with
    the same prompt unprocessed, so nothing about a family's image tokens is assumed.
    """

    def __init__(self, processor: Any, profile: Profile, cache_mb: int = 512):
        self.processor = processor
        self.tokenizer = processor.tokenizer
        self.profile = profile
        self._room = cache_mb * 2**20
        self._seen: OrderedDict[str, Seen] = OrderedDict()

    @property
    def syntax(self) -> BoxSyntax:
        return SYNTAXES[self.profile.syntax]

    @cached_property
    def end(self) -> list[int]:
        """The ids that end an answer, as the chat template writes them; the tokenizer's end of text where it does not."""
        turns = [*self._turns("?"), {"role": "assistant", "content": [{"type": "text", "text": "\u2021"}]}]
        text = self.processor.apply_chat_template(turns, tokenize=False)
        ids = self._ids(text.rpartition("\u2021")[2].strip())
        return ids or [self.tokenizer.eos_token_id]

    def resize_cache(self, megabytes: int) -> None:
        """Sets the memory for processed images and forgets those that are kept."""
        self._seen.clear()
        self._room = megabytes * 2**20

    @property
    def longest(self) -> int | None:
        """The longest row that the tokenizer declares its model to take, None where it declares none."""
        longest = self.tokenizer.model_max_length
        return longest if longest < 10**9 else None

    def look(self, path: str | Path) -> Seen:
        """The image at ``path`` as the model sees it."""
        key = str(path)
        if key in self._seen:
            self._seen.move_to_end(key)
        else:
            self._keep(key, self._look(Image.fromarray(pixels.to_rgb(pixels.read(path)))))
        return self._seen[key]

    def _keep(self, key: str, seen: Seen) -> None:
        size = sum(t.nbytes for t in seen.tensors.values())
        while self._seen and size > self._room:
            self._room += sum(t.nbytes for t in self._seen.popitem(last=False)[1].tensors.values())
        self._room -= size
        self._seen[key] = seen

    def _look(self, image: Image.Image) -> Seen:
        size = image.size
        if self.syntax.square:
            image = ImageOps.pad(image, (max(size),) * 2, color=(127, 127, 127))
        prompt = self.prompt_text("?")
        done = self.processor(text=[prompt], images=[image], return_tensors="pt")
        plain, full = self._ids(prompt), done["input_ids"][0].tolist()
        at = next((i for i, (a, b) in enumerate(zip(plain, full, strict=False)) if a != b), len(plain) - 1)
        at = min(at, plain.index(self._image_id)) if self._image_id in plain else at
        tail = len(plain) - at - 1
        if full[:at] != plain[:at] or full[len(full) - tail :] != plain[at + 1 :]:
            raise ModelError(f"{type(self.processor).__name__}: the image's place in the prompt was not found")
        end = len(full) - tail
        per_token = {k: v for k, v in done.items() if k.endswith("token_type_ids")}
        tensors = {k: v for k, v in done.items() if k not in ("input_ids", "attention_mask") and k not in per_token}
        types = {k: v[0, at:end].tolist() for k, v in per_token.items()}
        return Seen(tensors, full[at:end], types, View(self.syntax, size, self._frame(tensors, size)))

    @cached_property
    def _image_id(self) -> int | None:
        token = getattr(self.processor, "image_token", None)
        return None if token is None else self.tokenizer.convert_tokens_to_ids(str(token))

    def _frame(self, tensors: dict[str, Tensor], size: tuple[int, int]) -> tuple[int, int]:
        """Width and height of the picture after resizing, which absolute pixel syntaxes refer to."""
        if self.syntax.grid is not None:
            return size
        if "image_grid_thw" not in tensors:
            raise ModelError(f"{type(self.processor).__name__} does not tell the size of the resized image")
        _, rows, columns = tensors["image_grid_thw"][0].tolist()
        patch = self.processor.image_processor.patch_size
        return columns * patch, rows * patch

    def _turns(self, question: str) -> list[dict[str, Any]]:
        return [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": question}]}]

    def _ids(self, text: str) -> list[int]:
        return self.tokenizer(text, add_special_tokens=False)["input_ids"]

    def prompt_text(self, question: str) -> str:
        return self.processor.apply_chat_template(self._turns(question), tokenize=False, add_generation_prompt=True)

    def question(self, text: str, kind: Kind, view: View) -> str:
        """A question in the model's own words: boxes in its syntax, and the form of the answer where it needs a hint."""
        if self.profile.hint:
            width, height = view.size
            example = view.write((0.2 * width, 0.3 * height, 0.4 * width, 0.6 * height))
            text = f"{text} {HINTS[kind].replace('{box}', example)}"
        return render(text, view)

    def encode(self, dialogue: Dialogue, image: str | Path, with_answer: bool) -> Encoded:
        """A dialogue as ids, with its true answer (to learn from) or without (to be answered)."""
        seen = self.look(image)
        ids = self._ids(self.prompt_text(self.question(dialogue.question, dialogue.kind, seen.view)))
        at = ids.index(self._image_id)
        answer = [*self._ids(render(dialogue.answer, seen.view)), *self.end] if with_answer else []
        return Encoded(dialogue.id, seen, [*ids[:at], *seen.block, *ids[at + 1 :]], answer, at)

    def batch(
        self, rows: Sequence[Encoded], device: torch.device | str = "cpu", left: bool = False
    ) -> dict[str, Tensor]:
        """Rows as one padded batch with ``labels`` on the answers only (B, T); padding stands left for generation."""
        longest = max(map(len, rows))
        pad = self.tokenizer.pad_token_id
        if pad is None:
            pad = self.tokenizer.eos_token_id

        def fill(values: list[int], filler: int) -> list[int]:
            gap = [filler] * (longest - len(values))
            return [*gap, *values] if left else [*values, *gap]

        out = {
            "input_ids": [fill([*r.prompt, *r.answer], pad) for r in rows],
            "attention_mask": [fill([1] * len(r), 0) for r in rows],
            "labels": [fill([IGNORED] * len(r.prompt) + r.answer, IGNORED) for r in rows],
        }
        for key in rows[0].seen.types:
            out[key] = [fill(_typed(r, key), 0) for r in rows]
        batch = {k: torch.tensor(v) for k, v in out.items()} | _images([r.seen.tensors for r in rows])
        return {k: v.to(device) for k, v in batch.items()}

    def text(self, ids: Sequence[int]) -> str:
        """Generated ids as text: up to the end of the answer, box tokens kept."""
        drop = {*self.end, self.tokenizer.pad_token_id, self.tokenizer.bos_token_id, self.tokenizer.eos_token_id}
        kept = [i for i in ids if i not in drop]
        return self.tokenizer.decode(kept, skip_special_tokens=False, clean_up_tokenization_spaces=False).strip()


def _typed(row: Encoded, key: str) -> list[int]:
    """Token types of a whole row: those of the image's tokens, 0 elsewhere."""
    types = row.seen.types[key]
    return [0] * row.image_at + types + [0] * (len(row) - row.image_at - len(types))


def _images(tensors: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
    """Image tensors of several rows behind one another, padded where images have different numbers of tiles."""
    out = {}
    for key in tensors[0]:
        parts = [t[key] for t in tensors]
        shape = [max(p.shape[d] for p in parts) for d in range(1, parts[0].dim())]
        padded = []
        for part in parts:
            gaps = [g for d in reversed(range(1, part.dim())) for g in (0, shape[d - 1] - part.shape[d])]
            padded.append(nn.functional.pad(part, gaps) if any(gaps) else part)
        out[key] = torch.cat(padded)
    return out


@torch.inference_mode()
def answer(loaded: Loaded, rows: Sequence[Encoded], max_new_tokens: int) -> list[tuple[str, bool]]:
    """Greedy answers to a batch of rows: the text, and whether it was cut at the length limit."""
    chat = loaded.chat
    batch = chat.batch(rows, loaded.device, left=True)
    del batch["labels"]
    ends = {chat.end[0], chat.tokenizer.eos_token_id}
    out = loaded.model.generate(
        **batch,
        max_new_tokens=max_new_tokens,
        do_sample=False,
        num_beams=1,
        eos_token_id=sorted(e for e in ends if e is not None),
        pad_token_id=chat.tokenizer.pad_token_id if chat.tokenizer.pad_token_id is not None else chat.end[0],
    )
    new = out[:, batch["input_ids"].shape[1] :].tolist()
    return [(chat.text(ids), not ends.intersection(ids)) for ids in new]


def weights_of(folder: Path) -> Iterator[tuple[str, Tensor]]:
    """The weights of a local safetensors folder, one after another."""
    for file in sorted(folder.glob("*.safetensors")):
        with safe_open(file, "pt") as tensors:
            for name in tensors.keys():  # noqa: SIM118 (safe_open is no mapping)
                yield name, tensors.get_tensor(name)
