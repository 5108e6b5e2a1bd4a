"""What makes a folder, or what the hub has, no model that can be used here: told before weights are read, in one place.

Every command loads models by ``models``, which asks here, so that each says the same of the same fault: a family that
transformers does not have, or that sees no images; code that comes with the model; no processor; a chat template that
leaves out the image; weights that are missing, or that belong to another model. Transformers itself fills missing
weights with random numbers, and peft adapters that fit nowhere with zeros; both only warn.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import transformers
from safetensors import SafetensorError, safe_open
from transformers.models.auto.configuration_auto import CONFIG_MAPPING
from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING

from unveil.core import digests, faults
from unveil.core.untrusted import JsonError, listed, quoted, read_object
from unveil.vlm import imports
from unveil.vlm.chat import Chat
from unveil.vlm.families import ModelError

#: Families of other programs that ``unveil convert model`` makes one of transformers of.
CONVERTED = ("llava_mistral", "llava_llama")
PROCESSOR = ("processor_config.json", "preprocessor_config.json")
TOKENIZER = ("tokenizer.json", "tokenizer.model", "vocab.json")
ADAPTER = "adapter_model.safetensors"
_SIGN = "\u2021"  # stands for a question


def check_configuration(name: str | Path, about: Any) -> None:
    """Raises ``ModelError`` where a config.json is of no family that transformers has."""
    if not isinstance(about, Mapping):
        raise ModelError(f"{name}: its config.json holds {quoted(about)} where an object is needed")
    kind, ours = about.get("model_type"), f"transformers {transformers.__version__}"
    if not kind:
        raise ModelError(f"{name}: its config.json names no model_type, so its family is not known")
    original = "mm_vision_tower" in about and "text_config" not in about
    if kind in CONVERTED or (kind == "llava" and original):
        raise ModelError(
            f"{name}: weights in the layout of the LLaVA program ({kind}), which transformers does not have: "
            f"`unveil convert model` makes a model of them that is taken"
        )
    if kind in CONFIG_MAPPING:
        return
    if code := about.get("auto_map"):
        raise _brings_code(name, code, f"its family {quoted(kind)} is none that {ours} has")
    raise ModelError(f"{name}: its family {quoted(kind)} is none that {ours} has: a newer transformers may have it")


def check_sees(name: str | Path, config: Any) -> None:
    """Raises ``ModelError`` where a configuration is of a family that answers no questions on images."""
    if type(config) not in MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING:
        raise ModelError(f"{name}: {config.model_type} models do not answer questions on images: name one that does")


def _brings_code(name: str | Path, code: Any, why: str) -> ModelError:
    names = sorted({str(file).rpartition("--")[2].partition(".")[0] + ".py" for file in _leaves(code)})
    return ModelError(
        f"{name}: it comes with code of its own ({listed(names)}), which is never run here, and {why}: take a version "
        f"of it for transformers, if there is one"
    )


def _leaves(code: Any) -> list[Any]:
    values = code.values() if isinstance(code, dict) else [code]
    return [leaf for value in values for leaf in (value if isinstance(value, list | tuple) else [value]) if leaf]


def load_fault(name: str | Path, error: Exception) -> ModelError:
    """What is wrong with a model that transformers could not load: a file of its folder, if one is broken."""
    folder = digests.folder_of(name)
    broken = _broken_json(folder, "config.json", "adapter_config.json")
    if broken is not None:
        return broken
    files = sorted(folder.glob("*.safetensors"))
    for file in files:
        try:
            with safe_open(file, framework="pt"):
                pass
        except SafetensorError as cut:
            return cut_off(file, cut)
    if (folder / "config.json").is_file() and not files:
        pickled = listed(file.name for file in sorted(folder.glob("*.bin")))
        never = f"; pickled weights ({pickled}) are never opened" if pickled else ""
        return ModelError(f"{name}: it came without its weights (model.safetensors){never}")
    return ModelError(f"{name}: cannot be loaded as a vision-language model{_needs(error)}: {_on_one_line(error)}")


def cut_off(file: Path, error: SafetensorError) -> ModelError:
    """The error where a file of weights is not whole."""
    return ModelError(f"{file}: not a whole file of safetensors ({error}): copy or download it again")


def _broken_json(folder: Path, *names: str) -> ModelError | None:
    """The error that names the first of these files that is there and holds no object of JSON."""
    for file in filter(Path.is_file, (folder / name for name in names)):
        try:
            read_object(file)
        except JsonError as broken:
            return ModelError(str(broken))
    return None


def _needs(error: Exception) -> str:
    """What to install where an error says that a package is missing: of videos, which transformers names as files."""
    if not re.search("torchvision|num2words|video processor", str(error), re.IGNORECASE):
        return ""
    return ": pip install 'unveil[video]'" + ("" if "orchvision" in str(error) else " (torchvision)")


def _on_one_line(error: Exception) -> str:
    """The words of an error; those of one of Python's own kinds say too little without it."""
    kind = "" if isinstance(error, OSError | ValueError | ImportError) else f"{type(error).__name__}: "
    return kind + " ".join(str(error).split())


