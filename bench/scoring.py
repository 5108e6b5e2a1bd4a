"""What scoring costs: seconds of computing and the largest memory of `unveil score`. On a CPU.

    python -m bench.scoring --json bench/results/scoring.json

Records, questions and answers are drawn: chest films, CTs and endoscopies of many patients, boxes with several names,
eight kinds of questions, and models that are right, wrong, in the wrong place or unreadable, with the log-probabilities
of their tokens and options. The command runs as users run it, in a process of its own.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tyro

from bench import race
from unveil.core.choices import listed, write_choice
from unveil.core.geometry import Box
from unveil.core.jsonl import write_jsonl
from unveil.core.records import Dialogue, Finding, Kind, Prediction, Record, Source

SIDE = 512
LABELS = (
    *("atelectasis", "cardiomegaly", "effusion", "infiltration", "mass", "nodule", "pneumonia", "pneumothorax"),
    *("consolidation", "oedema", "emphysema", "fibrosis", "pleural thickening", "hernia", "polyp", "ulcer"),
)
MODALITIES = ("X-ray", "CT", "endoscopy")
KINDS: tuple[Kind, ...] = (
    *("diagnosis", "detection", "localisation", "recognition", "grounding", "closed", "choice", "open"),
)
SENTENCES = (
    "There is no evidence of pleural effusion.",
    "Left lower lobe opacity, likely pneumonia",
    "Yes, there is a small nodule in the right upper lobe.",
    "right lung",
    "The heart size is within normal limits.",
    "chest x-ray",
)


@dataclass(frozen=True)
class Config:
    """Measure what scoring costs."""

    questions: int = 100_000
    """Questions, each answered by each model."""
    patients: int = 20_000
    """Patients that they are spread over."""
    models: int = 2
    """Models that are compared."""
    resamples: int = 1_000
    """Bootstrap resamples."""
    work: Path | None = None
    """Folder for the drawn files, which stay there; by default a temporary one."""
    json: Path | None = None
    """File for the figures."""


@dataclass(frozen=True)
class Drawn:
    """A question's truth, from which answers are made."""

    dialogue: Dialogue
    record: Record


def records(patients: int, images: int, rng: np.random.Generator) -> list[Record]:
    """Images with none to four findings, of patients with one or several of them; a fifth serves training."""
    return [_record(i, int(rng.integers(patients)) if i >= patients else i, rng) for i in range(images)]


def _record(number: int, patient: int, rng: np.random.Generator) -> Record:
    findings = tuple(
        Finding(label := str(rng.choice(LABELS)), _box(rng), phrase=f"{label.capitalize()} in zone {rng.integers(9)}.")
        for _ in range(rng.integers(5))
    )
    return Record(
        *(f"set/{number:06d}", f"images/{number:06d}.png", SIDE, SIDE),
        modality=MODALITIES[patient % len(MODALITIES)],
        patient=f"p{patient:06d}",
        split="train" if patient % 5 == 0 else "test",
        findings=findings,
        completeness="exhaustive",
        source=Source("set", licence="CC0", access="open", file=f"{number:06d}.png", sha256=f"{number:064x}"),
    )


def _box(rng: np.random.Generator) -> Box:
    x, y = rng.integers(0, 400, 2)
    wide, high = rng.integers(8, 110, 2)
    return float(x), float(y), float(x + wide), float(y + high)


