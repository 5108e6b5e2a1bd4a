"""What reading and checking large sets costs: seconds of computing, seconds of waiting, and memory.

    python -m bench.scale --json bench/results/scale.json

Images are drawn: grey noise of several coarsenesses, every second one a PNG, the others JPEG. Commands run as users run
them; memory is the sum over their processes, looked up ten times a second.
"""

from __future__ import annotations

import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import tyro
from PIL import Image

from unveil.core.jsonl import write_jsonl
from unveil.core.provenance import write_json
from unveil.core.records import Finding, Record
from unveil.core.splits import assign_splits

Figures = dict[str, Any]
LABELS = ("nodule", "mass", "cyst", "effusion", "tumour", "ulcer")


@dataclass(frozen=True)
class Config:
    """Measure what large sets cost."""

    parts: tuple[str, ...] = ("check", "frames", "splits", "coco", "csv")
    """Which: check (images that are all different), frames (that are all equal), splits, coco, csv."""
    images: int = 20_000
    """Images of `check`."""
    side: int = 256
    """Their width and height in pixels."""
    frames: int = 10_000
    """Equal images of `frames`, of 256 pixels."""
    patients: int = 1_000_000
    """Patients that are dealt to splits, of one image each."""
    annotated: tuple[int, ...] = (25_000, 50_000, 100_000)
    """Images of `coco` and `csv`, of 64 pixels, each number by itself: how the costs grow is to be seen."""
    boxes: int = 10
    """Boxes on each of them."""
    work: Path | None = None
    """Folder for the drawn sets, which stay there; by default a temporary one."""
    json: Path | None = None
    """File for the figures; those of other parts and sizes that it holds stay."""


def picture(seed: int, side: int) -> Image.Image:
    """Grey noise with structures of a quarter, a sixteenth and a 64th of the side, and grain."""
    rng = np.random.default_rng(seed)
    grey = rng.normal(128, 3, (side, side)).astype(np.float32)
    for cells, strength in ((4, 60), (16, 30), (64, 15)):
        coarse = Image.fromarray(rng.normal(0, strength, (cells, cells)).astype(np.float32))
        grey += np.asarray(coarse.resize((side, side), Image.Resampling.BICUBIC))
    return Image.fromarray(np.clip(grey, 0, 255).astype(np.uint8))


def draw(number: int, folder: Path, side: int, seed: int | None = None) -> str:
    """Draws image ``number``, of its own seed unless one is given; returns its file's name."""
    name = name_of(number, seed)
    picture(number if seed is None else seed, side).save(folder / name, quality=90)
    return name


def name_of(number: int, seed: int | None = None) -> str:
    return f"{number:07d}.{'jpg' if number % 2 and seed is None else 'png'}"


def drawn(folder: Path, count: int, side: int, seed: int | None = None) -> Path:
    """A records file of ``count`` images, five to a patient, in ``folder``; made unless it is there."""
    file = folder / "records.jsonl"
    if not file.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        with ProcessPoolExecutor() as pool:
            names = list(pool.map(partial(draw, folder=folder, side=side, seed=seed), range(count), chunksize=100))
        write_jsonl(file, (record(n, name, side) for n, name in enumerate(names)))
    return file


def record(number: int, name: str, side: int) -> Record:
    found = Finding(LABELS[number % 6], (1.0, 1.0, side / 2, side / 2))
    return Record(f"r{number}", name, side, side, patient=f"p{number // 5}", split="train", findings=(found,))


def pictures(work: Path, count: int) -> list[str]:
    """Names of ``count`` images of 64 pixels in the folder ``pictures``, drawn unless they are there."""
    folder = work / "pictures"
    folder.mkdir(parents=True, exist_ok=True)
    missing = [n for n in range(count) if not (folder / name_of(n)).is_file()]
    with ProcessPoolExecutor() as pool:
        list(pool.map(partial(draw, folder=folder, side=64), missing, chunksize=100))
    return [name_of(n) for n in range(count)]


def as_coco(folder: Path, names: list[str], boxes: int) -> None:
    """A COCO file of ``boxes`` on each image; its annotations are not in the images' order."""
    images = [{"id": n, "file_name": name, "width": 64, "height": 64} for n, name in enumerate(names)]
    rows = []
    for n in range(boxes * len(names)):
        turn, image = divmod(n, len(names))
        rows.append({"id": n, "image_id": image, "category_id": n % 6, "bbox": box_of(turn, image), "iscrowd": 0})
    categories = [{"id": n, "name": label} for n, label in enumerate(LABELS)]
    content = {"images": images, "annotations": rows, "categories": categories}
    (folder / "instances.json").write_text(json.dumps(content))


