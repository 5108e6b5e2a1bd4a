"""Lesion neglect (MMedPO's D_v, arXiv 2412.06141): the true answer is wrong where the lesion cannot be seen.

Both sides of a pair have the same answer; the worse side looks at the image with the lesion hidden (``lesion_noise``).
What is hidden is what the answer speaks of: all findings of a diagnosis, those of the asked name, or the one in the
asked region. The paper asks a chest X-ray model for a map of "disease"; here annotated masks or boxes are the map, or
whatever a user's own function gives.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from unveil.core import console, image_files, jsonl, lesion_noise, phrases, pixels, plugins, provenance, records
from unveil.core.box_formats import unmark
from unveil.core.lesion_noise import LesionMap
from unveil.core.number_types import Count
from unveil.core.pairs import read_pairs
from unveil.core.path_types import InputFile, OutputFile
from unveil.core.records import Dialogue, Finding, Kind, Pair, Record, image_path
from unveil.core.reported import in_english, reported
from unveil.core.sampling import seed_of
from unveil.curate.candidates import Asking, pair_of, read_by, write_pairs
from unveil.vlm.choice import ModelChoice

#: A source of maps: a dialogue, its record and image (H, W, 3) uint8 to a map of any size, values 0 to 1, and how sure
#: the source is of it, 0 to 1.
MapSource = Callable[[Dialogue, Record, NDArray[np.uint8]], tuple[NDArray[np.floating[Any]], float]]


def users(name: str) -> MapSource:
    """A user's FILE.py:FUNCTION, of a record and its image to a map, or to a map and how sure it is of it, as a source.

    Raises ``PluginError`` where there is none. The source raises ``NoiseError`` where the function fails.
    """
    function, label = plugins.function(name), plugins.label(name)

    def source(_: Dialogue, record: Record, array: NDArray[np.uint8]) -> tuple[NDArray[np.floating[Any]], float]:
        try:
            given = function(record, array)
        except Exception as error:  # whatever a user's function raises is told with its line
            raise lesion_noise.NoiseError(f"the map {label} raised {plugins.told(error)}") from error
        try:
            values, sure = given if isinstance(given, tuple) else (given, 1.0)
            return np.asarray(values, float), float(sure)
        except (TypeError, ValueError) as error:
            what = f"{plugins.short(given)}, not a map of numbers, or one and how sure it is of it, 0 to 1"
            raise lesion_noise.NoiseError(f"the map {label} gave {what}") from error

    return source


GRID = 32
"""Rows or columns, at the most, of a map that a function gives: what is kept of it."""


def hidden(
    records: Sequence[Record],
    dialogues: Iterable[Dialogue],
    file: Path,
    *,
    source: MapSource | None = None,
    whole: bool = False,
    step: int = 500,
    most: float = 0.5,
    seed: int = 0,
    skipped: Counter[str] | None = None,
    told: Callable[[], object] = lambda: None,
) -> Iterator[Pair]:
    """Pairs of dialogues whose answer names something that can be hidden, in order; the rest is counted by reason.

    ``file`` is the dialogues' file, to which image paths are relative. ``whole`` hides the whole image, as global noise
    does; ``source`` gives maps instead of annotations. A map that covers more than ``most`` of an image is no local
    noise any more and is set aside. With a ``source`` or ``whole``, questions that came with the image are used too.
    Images of the test split are never used. Noise depends on ``seed`` and the dialogue's id only.

    Raises ``ImageError`` and ``NoiseError`` with the dialogue's id.
    """
    skipped = Counter() if skipped is None else skipped
    asking = Asking.of(dialogues, file, records, skipped)
    images: dict[str, NDArray[np.uint8]] = {}
    for dialogue in asking.dialogues:
        told()
        record = asking.records[dialogue.record]
        annotated = source is None and not whole
        if not spoken_of(dialogue, record) and (annotated or is_negative(dialogue, record)):
            skipped["the answer names nothing that could be hidden"] += 1
            continue
        if dialogue.image not in images:
            images = {dialogue.image: _read(dialogue, file)}  # dialogues on one image stand side by side
        array = images[dialogue.image]
        try:
            where, sure = (LesionMap(whole=True), 1.0) if whole else _map(dialogue, record, array, source)
            drawn = replace(lesion_noise.draw(array, where, seed_of(seed, dialogue.id), step), confidence=sure)
        except lesion_noise.NoiseError as error:
            raise lesion_noise.NoiseError(f"{dialogue.id}: {error}") from error
        if drawn.share == 0:
            skipped["the map is empty"] += 1
        elif drawn.share > most and not whole:
            skipped[f"the map covers more than {most:.0%} of the image"] += 1
        else:
            pair = pair_of(dialogue, "hidden", dialogue.answer, dialogue.answer, dialogue.writer)
            yield replace(pair, rejected_noise=drawn)


def is_negative(dialogue: Dialogue, record: Record) -> bool:
    """Whether a question about findings has the answer that there is nothing: then there is nothing to hide.

    A report of an image without annotations says so itself, where the reader of names can read it.
    """
    if dialogue.kind in ("closed", "choice", "open", "grounding"):
        return False
    if dialogue.kind == "report" and not record.findings and record.completeness != "exhaustive":
        return in_english(dialogue.language, dialogue.answer) and not reported(dialogue.answer, ()).found
    return not record.findings or dialogue.kind in ("localisation", "recognition")


def spoken_of(dialogue: Dialogue, record: Record) -> list[Finding]:
    """The findings with a place that a true answer to this dialogue rests on; none where it says "nothing"."""
    placed = [f for f in record.findings if f.box or f.mask]
    if dialogue.kind in ("detection", "diagnosis", "report"):
        return placed if len(placed) == len(record.findings) else []
    if dialogue.kind == "localisation":
        return [f for f in placed if f.label == dialogue.target]
    if dialogue.kind == "grounding":
        return [f for f in phrases.of_phrase(record.findings, dialogue.target or "") if f.box or f.mask]
    if dialogue.kind == "recognition" and dialogue.target:
        asked = unmark(dialogue.target)
        return [f for f in placed if f.box and any(_same(f.box, box) for box in asked)]
    return []


def _same(one: Sequence[float], other: Sequence[float]) -> bool:
    """Equal to the two decimals that the markup keeps."""
    return all(abs(a - b) < 0.006 for a, b in zip(one, other, strict=True))


def _read(dialogue: Dialogue, file: Path) -> NDArray[np.uint8]:
    try:
        return pixels.to_rgb(image_files.read(image_path(dialogue, file)))
    except pixels.ImageError as error:
        raise pixels.ImageError(f"{dialogue.id}: {error}") from error


def _map(
    dialogue: Dialogue, record: Record, array: NDArray[np.uint8], source: MapSource | None
) -> tuple[LesionMap, float]:
    """Where what a dialogue speaks of is, and how sure the source is."""
    if source is None:
        findings = spoken_of(dialogue, record)
        boxes = tuple(f.box for f in findings if f.box and not f.mask)
        return LesionMap(boxes=boxes, masks=tuple(f.mask for f in findings if f.mask)), 1.0
    values, sure = source(dialogue, record, array)
    given = np.asarray(values, float)
    if not 0 <= sure <= 1:
        raise lesion_noise.NoiseError(f"a map's confidence must be from 0 to 1, not {sure}")
    if given.ndim != 2 or not given.size or not np.isfinite(given).all() or given.min() < 0 or given.max() > 1:
        raise lesion_noise.NoiseError(f"a map must be (H, W) with values from 0 to 1, not {given.shape}")
    height, width = (min(GRID, n) for n in given.shape)
    levels = Image.fromarray(np.rint(given * 255).astype(np.uint8)).resize((width, height), Image.Resampling.BOX)
    return LesionMap(grid=tuple(tuple(map(int, row)) for row in np.asarray(levels))), float(sure)


@dataclass(frozen=True, kw_only=True)
class Config(ModelChoice):
    """Make preference pairs of lesion neglect: a true answer is worse where noise hides what it speaks of (MMedPO)."""

    records: InputFile
    """records.jsonl, as `unveil ingest` writes it."""
    dialogues: InputFile
    """dialogues.jsonl; its training and validation dialogues are used."""
    out: OutputFile
    """File to write the pairs to, such as pairs.jsonl."""
    map: str = "annotations"
    """Where the lesion is: annotations (masks, else boxes); whole (the whole image, as global noise); attention (where
    --model looks while it gives the true answer); or a function of yours, FILE.py:FUNCTION, from a record and its image
    (height, width, 3) to a map with values from 0 to 1, or to a map and how sure it is of it."""
    kinds: tuple[Kind, ...] = ("diagnosis", "localisation", "recognition", "grounding", "report")
    """Kinds of dialogues."""
    step: int = 500
    """Steps of diffusion out of 1000; 500 leaves 74 % of the variance under the map to the image."""
    most: float = 0.5
    """Share of an image that a map may cover; a larger one is set aside."""
    limit: Count | None = None
    """Only the first so many dialogues of training and validation."""
    onto: InputFile | None = None
    """Pairs of `curate hallucinate` or `curate rank` on these dialogues: they are written out again with the noise on
    their worse side, as mDPO wants them, instead of pairs of two equal answers."""
    seed: int = 0
    """Seed of the noise."""
    restart: bool = False
    """Write over what another run has left in its place."""


def main(config: Config) -> Path:
    """Writes the pairs; returns their file."""
    with provenance.output(config.out, "curate noise", config, read_by(config)) as output:
        if output:
            output.write(**_noise(config))
    return config.out


def _noise(config: Config) -> dict[str, Any]:
    skipped: Counter[str] = Counter()
    rows = list(jsonl.read_jsonl(config.records, Record))
    asked = [d for d in jsonl.read_jsonl(config.dialogues, Dialogue) if d.kind in config.kinds]
    if config.limit is not None:
        asked = [d for d in asked if d.split != "test"][: config.limit]
    source = _map_source(config)
    options: dict[str, Any] = {"whole": config.map == "whole", "step": config.step, "most": config.most}
    options["seed"] = config.seed
    with console.progress("noise", sum(d.split != "test" for d in asked)) as advance:
        made = list(hidden(rows, asked, config.dialogues, source=source, skipped=skipped, told=advance, **options))
    if config.onto:
        made = _put_onto(made, config.onto, config.dialogues, skipped)
    about = write_pairs(made, config, skipped)
    shares = sorted(pair.rejected_noise.share for pair in made if pair.rejected_noise)
    console.say(f"half of them hide {shares[len(shares) // 2]:.1%} of the image or more")
    return about


def _map_source(config: Config) -> MapSource | None:
    if config.map in ("annotations", "whole"):
        return None
    if config.map == "attention":
        from unveil.vlm import attention_maps

        return attention_maps.source(config.model, config.revision, config.box_format, config.limits)
    return users(config.map)


def _put_onto(made: Sequence[Pair], onto: Path, dialogues: Path, skipped: Counter[str]) -> list[Pair]:
    """Pairs of a file with the noise of the pair on the same dialogue."""
    drawn = {pair.id.rpartition("/")[0]: pair.rejected_noise for pair in made}
    pairs = read_pairs(onto)
    fitting = [p for p in pairs if p.id.rpartition("/")[0] in drawn]
    if len(fitting) < len(pairs):
        skipped["nothing to hide for the pair"] += len(pairs) - len(fitting)
    moved = [records.rebased(p, onto, dialogues) for p in fitting]
    return [replace(p, rejected_noise=drawn[p.id.rpartition("/")[0]]) for p in moved]
