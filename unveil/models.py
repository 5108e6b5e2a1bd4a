"""Models: loading one with its processor, telling its parts apart, and letting it answer.

Any ``AutoModelForImageTextToText`` of transformers is taken, by hub id or local folder, from safetensors only and never
with remote code.
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import torch
import transformers
from huggingface_hub import get_hf_file_metadata, hf_hub_url, try_to_load_from_cache
from huggingface_hub.errors import HfHubHTTPError, HFValidationError
from torch import nn
from transformers import (
    AutoConfig,
    AutoModelForImageTextToText,
    AutoProcessor,
    LogitsProcessor,
    LogitsProcessorList,
    PreTrainedModel,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from unveil.encoding import IGNORED, Chat
from unveil.profiles import ModelError, profile_of
from unveil.rows import Encoded
from unveil.sampling import Sampling

TINY = "tiny"
Precision = Literal["auto", "float32", "bf16", "fp16"]
DTYPES = {"float32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
"""By what --precision calls them; "auto" leaves it to the device."""


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
    folder = located(name, revision)
    where = torch.device(device) if device else default_device()
    dtype = dtype or default_dtype(where)
    try:
        model = _load_model(folder, revision, dtype)
        processor = AutoProcessor.from_pretrained(folder, revision=revision, trust_remote_code=False)
    except (OSError, ValueError, ImportError) as error:
        raise ModelError(f"{name}: cannot be loaded as a vision-language model: {error}") from error
    chat = Chat(processor, profile_of(model.config, syntax))
    return Loaded(str(name), model.to(where).eval(), chat, fingerprint(model))


@lru_cache
def located(name: str | Path, revision: str | None = None) -> str:
    """The folder of a model, or its hub id; raises ``ModelError`` where there is none.

    A name that begins with ``.``, ``/`` or ``~`` is a folder. The hub is asked once for an id that is not in its cache,
    so that a wrong name or a missing network is said within seconds and not after many retries.
    """
    if str(name) == TINY:
        return str(tiny_folder())
    path = Path(name).expanduser()
    if path.is_dir():
        if not any((path / file).is_file() for file in ("config.json", "adapter_config.json")):
            raise ModelError(f"{name}: the folder holds no config.json, so it is not a saved model")
        return str(path)
    if str(name).startswith((".", "/", "~")) or path.is_absolute() or path.exists():
        raise ModelError(f"{name}: no such folder")
    _look_on_hub(str(name), revision)
    return str(name)


def _look_on_hub(name: str, revision: str | None) -> None:
    """Raises ``ModelError`` where a model is not in the hub's cache, and the hub has none or cannot be asked."""
    try:
        if not isinstance(try_to_load_from_cache(name, "config.json", revision=revision), str):
            get_hf_file_metadata(hf_hub_url(name, "config.json", revision=revision), timeout=10)
        return
    except (HfHubHTTPError, HFValidationError) as error:
        at = f" at revision {revision}" if revision else ""
        said, hint = (
            f"the hub has no such model for you{at}",
            "check the name; `hf auth login` where access was granted",
        )
        cause: Exception = error
    except Exception as error:  # no network: the class is that of the hub's HTTP client, which changes with its version
        said, hint, cause = "the hub cannot be asked", "load it once where there is a network, or name a folder", error
    why = next((line.strip() for line in str(cause).splitlines() if line.strip()), type(cause).__name__)
    raise ModelError(f"{name}: no folder here, and {said} ({why[:160]}): {hint}") from cause


def _load_model(folder: str, revision: str | None, dtype: torch.dtype) -> PreTrainedModel:
    """A model, or a LoRA adapter on its base model (which may be an adapter itself), merged for speed."""
    about = Path(folder) / "adapter_config.json"
    if not about.is_file():
        return AutoModelForImageTextToText.from_pretrained(
            folder, revision=revision, dtype=dtype, use_safetensors=True, trust_remote_code=False
        )
    from peft import PeftModel

    adapter = json.loads(about.read_text())
    name = adapter["base_model_name_or_path"]
    base = _load_model(str(tiny_folder()) if name == TINY else name, adapter.get("revision"), dtype)
    merged = PeftModel.from_pretrained(base, folder).merge_and_unload()
    merged.config.unveil = json.loads((Path(folder) / "unveil.json").read_text())
    return merged


def size(name: str | Path, revision: str | None = None) -> int:
    """The number of weights of a model, from its configuration alone."""
    folder = Path(located(name, revision))
    if (folder / "adapter_config.json").is_file():
        return size(json.loads((folder / "adapter_config.json").read_text())["base_model_name_or_path"])
    return blank(folder, revision).num_parameters()


def blank(name: str | Path, revision: str | None = None) -> PreTrainedModel:
    """A model without weights, from its configuration alone: its parts and their shapes."""
    try:
        config = AutoConfig.from_pretrained(located(name, revision), revision=revision, trust_remote_code=False)
        with torch.device("meta"):
            return AutoModelForImageTextToText.from_config(config)
    except (OSError, ValueError) as error:
        raise ModelError(f"{name}: cannot be loaded as a vision-language model: {error}") from error


def quiet() -> None:
    """Keeps the libraries' own progress bars and notes off the screen."""
    logging.getLogger("accelerate").setLevel(logging.ERROR)
    transformers.utils.logging.disable_progress_bar()
    transformers.logging.set_verbosity_error()