def as_table(folder: Path, names: list[str], boxes: int) -> None:
    """A table of ``boxes`` rows on each image, which are not next to one another."""
    with (folder / "boxes.csv").open("w", encoding="utf-8") as file:
        file.write("image,label,x_min,y_min,x_max,y_max,patient\n")
        for n in range(boxes * len(names)):
            turn, image = divmod(n, len(names))
            x, y, width, height = box_of(turn, image)
            file.write(f"{names[image]},{LABELS[n % 6]},{x},{y},{x + width},{y + height},p{image // 5}\n")


def box_of(turn: int, image: int) -> list[int]:
    return [(5 * turn + image) % 44, (7 * turn + image) % 49, 20, 15]


def command(*words: str | Path) -> dict[str, float]:
    """What one of our commands costs."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    running = subprocess.Popen([sys.executable, "-m", "unveil", *map(str, words)], stdout=subprocess.PIPE)
    peak = 0
    while running.poll() is None:
        peak = max(peak, sum(memory_of(running.pid)))
        time.sleep(0.1)
    wall = time.perf_counter() - began
    if running.returncode:
        raise SystemExit(f"unveil {' '.join(map(str, words))} ended with {running.returncode}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"cpu_s": round(cpu, 1), "wall_s": round(wall, 1), "peak_mb": round(peak / 2**20)}


def memory_of(pid: int) -> Iterator[int]:
    """Bytes of the process and of each of its children; none of those that have just ended."""
    try:
        whole = psutil.Process(pid)
        family = [whole, *whole.children(recursive=True)]
    except psutil.NoSuchProcess:
        return
    for process in family:
        try:
            yield process.memory_info().rss
        except psutil.NoSuchProcess:
            continue


def check(config: Config, work: Path) -> Figures:
    """`unveil check` on images that are all different."""
    file = drawn(work / f"check-{config.images}-{config.side}", config.images, config.side)
    return {"images": config.images, "side": config.side, **command("check", "--records", file)}


def frames(config: Config, work: Path) -> Figures:
    """`unveil check` on images that are all equal."""
    file = drawn(work / f"frames-{config.frames}", config.frames, 256, seed=0)
    found = work / "frames.json"
    found.unlink(missing_ok=True)  # of an earlier measurement
    cost = command("check", "--records", file, "--json", found)
    return {"images": config.frames, "side": 256, **cost, "json_mb": round(found.stat().st_size / 2**20, 1)}


def splits(config: Config, work: Path) -> Figures:
    """Whole patients dealt to train, val and test."""
    rows = [record(5 * n, "x.png", 64) for n in range(config.patients)]
    wall, cpu = time.perf_counter(), time.process_time()
    assign_splits(rows)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    return {"patients": config.patients, "cpu_s": round(cpu, 1), "wall_s": round(wall, 1)}


def read(
    format: str, write: Callable[[Path, list[str], int], None], images: int, config: Config, work: Path
) -> Figures:
    """`unveil ingest` of a set in a format, whose images are looked at by their headers."""
    names = pictures(work, images)
    folder = work / f"{format}-{images}-{config.boxes}"
    if not folder.is_dir():
        folder.mkdir()
        for name in names:
            (folder / name).hardlink_to(work / "pictures" / name)
        write(folder, names, config.boxes)
    out = work / f"{folder.name}-out"
    shutil.rmtree(out, ignore_errors=True)  # of an earlier measurement
    cost = command("ingest", "--data", folder, "--format", format, "--no-decode", "--out", out)
    return {"images": images, "annotations": config.boxes * images, **cost}


PARTS: dict[str, Callable[[Config, Path], Iterable[Figures]]] = {
    "check": lambda config, work: [check(config, work)],
    "frames": lambda config, work: [frames(config, work)],
    "splits": lambda config, work: [splits(config, work)],
    "coco": lambda config, work: (read("coco", as_coco, images, config, work) for images in config.annotated),
    "csv": lambda config, work: (read("csv", as_table, images, config, work) for images in config.annotated),
}


def main(config: Config) -> None:
    """Measures, prints and writes."""
    found = json.loads(config.json.read_text()) if config.json and config.json.is_file() else {}
    with tempfile.TemporaryDirectory() as temporary:
        for part in config.parts:
            for figures in PARTS[part](config, config.work or Path(temporary)):
                print(part, figures, flush=True)
                of_size = ("images", "patients", "side", "annotations")
                sizes = "-".join(str(value) for name, value in figures.items() if name in of_size)
                found[f"{part}-{sizes}"] = figures
                if config.json:
                    write_json(config.json, found)


if __name__ == "__main__":
    main(tyro.cli(Config))