# ----------------------------------------------------------------------------------------------- processor and template


def processor_fault(name: str | Path, place: str, error: Exception) -> ModelError:
    """What is wrong with a processor that could not be loaded from ``place``."""
    folder = Path(place)
    settings = (*PROCESSOR, "tokenizer_config.json")
    broken = _broken_json(folder, *settings, "tokenizer.json")
    if broken is not None:
        return broken
    for file in filter(Path.is_file, (folder / file for file in settings)):
        if code := read_object(file).get("auto_map"):
            return _brings_code(name, code, f"transformers has no processor as {file.name} asks for")
    for what, files in (("processor", PROCESSOR), ("tokenizer", TOKENIZER)):
        if folder.is_dir() and not any((folder / file).is_file() for file in files):
            return no_processor(name, what, files)
    return ModelError(f"{name}: its processor cannot be loaded{_needs(error)}: {_on_one_line(error)}")


def no_processor(name: str | Path, what: str = "processor", files: Collection[str] = PROCESSOR) -> ModelError:
    """The error where a model came without a part of what speaks with it."""
    return ModelError(
        f"{name}: it came without its {what} ({' or '.join(files)}): copy the files of processor, tokenizer and chat "
        f"template from the model that it was made of"
    )


def check_template(name: str | Path, chat: Chat) -> None:
    """Raises ``ModelError`` where a chat template does not show both the image and the question, once each."""
    try:
        prompt = chat.prompt_text(_SIGN)
    except Exception as error:  # the template's own, of any kind
        if faults.goes_through(error):
            raise
        raise ModelError(f"{name}: its chat template fails on a question about an image: {error}") from error
    times = prompt.count(chat.image_token)
    for what, number in (("image", times), ("question", prompt.count(_SIGN))):
        if number != 1:
            fault = f"leaves out the {what}" if not number else f"writes the {what} {number} times"
            raise ModelError(
                f"{name}: its chat template {fault}: take the template of the model that it was made of "
                f"(chat_template.jinja); for a question it writes {quoted(prompt.replace(_SIGN, 'QUESTION'), 300)}"
            )


# -------------------------------------------------------------------------------------------------------------- weights


def check_weights(name: str | Path, missing: Collection[str], mismatched: Collection[Any]) -> None:
    """Raises ``ModelError`` where weights of a model are not in its files, or have other shapes there.

    ``mismatched`` are (name, shape in the file, shape in the model).
    """
    if missing:
        raise ModelError(
            f"{name}: {len(missing)} of its weights are in none of its files ({listed(sorted(missing))}): load the "
            f"model again from where it is from, or convert it"
        )
    if mismatched:
        told = [f"{key}: {list(there)}, not {list(here)}" for key, there, here in sorted(mismatched, key=str)]
        raise ModelError(
            f"{name}: {len(told)} of its weights have other shapes than its config.json says: {listed(told)}"
        )


def adapted(base: Any, folder: str, under: str) -> Any:
    """The model ``base``, which came from ``under``, with the adapter in a folder on it.

    Raises ``ModelError`` where the adapter is of another model, of which some or all of it fits nowhere.
    """
    file = Path(folder) / ADAPTER
    if not file.is_file():
        raise ModelError(f"{folder}: the adapter's folder holds no {ADAPTER}; pickled weights are never opened")
    try:
        with safe_open(file, framework="pt") as weights:
            there = sum(".lora_" in key for key in weights.keys())  # noqa: SIM118
    except SafetensorError as error:
        raise cut_off(file, error) from error
    about = read_object(Path(folder) / "adapter_config.json")
    made_for, kind = (about.get("auto_mapping") or {}).get("base_model_class"), type(base).__name__
    fault = f"{folder}: an adapter of another base than {under} ({kind}), which it names as its own"
    if made_for != kind and hasattr(transformers, str(made_for)):
        raise ModelError(f"{fault}: it was made for {made_for}")
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        try:
            tuned = imports.peft().PeftModel.from_pretrained(base, folder)
        except (RuntimeError, ValueError) as error:
            if faults.out_of_memory(error):
                raise
            raise ModelError(f"{fault}; {' '.join(str(error).split())[:300]}") from error
    lacking = [one for one in told if "missing adapter keys" in str(one.message)]
    for one in told:
        if one not in lacking:
            warnings.warn_explicit(one.message, one.category, one.filename, one.lineno)
    slots = sum(".lora_" in key for key, _ in tuned.named_parameters())
    if lacking or there != slots:
        raise ModelError(f"{fault}; of {there} weights in {ADAPTER} it takes {slots}, and not all fit")
    return tuned