def default_device() -> torch.device:
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def default_dtype(device: torch.device) -> torch.dtype:
    """bfloat16 where the device computes in it, else float32: older GPUs (V100, T4) only emulate it."""
    computes = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.bfloat16 if computes else torch.float32


_BITS = {1: torch.int8, 2: torch.int16, 4: torch.int32, 8: torch.int64}


def fingerprint(model: nn.Module, parts: Collection[str] = ("language", "projector", "tower")) -> str:
    """A hash that changes with any weight (of the named parts): of each parameter's name, shape and bits.

    The bits are summed as integers, which unlike floating point comes to the same on any machine.
    """
    digest = hashlib.sha256()
    with torch.no_grad():
        for name, value in sorted(model.state_dict().items()):
            if part_of(name) not in parts:
                continue
            digest.update(f"{name} {tuple(value.shape)} {value.dtype}".encode())
            for part in value.detach().flatten().view(_BITS[value.element_size()]).split(2**24):
                wide = part.long()
                places = torch.arange(1, wide.numel() + 1, device=wide.device)
                digest.update(f"{int(wide.sum())} {int((wide * places).sum())}".encode())
    return digest.hexdigest()[:16]


# --------------------------------------------------------------------------------------------- parts of a model

_TOWERS = ("vision_tower", "visual", "vision_model")
_PROJECTORS = ("multi_modal_projector", "connector", "merger", "deepstack_merger_list", "image_newline")


def part_of(parameter: str) -> str:
    """Which part of the model a parameter belongs to: "tower", "projector" or "language", by transformers' names."""
    words = parameter.split(".")
    if any(p in words for p in _PROJECTORS):
        return "projector"
    return "tower" if any(t in words for t in _TOWERS) else "language"


def language_model(model: nn.Module) -> PreTrainedModel:
    """The language model inside of a vision-language model, without its head."""
    found = (m for name, m in model.named_modules() if name.split(".")[-1] in ("language_model", "text_model"))
    inner = next((m for m in found if isinstance(m, PreTrainedModel)), None)
    if inner is None:
        raise ModelError(f"{type(model).__name__}: its language model was not found")
    return inner


def linear_layers(model: nn.Module, parts: Sequence[str]) -> list[str]:
    """The names of all linear layers of the given parts, the head left out: what LoRA is put on by default."""
    head = re.compile(r"(^|\.)(lm_head|score)$")
    return [
        name
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear) and not head.search(name) and part_of(name) in parts
    ]


# ---------------------------------------------------------------------------------------------------------- answers


@torch.inference_mode()
def answer(
    loaded: Loaded,
    rows: Sequence[Encoded],
    max_new_tokens: int,
    sampling: Sampling = Sampling(),
    seeds: Sequence[int] = (),
) -> list[tuple[str, bool]]:
    """Answers to a batch of rows: the text, and whether it was cut at the length limit.

    Greedy, or drawn as ``sampling`` says with a seed for each row, so that what a row draws does not depend on the rows
    beside it. A token is drawn as the largest of its log-probability plus Gumbel noise, which is a draw from the
    distribution.
    """
    chat = loaded.chat
    batch = chat.batch(rows, loaded.device, left=True)
    del batch["labels"]
    out = loaded.model.generate(
        **batch,
        max_new_tokens=max_new_tokens,
        do_sample=False,
        logits_processor=_drawn(sampling, seeds),
        num_beams=1,
        eos_token_id=sorted(chat.stops),
        pad_token_id=chat.tokenizer.pad_token_id if chat.tokenizer.pad_token_id is not None else chat.end[0],
    )
    new = out[:, batch["input_ids"].shape[1] :].tolist()
    return [(chat.text(ids), chat.stops.isdisjoint(ids)) for ids in new]


def _drawn(sampling: Sampling, seeds: Sequence[int]) -> LogitsProcessorList:
    """What makes the likeliest token one that is drawn."""
    if not sampling.temperature:
        return LogitsProcessorList()
    parts: list[LogitsProcessor] = [TemperatureLogitsWarper(sampling.temperature)]
    if sampling.top_k:
        parts.append(TopKLogitsWarper(sampling.top_k))
    if sampling.top_p < 1:
        parts.append(TopPLogitsWarper(sampling.top_p))
    return LogitsProcessorList([*parts, _Gumbel(seeds)])


class _Gumbel(LogitsProcessor):
    """Adds Gumbel noise from a generator of each row's own."""

    def __init__(self, seeds: Sequence[int]):
        self.generators = [torch.Generator().manual_seed(seed) for seed in seeds]

    def __call__(self, input_ids: Any, scores: Any) -> Any:
        drawn = [torch.rand(scores.shape[1], generator=g, dtype=torch.float64) for g in self.generators]
        uniform_BV = torch.stack(drawn).clamp_min(torch.finfo(torch.float64).tiny).to(scores.device)
        return scores - torch.log(-torch.log(uniform_BV)).to(scores.dtype)


@torch.inference_mode()
def instead(loaded: Loaded, rows: Sequence[Encoded]) -> list[str]:
    """What the model would have said at each token of the rows' answers, had it been led along them so far."""
    batch = loaded.chat.batch(rows, loaded.device)
    labels_BT = batch.pop("labels")
    logits_BTV = loaded.model(**batch, use_cache=False).logits
    best_BT = logits_BTV[:, :-1].argmax(-1)
    inside_BT = labels_BT[:, 1:] != IGNORED
    return [loaded.chat.text(ids[inside].tolist()) for ids, inside in zip(best_BT, inside_BT, strict=True)]
