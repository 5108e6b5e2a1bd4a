"""GGUF: what llama.cpp's own converter reads, and how to call it. The conversion itself is llama.cpp's.

Its converter writes a model in two files, the language model and, by ``--mmproj``, vision tower and projector. Classes
that it can take both parts of stand here, as of its ``@ModelBase.register`` lines in 2026. For whatever else there
would be a language model without eyes.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from unveil.core import files
from unveil.export.output import ExportError

KNOWN = (
    "Gemma3ForConditionalGeneration",
    "Idefics3ForConditionalGeneration",
    "Lfm2VlForConditionalGeneration",
    "MiniCPMV4_6ForConditionalGeneration",
    "Mistral3ForConditionalGeneration",
    "Qwen2VLForConditionalGeneration",
    "Qwen2_5_VLForConditionalGeneration",
    "Qwen3VLForConditionalGeneration",
    "Qwen3VLMoeForConditionalGeneration",
    "Qwen3_5ForConditionalGeneration",
    "Qwen3_5MoeForConditionalGeneration",
    "SmolVLMForConditionalGeneration",
)
#: Why a family that it has heard of is not taken as it is written here.
REASONS = {
    "llava": "of LLaVA it takes Pixtral's vision tower alone; towers of CLIP and SigLIP need the old layout of LLaVA's "
    "authors, which this is not",
    "internvl": "it reads the layout of InternVL's authors (InternVLChatModel), not that of transformers",
}
#: What its converter is called with, beside the folder.
OUTTYPES = {"float32": "f32", "float16": "f16", "bfloat16": "bf16"}


def refuse(architecture: str, family: str, tower: str) -> None:
    """Raises ``ExportError`` where llama.cpp has no place for the model's vision tower."""
    if architecture in KNOWN or (family == "llava" and tower == "pixtral"):
        return
    why = REASONS.get(family, f"its converter knows no {architecture or family} with images")
    raise ExportError(f"--for gguf: llama.cpp cannot see with this model: {why}. It takes {', '.join(KNOWN)}")


def write(folder: Path, written: Mapping[str, Any]) -> None:
    """``convert.sh``, the exact commands, and ``Modelfile`` for Ollama, which knows templates by those in GGUFs.

    Raises ``ExportError`` for a system prompt that a Modelfile cannot hold.
    """
    if '"""' in (written["system"] or ""):
        raise ExportError('the system prompt holds """, which a Modelfile cannot: write one without it')
    kind = OUTTYPES.get(written["dtype"], "f16")
    lines = [
        "#!/bin/sh",
        "# from a checkout of github.com/ggml-org/llama.cpp, with its requirements installed; LLAMA_CPP is its folder",
        'set -e; cd "$(dirname "$0")"',
        f'python "$LLAMA_CPP/convert_hf_to_gguf.py" . --outtype {kind} --outfile model.gguf',
        f'python "$LLAMA_CPP/convert_hf_to_gguf.py" . --mmproj --outtype {kind} --outfile mmproj-model.gguf',
        "# then: llama-server -m model.gguf --mmproj mmproj-model.gguf --jinja --temp 0 --special",
        "# what a quantised model answers is another model's: unveil check-served tells how much",
    ]
    files.write_text(folder / "convert.sh", "\n".join(lines) + "\n")
    modelfile = [
        "FROM ./model.gguf",
        "FROM ./mmproj-model.gguf",
        *([f'SYSTEM """{written["system"]}"""'] if written["system"] else []),
        "PARAMETER temperature 0",
        "PARAMETER repeat_penalty 1",
        f"PARAMETER num_predict {written['max_new_tokens'] or 384}",
        *(f'PARAMETER stop "{text}"' for text in written["stop"] if '"' not in text),
    ]
    files.write_text(folder / "Modelfile", "\n".join(modelfile) + "\n")
