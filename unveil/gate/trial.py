"""The command that tries the gate and sends nothing: what would leave, what not, what is replaced, by which rule."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined
from tyro.conf import Positional

from unveil import __version__
from unveil.core import console, digests, files, pixels, provenance, shards
from unveil.core.console import progress
from unveil.core.jsonl import read_jsonl
from unveil.core.path_types import Input, InputFile, OutputFolder
from unveil.core.records import Record
from unveil.gate import GateError, material, reviews, sources
from unveil.gate.burned_in import cost
from unveil.gate.finding import Found
from unveil.gate.gate import Decision, Gate
from unveil.gate.material import FreeText, Material
from unveil.gate.options import GateOptions, gate_options
from unveil.gate.reviews import hash_of

PAGE, TEXTS, IMAGES = "gate.html", "texts.jsonl", "images.jsonl"


@dataclass(frozen=True, kw_only=True)
class Config(GateOptions):
    """Try on a file what may leave this machine. Nothing is sent; a page tells, and lists for a review are written."""

    file: Positional[Input]
    """Records, dialogues, pairs or predictions (JSONL), a text file (a text a line), an image or a folder of images."""
    records: InputFile | None = None
    """records.jsonl to which dialogues, pairs or predictions belong: by its patients' ids texts are searched."""
    images: bool = True
    """Look at the images too, which takes a second or more each."""
    out: OutputFolder | None = None
    """Folder for the page and the lists; by default one beside the file, FILE.gate."""
    restart: bool = False
    """Write over what another command has left in `out`, or the trial of another file."""


@dataclass(frozen=True)
class Tried:
    """A free text or an image: what becomes of it, why, and what was found in it."""

    name: str
    where: str
    decision: Decision
    why: str
    found: tuple[str, ...]
    pieces: tuple[tuple[str, str], ...] = ()
    """The text in pieces, each with the kind of what identifies somebody there, "" where nothing does."""
    leaves_as: str = ""
    count: int = 1


def main(config: Config) -> bool:
    """Tries, writes and tells; whether all of it may leave."""
    out = config.out or config.file.with_name(f"{config.file.name}.gate")
    inputs = [path for path in (config.file, config.records) if path and shards.parts(path)]
    with provenance.output(out, "gate", config, inputs, (PAGE, TEXTS, IMAGES), derived=True) as output:
        assert output  # what is derived is always made
        ok = _try(config, out)
        output.write()
    return ok


def _try(config: Config, out: Path) -> bool:
    known = list(read_jsonl(config.records, Record)) if config.records else []
    for file in (TEXTS, IMAGES):
        if reviews.begun(out / file):  # before anything is searched
            raise GateError(f"{out / file} holds a review that somebody has begun: move it, or name another --out")
    held = material.read(config.file, known)
    gate = Gate(gate_options(config))
    blocked = sources.problems(held.records)
    gate.notice(held.records)
    texts = [_text(gate, text) for text in held.texts.values()]
    images = list(_images(gate, held)) if config.images else []
    reviews.write(out / TEXTS, "texts", _to_review(texts))
    reviews.write(out / IMAGES, "images", _to_review(images))
    files.write_text(out / PAGE, _page(config, held, texts, images, blocked))
    (out / PAGE).chmod(0o600)
    _tell(texts, images, blocked, held)
    console.say(f"page: {out / PAGE}")
    console.say(f"to be reviewed by a person: {out / TEXTS}, {out / IMAGES}")
    return not blocked and not any(one.decision in ("held", "kept by a reviewer") for one in (*texts, *images))


def _text(gate: Gate, text: FreeText) -> Tried:
    """What becomes of a free text; it is searched here even where a review or the lack of a finder decides."""
    found = gate.found(text.text, text.record)
    kinds = tuple(sorted({f"{one.kind} ({one.rule})" for one in found}))
    judged = gate.decide(text.text, text.record)
    pieces = tuple(_pieces(text.text, found))
    leaves_as = judged.leaves_as if judged.decision == "replaced" else ""
    return Tried(hash_of(text.text), text.where, judged.decision, judged.why, kinds, pieces, leaves_as, text.count)


def _pieces(text: str, found: Sequence[Found]) -> Iterator[tuple[str, str]]:
    at = 0
    for one in found:
        yield text[at : one.start], ""
        yield text[one.start : one.end], one.kind
        at = one.end
    yield text[at:], ""


def _images(gate: Gate, held: Material) -> Iterator[Tried]:
    if not held.images:
        return
    sizes = [record.size for record in held.images.values() if record]
    if len(sizes) == len(held.images):
        console.say(cost(sizes))
    with progress("gate", len(held.images)) as advance:
        for path in held.images:
            try:
                (decision, why), name = gate.look_at(path), digests.sha256(path)
            except (pixels.ImageError, OSError) as error:
                decision, why, name = "held", str(error), ""
            yield Tried(name, str(path), decision, why, (why,) if why else ())
            advance()


def _to_review(tried: Sequence[Tried]) -> Iterator[dict[str, Any]]:
    for one in tried:
        if one.name:
            text = {"text": "".join(text for text, _ in one.pieces)} if one.pieces else {"file": one.where}
            yield {"sha256": one.name, **text, "where": one.where, "count": one.count, "found": list(one.found)}


def _tell(texts: Sequence[Tried], images: Sequence[Tried], blocked: Sequence[str], held: Material) -> None:
    for problem in blocked:
        console.say(f"must not leave: {problem}")
    console.say(f"{held.ours} texts of our own words, which pass")
    for what, tried in (("free texts", texts), ("images", images)):
        counts = Counter(one.decision for one in tried)
        said = ", ".join(f"{count} {decision}" for decision, count in counts.items())
        console.say(f"{len(tried)} {what}{': ' if said else ''}{said}")
    kinds = Counter(kind for one in texts for _, kind in one.pieces if kind)
    if kinds:
        console.table("found in texts", ["kind", "places"], [[kind, str(count)] for kind, count in kinds.most_common()])


def _page(
    config: Config, held: Material, texts: Sequence[Tried], images: Sequence[Tried], blocked: Sequence[str]
) -> str:
    env = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    source = (resources.files("unveil.gate") / "page.html.j2").read_text(encoding="utf-8")
    kinds = Counter(kind for one in texts for _, kind in one.pieces if kind)
    return env.from_string(source).render(
        file=config.file.name,
        when=datetime.now(UTC).isoformat(timespec="minutes"),
        version=__version__,
        options=config,
        ours=held.ours,
        texts=texts,
        images=images,
        looked=config.images,
        blocked=blocked,
        kinds=kinds.most_common(),
        counts={"texts": Counter(t.decision for t in texts), "images": Counter(t.decision for t in images)},
    )
