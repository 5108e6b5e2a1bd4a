"""The command ``unveil convert model``: models of the LLaVA program as transformers has them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tyro.conf import Positional

from unveil.core import console, digests, files, provenance
from unveil.core.path_types import InputFolder, OutputFolder


@dataclass(frozen=True, kw_only=True)
class Config:
    """Turn LLaVA-Med 1.5 (llava_mistral) or LLaVA-1.5 (llava_llama), as their program keeps them, into a model that
    transformers and all commands load. Weights are renamed and kept in the type of the embeddings; one that is left
    over or missing is named."""

    source: Positional[InputFolder]
    """Folder of the model as it was published, with its weights as safetensors."""
    out: OutputFolder
    """Folder that is made; what made it stands beside it, in OUT.run.json."""
    tower: InputFolder | None = None
    """Folder of the CLIP vision tower (openai/clip-vit-large-patch14-336, or a LLaVA with the same), where its weights
    are not among the model's; weights as safetensors."""
    restart: bool = False
    """Write over what another run has left in `out`."""


def main(config: Config) -> Path:
    """Writes the model and returns its folder."""
    inputs = [*digests.of_model(config.source), *(digests.of_model(config.tower) if config.tower else [])]
    with provenance.output(config.out, "convert model", config, inputs) as output:
        if output:
            _convert(config)
            output.write()
    console.say(f"look at it: unveil check-model {config.out}")
    return config.out


def _convert(config: Config) -> None:
    from unveil.vlm import llava_original, models, released
    from unveil.vlm.chat import Chat
    from unveil.vlm.families import profile_of
    from unveil.vlm.unfit import check_template

    models.quiet()
    made = llava_original.convert(config.source, config.tower)
    chat = Chat(made.processor, profile_of(made.model.config))
    check_template(config.source, chat)
    with files.whole_folder(config.out) as partial:
        released.save(made.model, chat, partial)
    for line in llava_original.told(made):
        console.say(line)
