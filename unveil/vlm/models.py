"""Models: loading one with its processor (`model_parts` tells its parts apart, `engine` lets it answer).

Any ``AutoModelForImageTextToText`` of transformers is taken, by hub id or local folder, from safetensors only and never
with remote code.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
import transformers
from huggingface_hub import get_hf_file_metadata, hf_hub_url, try_to_load_from_cache
from huggingface_hub.errors import HfHubHTTPError, HFValidationError
from transformers import (
    AutoConfig,
    AutoModelForImageTextToText,
    AutoProcessor,
    PreTrainedConfig,
    PreTrainedModel,
)

from unveil.core import console, digests, faults
from unveil.core.untrusted import read_json, read_object
from unveil.vlm import imports, unfit
from unveil.vlm.chat import Chat
from unveil.vlm.choice import TINY
from unveil.vlm.families import CLASS_TOKENS, ModelError, by_name, profile_of
from unveil.vlm.model_parts import fingerprint
from unveil.vlm.processes import processes
from unveil.vlm.resolution import Resolution, limit

DTYPES = {"float32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
"""By what --precision calls them; "auto" leaves it to the device."""


class HubError(ModelError):
    """The hub cannot be asked whether it has a model."""


@dataclass(frozen=True)
class Loaded:
    """A model ready for use, and how to speak with it."""

    name: str
    model: PreTrainedModel
    chat: Chat
    fingerprint: str

    @property
    def device(self) -> torch.device:
        device: torch.device = next(self.model.parameters()).device
        return device


def tiny_folder() -> Path:
    """The folder of the tiny base model: in the package when installed, else in the repository."""
    here = Path(__file__).resolve().parents[1]
    for folder in (here / "assets" / TINY, here.parent / "assets" / TINY):
        if (folder / "config.json").is_file():
            return folder
    raise ModelError("the tiny base model is not part of this installation")


def load(
    name: str | Path,
    *,
    revision: str | None = None,
    box_format: str | None = None,
    device: str | torch.device | None = None,
    dtype: torch.dtype | None = None,
    limits: Resolution = Resolution(),
) -> Loaded:
    """Loads a hub id, a local folder, a folder with a LoRA adapter, or ``"tiny"`` (the base model of this project)."""
    quiet()
    where = torch.device(device) if device else default_device()
    with console.progress(f"load {name}", None, show=processes().is_main_process):
        with _understood(name):
            model = _load_model(located(name, revision), revision, dtype or default_dtype(where))
        spoken = _chat(name, revision, model.config, box_format, limits)
        return Loaded(str(name), model.to(where).eval(), spoken, fingerprint(model))


def chat_of(
    name: str | Path, *, revision: str | None = None, box_format: str | None = None, limits: Resolution = Resolution()
) -> Chat:
    """How to speak with a model, and with ``resolution.cost`` what images cost, without loading its weights."""
    quiet()
    with _understood(name):
        config = _config(located(name, revision), revision)
    return _chat(name, revision, config, box_format, limits)


@contextmanager
def _understood(name: str | Path) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # transformers' own, of any kind
        if faults.goes_through(error):
            raise
        raise unfit.load_fault(name, error) from error


@lru_cache
def located(name: str | Path, revision: str | None = None) -> str:
    """The folder of a model, or its hub id; raises ``ModelError`` where there is none.

    A name that begins with ``.``, ``/`` or ``~`` is a folder. The hub is asked once for an id that is not in its cache,
    so that a wrong name or a missing network is said within seconds and not after many retries. Of one that is in it,
    transformers asks the hub for changes as it loads, with retries, unless ``HF_HUB_OFFLINE=1`` forbids it.
    """
    if str(name) == TINY:
        return str(tiny_folder())
    path = digests.folder_of(name)
    if path.is_dir():
        if not any((path / file).is_file() for file in ("config.json", "adapter_config.json")):
            raise ModelError(f"{name}: the folder holds no config.json, so it is not a saved model")
        return str(path)
    if path.is_file():
        raise ModelError(f"{name}: a file, and a folder is needed: name the one that it lies in")
    if str(name).startswith((".", "/", "~")) or path.is_absolute():
        raise ModelError(f"{name}: no such folder")
    _look_on_hub(str(name), revision)
    return str(name)


def _look_on_hub(name: str, revision: str | None) -> None:
    """Raises ``ModelError`` where a model is not in the hub's cache, and the hub has none or cannot be asked."""
    try:
        if not isinstance(try_to_load_from_cache(name, "config.json", revision=revision), str):
            get_hf_file_metadata(hf_hub_url(name, "config.json", revision=revision), timeout=10)
    except Exception as error:  # no network: the class is that of the hub's HTTP client, which changes with its version
        answered, kind = error.response.status_code if isinstance(error, HfHubHTTPError) else None, ModelError
        if answered in (401, 403, 404) or isinstance(error, HFValidationError):
            said = "the hub has no such model for you" + (f" at revision {revision}" if revision else "")
            hint = "check the name; `hf auth login` where access was granted"
        else:
            said, hint = "the hub cannot be asked", "load it once where there is a network, or name a folder"
            kind = HubError
        why = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
        raise kind(f"{name}: no folder here, and {said} ({why[:160]}): {hint}") from error


