"""The command ``unveil convert pairs``: preference pairs to or from the form that TRL reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from unveil.core import console, jsonl, provenance, records
from unveil.core.pairs import read_pairs, write_trl
from unveil.core.path_types import InputFile, OutputFile
from unveil.core.records import Dialogue, Pair
from unveil.core.registry import PluginOptions


@dataclass(frozen=True)
class Config(PluginOptions):
    """Turn preference pairs into TRL's prompt, chosen, rejected, images, or such a file into pairs."""

    pairs: InputFile
    """File of pairs: pairs.jsonl of `unveil curate`, or in the form that TRL reads."""
    out: OutputFile
    """File to write; images stay where they are."""
    to: Literal["trl", "unveil"] = "trl"
    """Which form to write."""
    box_format: str | None = None
    """trl: write boxes in this box format of a model (images are then opened for their size); else they stay markup."""
    restart: bool = False
    """Write over what another run has left in its place."""


def main(config: Config) -> Path:
    """Writes the pairs in the other form; returns their file."""
    with provenance.output(config.out, "convert pairs", config, [config.pairs]) as output:
        if output:
            _convert(config)
            output.write()
    return config.out


def _convert(config: Config) -> None:
    rows = read_pairs(config.pairs)
    moved = [records.rebased(pair, config.pairs, config.out) for pair in rows]
    if config.to == "unveil":
        jsonl.write_jsonl(config.out, moved)
    else:
        write_trl(config.out, moved, _views(rows, config) if config.box_format else {})
    console.say(f"{len(moved)} pairs in {config.out}")


def _views(pairs: Sequence[Pair], config: Config) -> dict[str, Any]:
    """What the numbers of a box refer to on both sides of each pair, by pair id."""
    from unveil.core import box_formats, image_files, pixels

    chosen = box_formats.BOX_FORMATS.get(config.box_format or "")
    fitting = [name for name, s in box_formats.BOX_FORMATS.items() if s.grid is not None]
    if chosen is None:
        raise records.RecordError(f"no box format {config.box_format!r}: one of {', '.join(fitting)}")
    if chosen.grid is None:
        raise records.RecordError(
            f"{chosen.name} counts pixels of the picture that a model's processor has resized, which is unknown here: "
            f"leave --box-format out for neutral markup, or use one of {', '.join(fitting)}"
        )
    views: dict[Path, box_formats.View] = {}

    def view(side: Dialogue) -> box_formats.View:
        path = records.image_path(side, config.pairs)
        if path not in views:
            try:
                header = image_files.probe(path)
            except pixels.ImageError as error:
                raise pixels.ImageError(f"{side.id}: {error}") from error
            size = (header.width, header.height)
            views[path] = box_formats.View(chosen, size, size)
        return views[path]

    return {pair.id: tuple(map(view, pair.sides())) for pair in pairs}