def questions(of: Sequence[Record], number: int, rng: np.random.Generator) -> Iterator[Drawn]:
    """So many questions about images that are not of the training split, kind after kind on each image."""
    asked = [r for r in of if r.split == "test"]
    for i in range(number):
        record, kind = asked[i // 4 % len(asked)], KINDS[(i % 4 + 4 * (i // 4 % 2))]
        if record.findings or kind in ("diagnosis", "detection", "closed", "choice", "open"):
            yield Drawn(_dialogue(i, kind, record, rng), record)
        else:
            yield Drawn(_dialogue(i, "detection", record, rng), record)


def _dialogue(number: int, kind: Kind, record: Record, rng: np.random.Generator) -> Dialogue:
    first = record.findings[0] if record.findings else Finding("mass", (0.0, 0.0, 9.0, 9.0), phrase="Mass.")
    options = tuple(str(name) for name in rng.choice(LABELS, 4, replace=False))
    target = {"localisation": first.label, "recognition": _mark(first.box), "grounding": first.phrase}.get(kind)
    answer = {
        "detection": "Yes." if record.findings else "No.",
        "closed": str(rng.choice(["yes", "no"])),
        "choice": write_choice(options, int(rng.integers(4))),
        "open": str(rng.choice(SENTENCES)),
    }.get(kind, "")
    asked = {"choice": listed("What is seen?", options), "closed": f"Is there a {rng.choice(LABELS)}?"}
    return Dialogue(
        *(f"{record.id}/{kind}/{number}", record.id, record.image, record.split, kind),
        *(asked.get(kind, f"What about {target}?"), answer, target),
        choices=options if kind == "choice" else (),
        language="en",
    )


def _mark(box: Box | None) -> str:
    return "<box {} {} {} {}>".format(*box) if box else ""


def answers(asked: Sequence[Drawn], model: str, rng: np.random.Generator) -> Iterator[Prediction]:
    """A model's answers: half of the places and names are right, one answer in fifty says nothing."""
    for one in asked:
        d, text = one.dialogue, _answer(one, rng) if rng.random() > 0.02 else "I am not sure about that."
        ends = range(4, len(text) + 4, 4)
        logs = -rng.exponential(0.3, len(ends))
        tokens = tuple((min(end, len(text)), float(p)) for end, p in zip(ends, logs.round(5), strict=True))
        among = {"choice": 4, "closed": 2, "detection": 2}.get(d.kind, 0)
        options = tuple(float(p) for p in np.log(rng.dirichlet(np.ones(among))).round(5)) if among else ()
        yield Prediction(
            *(d.id, d.record, d.kind, text, "json-pixels", one.record.size, model), tokens=tokens, options=options
        )


def _answer(one: Drawn, rng: np.random.Generator) -> str:
    d, found = one.dialogue, one.record.findings
    moved = [_moved(f.box, rng) for f in found if f.box]
    named = [f.label if rng.random() < 0.5 else str(rng.choice(LABELS)) for f in found]
    if d.kind == "diagnosis":
        where, what = "; ".join(map(str, moved)) or "none", "; ".join(named) or "nothing abnormal"
        return f"Detection: {'abnormal' if found else 'normal'}.\nLocalisation: {where}.\nRecognition: {what}."
    said = {
        "detection": ("Yes.", "No.", "Yes, there is an abnormality.", "The image is normal."),
        "localisation": (
            f"{moved[:1]}"[1:-1],
            "None.",
            f'{{"bbox_2d": {str(moved[:1])[1:-1]}, "label": "{d.target}"}}',
        ),
        "grounding": ("; ".join(map(str, moved[:2])),),
        "recognition": (f"{(named or ['none'])[0].capitalize()}.", "Nothing abnormal.", f"This is a {LABELS[3]}."),
        "closed": ("yes", "No.", "Yes, it is.", "There is no effusion.", d.answer),
        "choice": (*d.choices, "B", "C.", f"Answer: {d.answer}", d.answer),
        "open": (*SENTENCES, d.answer),
    }[d.kind]
    return said[int(rng.integers(len(said)))]


def _moved(box: Box, rng: np.random.Generator) -> list[int]:
    x, y = rng.integers(-20, 20, 2)
    return [max(0, int(value + by)) for value, by in zip(box, (x, y, x, y), strict=True)]


def draw(config: Config, folder: Path) -> list[str]:
    """Writes all files, and returns what `unveil score` is told about them."""
    rng = np.random.default_rng(0)
    of = records(config.patients, max(config.patients, config.questions * 5 // 16), rng)
    asked = list(questions(of, config.questions, rng))
    write_jsonl(folder / "records.jsonl", of)
    write_jsonl(folder / "dialogues.jsonl", (one.dialogue for one in asked))
    named: list[str] = []
    for i in range(config.models):
        write_jsonl(folder / f"model{i}.jsonl", answers(asked, f"model{i}", rng))
        named += [f"model{i}", str(folder / f"model{i}.jsonl")]
    files = ["--records", str(folder / "records.jsonl"), "--dialogues", str(folder / "dialogues.jsonl")]
    return [*files, "--predictions", *named, "--resamples", str(config.resamples), "--out", str(folder / "scores")]


#: Runs a command and tells what its process, and those that it waited for, have computed and held.
ALONE = """
import json, resource, sys
from pathlib import Path
from unveil import cli
code = cli.main(sys.argv[1:])
used = [resource.getrusage(of) for of in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
held = int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])  # rusage has the parent's peak too
print(json.dumps([sum(u.ru_utime + u.ru_stime for u in used), held / 1024]))
sys.exit(code)
"""


def measured(words: Sequence[str]) -> dict[str, float]:
    """Seconds of computing of a command with all its processes, seconds of waiting, and its largest memory."""
    began = time.perf_counter()
    ran = subprocess.run([sys.executable, "-c", ALONE, *words], stdout=subprocess.PIPE, text=True, check=True)
    seconds, memory = json.loads(ran.stdout.splitlines()[-1])
    wall = time.perf_counter() - began
    return {"cpu_s": round(seconds, 2), "wall_s": round(wall, 2), "memory_mb": round(memory, 1)}


def main(config: Config) -> dict[str, Any]:
    """Draws the files where they are not there, measures, prints, and returns the figures."""
    with tempfile.TemporaryDirectory() as made:
        folder = config.work or Path(made)
        folder.mkdir(parents=True, exist_ok=True)
        words = draw(config, folder)
        found = measured(["score", *words, "--restart"])
        held = sum(file.stat().st_size for file in folder.glob("*.jsonl"))
    asked = {name: getattr(config, name) for name in ("questions", "patients", "models", "resamples")}
    figures = {**asked, "files_mb": round(held / 1e6, 1), **found, **race.surroundings()}
    race.write(config.json, figures)
    print({name: figures[name] for name in (*asked, "files_mb", *found)})
    return figures


if __name__ == "__main__":
    main(tyro.cli(Config))