def _load_model(folder: str, revision: str | None, dtype: torch.dtype) -> PreTrainedModel:
    """A model, or a LoRA adapter on its base model (which may be an adapter itself), merged for speed."""
    under = _under(folder)
    if under is None:
        _config(folder, revision)
        with _understood(folder):
            model, info = AutoModelForImageTextToText.from_pretrained(
                folder,
                revision=revision,
                dtype=dtype,
                use_safetensors=True,
                trust_remote_code=False,
                output_loading_info=True,
                ignore_mismatched_sizes=True,
            )
        unfit.check_weights(folder, info["missing_keys"], info["mismatched_keys"])
        return model
    base = _load_model(*under, dtype)
    with imports.calm_peft():
        merged = unfit.adapted(base, folder, under[0]).merge_and_unload()
    _declare(merged.config, folder)
    return merged


def _config(folder: str, revision: str | None) -> Any:
    """The configuration of a model, or of the one under an adapter with what that declares."""
    under = _under(folder)
    if under is None:
        with _understood(folder):
            about, _ = PreTrainedConfig.get_config_dict(folder, revision=revision)
            unfit.check_configuration(folder, about)
            config = AutoConfig.from_pretrained(folder, revision=revision, trust_remote_code=False)
        unfit.check_sees(folder, config)
        return config
    config = _config(*under)
    _declare(config, folder)
    return config


def _under(folder: str) -> tuple[str, str | None] | None:
    """Folder or hub id, and revision, of the model that the adapter in a folder lies on; None where there is none."""
    about = Path(folder) / "adapter_config.json"
    if not about.is_file():
        return None
    adapter = read_object(about)
    base, revision = adapter.get("base_model_name_or_path"), adapter.get("revision")
    if not base:
        raise ModelError(f"{about}: the model under the adapter is not named: write it as base_model_name_or_path")
    return located(base, revision), revision


def _declare(config: Any, folder: str) -> None:
    """Writes into a configuration how the model of an adapter is asked; one that others wrote is asked as its base."""
    if (about := Path(folder) / "unveil.json").is_file():
        config.unveil = read_json(about)


def _with_processor(folder: str, revision: str | None) -> tuple[str, str | None]:
    """Where the processor of a model is: in its own folder, or with what an adapter lies on, if that came without."""
    under = _under(folder)
    if under is None or any((Path(folder) / f"{name}_config.json").is_file() for name in ("processor", "preprocessor")):
        return folder, revision
    return _with_processor(*under)


def _chat(name: str | Path, revision: str | None, config: Any, box_format: str | None, limits: Resolution) -> Chat:
    """How to speak with a model of this configuration, which is brought in line with its processor."""
    if config.is_encoder_decoder or config.get_text_config(decoder=True).is_encoder_decoder:
        raise ModelError(f"{name}: an encoder and a decoder; only models that write on behind their prompt are taken")
    with _understood(name):
        place, at = _with_processor(located(name, revision), revision)
    processor = _processor(name, place, at)
    complete(processor, config)
    profile = profile_of(config, box_format)
    spoken = Chat(processor, profile)
    unfit.check_template(name, spoken)
    if box_format is None and getattr(config, "unveil", None) is None and (own := by_name(config)):
        _tell(str(name), own)
    limit(spoken, limits)
    canvases = getattr(processor.image_processor, "image_grid_pinpoints", None)
    if canvases and hasattr(config, "image_grid_pinpoints"):  # the model takes images apart by its own list
        config.image_grid_pinpoints = canvases
    return spoken


def _processor(name: str | Path, place: str, revision: str | None) -> Any:
    """The processor of a model; ``name`` is what errors call it."""
    try:
        processor = AutoProcessor.from_pretrained(place, revision=revision, trust_remote_code=False)
    except Exception as error:  # transformers' own, of any kind
        if faults.goes_through(error):
            raise
        raise unfit.processor_fault(name, place, error) from error
    if not (hasattr(processor, "tokenizer") and hasattr(processor, "image_processor")):
        raise unfit.no_processor(name)
    return processor


@lru_cache
def _tell(name: str, box_format: str) -> None:
    """Says once that a model's name tells how it speaks."""
    if processes().is_main_process:
        console.say(f"{name}: spoken to as {box_format}, by its name; --box-format says otherwise")


def complete(processor: Any, config: Any) -> None:
    """Gives a processor what older conversions leave out of its files, from the model's configuration, which knows it.

    LLaVA's processors count image tokens themselves and are right only if they know what the tower does.
    """
    tower = getattr(config, "vision_config", None)
    known = {
        "patch_size": getattr(tower, "patch_size", None),
        "vision_feature_select_strategy": getattr(config, "vision_feature_select_strategy", None),
        "num_query_tokens": getattr(config, "num_query_tokens", None),
    }
    for name, value in known.items():
        if getattr(processor, name, value) is None:
            setattr(processor, name, value)
    before = CLASS_TOKENS.get(getattr(tower, "model_type", ""))
    if before is not None and hasattr(processor, "num_additional_image_tokens"):
        processor.num_additional_image_tokens = before


def size(name: str | Path, revision: str | None = None) -> int:
    """The number of weights of a model, from its configuration alone."""
    weights: int = blank(name, revision).num_parameters()
    return weights


def blank(name: str | Path, revision: str | None = None) -> PreTrainedModel:
    """A model without weights, from its configuration alone: its parts and their shapes."""
    with _understood(name):
        return unfilled(configuration(name, revision))


def configuration(name: str | Path, revision: str | None = None) -> Any:
    """The configuration of a model, or of the one under an adapter; of a hub model that is all that is fetched."""
    with _understood(name):
        return _config(located(name, revision), revision)


def unfilled(config: Any) -> PreTrainedModel:
    """A model without weights of a configuration."""
    with torch.device("meta"):
        return AutoModelForImageTextToText.from_config(config)


def is_here(name: str | Path, revision: str | None = None) -> bool:
    """Whether a model's processor can be had without a download: in a folder, or in the hub's cache."""
    if str(name) == TINY or digests.folder_of(name).is_dir():
        place, at = _with_processor(located(name, revision), revision)
        return place == located(name, revision) or is_here(place, at)
    return isinstance(try_to_load_from_cache(str(name), "tokenizer_config.json", revision=revision), str)


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


def beyond_fp16(device: torch.device) -> str:
    """What else to do where a number is not finite: nothing, unless fp16 is computed in here."""
    kind = device.type
    half = torch.is_autocast_enabled(kind) and torch.get_autocast_dtype(kind) == torch.float16
    return "; the model may leave the range of fp16, so try --precision float32" if half else ""
