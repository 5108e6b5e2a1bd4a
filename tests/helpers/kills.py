"""Every stage, killed at random moments and gone on with: what comes out must be what an undisturbed run makes.

    python -m tests.helpers.kills --work /tmp/kills --count 100

Kills are spread evenly over the stages; the moment is drawn from 5 % to 97 % of the time that the stage needs by
itself. Half of them hit the whole group of processes, half the parent alone,
whose workers must then end by themselves. Then the stage's way to go on is taken, and all files that it leaves are
compared: bytes, tensors, rows, or JSON without times. Kills that were done are in WORK/kills.jsonl and are not done
again, so that the command goes on where it was stopped.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import torch
import tyro
from safetensors import SafetensorError
from safetensors.torch import load_file

from tests.helpers.formats import FORMATS
from unveil.core.jsonl import read_jsonl
from unveil.core.records import Record

SMALL = ("--patients", "10", "--resamples", "100")
TRAINED = ("--method", "full", "--batch-size", "8", "--checkpoint-every", "2", "--log-every", "1", "--workers", "0")
REWARDED = ("--limit", "16", "--batch-size", "4", "--answers", "2", "--max-new-tokens", "24", "--most-unusable", "1")
#: What tells when, how fast, by whom and whether at one go something was made, and not what.
VOLATILE = re.compile(r"second|finished|peak_mb|_per_s$|^pid$|^host$|^resume$|^asked$|^known$")
TIMES = re.compile(
    rb"per second</figcaption>.*?</figure>|\d{4}-\d\d-\d\dT[\d:+.]+|\d+(\.\d+)? s\b"
    rb"|(metrics\.jsonl|run\.json)</dt><dd>[0-9a-f]{64}"  # of files that hold times
    rb"|&#34;seconds&#34;: [\d.]+|peak_mb(&#34;: |</dt><dd>)[\d.]+",
    re.DOTALL,
)
#: Where a stand-in for an expert answers; always the same, since it stands in what is compared.
PORT = 8971
JUDGE = f"http://127.0.0.1:{PORT}/v1"
GRACE = 20.0
"""Seconds in which workers must have ended after their parent."""


@dataclass(frozen=True)
class Config:
    """Kill every stage at random moments, go on, and compare."""

    work: Path
    """Folder for everything; what is in it is used again."""
    count: int = 100
    """Kills, spread evenly over the stages."""
    seed: int = 0
    """Seed of the moments."""
    stages: tuple[str, ...] = ()
    """Only these stages; by default all."""


@dataclass(frozen=True)
class Stage:
    """A command; BASE in its words is the folder of what it reads. ``again`` is added to go on."""

    words: tuple[str, ...]
    again: tuple[str, ...] = ()
    copied: str | None = None
    """A folder of BASE that it works in, copied to ``out`` beforehand."""
    finds: bool = False
    """Ends with 1 where something is wrong with the data, which is no failure."""

    def done(self, code: int) -> bool:
        """Whether it has ended as it is to."""
        return code in (0, int(self.finds))


def stages() -> dict[str, Stage]:
    """All stages, by name."""
    read, pairs = ("--records", "BASE/records.jsonl"), ("--pairs", "BASE/pairs.jsonl")
    told, made = ("--pairs", "BASE/worse.jsonl"), (*read, "--dialogues", "BASE/dialogues.jsonl")
    tuned, out = ("--model", "BASE/sft"), ("--out", "out")
    training = {
        "sft": (*made, "--epochs", "0.6"),
        "dpo": (*pairs, *tuned, "--epochs", "1"),
        "grpo": (*made, *tuned, *REWARDED),
        "ppo": (*made, *tuned, *REWARDED),
        "aar": (*made, *tuned, *REWARDED),
    }
    asked = (*made, *tuned, "--limit", "16", "--out", "out/pairs.jsonl")
    return {
        "ingest drawn": Stage(("ingest", "--format", "synthetic", "--patients", "10", *out)),
        **{f"ingest {f}": Stage(("ingest", "--data", f"BASE/{f}", "--format", f, *out)) for f in FORMATS},
        "check": Stage(("check", *read, "--resplit", "out/r.jsonl", "--json", "out/c.json"), finds=True),
        "curate mau": Stage(("curate", "mau", *read, "--out", "out/dialogues.jsonl")),
        "curate noise": Stage(("curate", "noise", *made, "--out", "out/pairs.jsonl")),
        "curate hallucinate": Stage(("curate", "hallucinate", *asked)),
        "curate rank": Stage(("curate", "rank", *asked)),
        "curate questions": Stage(("curate", "questions", *made, "--out", "out/questions.jsonl")),
        "curate selftrain": Stage(("curate", "selftrain", *made, *tuned, "--images", "6", "--expert", JUDGE,
                                   "--expert-model", "judge", "--out", "out/pairs.jsonl")),
        "curate relevance": Stage(("curate", "relevance", *pairs, *read, "--out", "out/weighted.jsonl")),
        "audit": Stage(("audit", *pairs, *read, *out), finds=True),
        "convert pairs": Stage(("convert", "pairs", *told, "--out", "out/trl.jsonl", "--to", "trl")),
        **{f"train {n}": Stage(("train", n, *own, *TRAINED, *out), ("--resume",)) for n, own in training.items()},
        "prefer": Stage(("prefer", "--name", "dpo", *made, *tuned, "--limit", "16", "--samples", "1",
                         "--batch-size", "4", "--checkpoint-every", "2", "--workers", "0", *out)),
        "predict": Stage(("predict", "--dialogues", "BASE/dialogues.jsonl", *tuned, "--batch-size", "8",
                          "--out", "out/predictions.jsonl")),
        "attention": Stage(("attention", *made, *tuned, "--out", "out/attention.jsonl")),
        "score": Stage(("score", *made, "--predictions", "base", "BASE/base/predictions.jsonl",
                        "sft", "BASE/sft/predictions.jsonl", *out)),
        "report": Stage(("report", "--run", "out"), copied="run"),
        "run": Stage(("run", *SMALL, "--epochs", "0.6", "--batch-size", "16", "--checkpoint-every", "2", "--compare",
                      "aar", "mmedpo", "--compare-limit", "16", *out)),
    }  # fmt: skip


def main(config: Config) -> bool:
    """Whether all kills left no trace."""
    server = ThreadingHTTPServer(("127.0.0.1", PORT), Judge)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    base, known = prepared(config.work / "base"), stages()
    chosen = config.stages or tuple(known)
    log = config.work / "kills.jsonl"
    done = {(d["stage"], d["kill"]): d for d in map(json.loads, log.read_text().splitlines())} if log.is_file() else {}
    for n in range(config.count):
        name, kill = chosen[n % len(chosen)], n // len(chosen)
        if (name, kill) in done:
            continue
        folder = config.work / name.replace(" ", "-")
        seconds = undisturbed(known[name], base, folder / "ref")
        draws = np.random.default_rng([config.seed, *name.encode(), kill])
        found = killed(
            known[name], base, folder / f"kill{kill}", seconds * draws.uniform(0.05, 0.97), bool(draws.integers(2))
        )
        apart = differences(folder / "ref", folder / f"kill{kill}")
        done[name, kill] = {"stage": name, "kill": kill, "of": round(seconds, 2), **found, "differ": apart}
        with log.open("a") as out:
            out.write(json.dumps(done[name, kill]) + "\n")
        print(json.dumps(done[name, kill]), flush=True)
        if not (apart or found["orphans"] or found["code"]):
            shutil.rmtree(folder / f"kill{kill}")
    bad = [d for d in done.values() if d["differ"] or d["orphans"] or d["code"]]
    early = sum(d["ended"] for d in done.values())
    print(f"{len(done)} kills over {len(chosen)} stages, {early} of them after the end; {len(bad)} left a trace")
    return not bad


class Judge(BaseHTTPRequestHandler):
    """Scores two answers by their letters: the small model of the stages asks what the rules cannot judge."""

    def do_POST(self) -> None:
        asked = self.rfile.read(int(self.headers["Content-Length"]))
        answers = re.search(r"Answer 1:\\n(.*?)\\nAnswer 2:\\n(.*?)\\nScore both", asked.decode())
        first, second = (zlib.crc32(text.encode()) % 11 for text in answers.groups()) if answers else (0, 0)
        message = {"role": "assistant", "content": json.dumps({"first": first, "second": second})}
        reply = {"choices": [{"message": message, "finish_reason": "stop"}]}
        body = json.dumps({**reply, "usage": {"prompt_tokens": 1, "completion_tokens": 1}}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


# ------------------------------------------------------------------------------------------------------------- runs


def started(words: tuple[str, ...], base: Path, folder: Path, log: str) -> subprocess.Popen[bytes]:
    """The command in a group of processes of its own, in ``folder``, which lies as deep as all others do."""
    given = [word.replace("BASE", str(base)) for word in words]
    with (folder / log).open("wb") as said:
        command = [sys.executable, "-m", "unveil", *given]
        return subprocess.Popen(command, cwd=folder, stdout=said, stderr=said, start_new_session=True)


def undisturbed(stage: Stage, base: Path, folder: Path) -> float:
    """Runs a stage to its end, once; returns the seconds that it needs."""
    about = folder / "seconds.json"
    if not about.is_file():
        shutil.rmtree(folder, ignore_errors=True)
        _laid(stage, base, folder)
        began = time.monotonic()
        code = started(stage.words, base, folder, "log").wait()
        seconds = time.monotonic() - began
        if not stage.done(code) or not any(_files(folder)):
            raise RuntimeError(f"{' '.join(stage.words)} ended with {code}: see {folder / 'log'}")
        about.write_text(json.dumps(seconds))
    return float(json.loads(about.read_text()))


def killed(stage: Stage, base: Path, folder: Path, after: float, group: bool) -> dict[str, Any]:
    """Kills a stage after so many seconds, and takes its way to go on to the end."""
    shutil.rmtree(folder, ignore_errors=True)
    _laid(stage, base, folder)
    process = started(stage.words, base, folder, "log.killed")
    orphans, ended = False, True
    try:
        process.wait(after)
    except subprocess.TimeoutExpired:
        ended = False
        (os.killpg if group else os.kill)(process.pid, signal.SIGKILL)
        process.wait()
        orphans = _left(process.pid)
    lines = (folder / "log.killed").read_text(errors="replace").strip().splitlines()
    again = started((*stage.words, *stage.again), base, folder, "log")
    code = again.wait()
    at = {"after": round(after, 2), "group": group, "ended": ended, "at": (lines or [""])[-1][:100]}
    return {**at, "orphans": orphans, "code": 0 if stage.done(code) else code}


def _laid(stage: Stage, base: Path, folder: Path) -> None:
    """A folder for a run, with what it works in."""
    folder.mkdir(parents=True)
    if stage.copied:
        shutil.copytree(base / stage.copied, folder / "out", symlinks=True)
        (folder / "out" / "report.html").unlink()


def _left(group: int) -> bool:
    """Whether processes of a group outlive their parent; they are ended then."""
    end = time.monotonic() + GRACE
    while time.monotonic() < end:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return False
        time.sleep(0.1)
    os.killpg(group, signal.SIGKILL)
    return True


# ------------------------------------------------------------------------------------------------------- what is read


def prepared(base: Path) -> Path:
    """What the stages read: a small run, its parts by short names, and its images in every format. Made once."""
    if (base / "whole").is_file():
        return base
    shutil.rmtree(base, ignore_errors=True)
    base.mkdir(parents=True)
    run = Stage(("run", *SMALL, "--epochs", "1", "--batch-size", "16", "--compare", "--out", "run"))
    if started(run.words, base, base, "log").wait():
        raise RuntimeError(f"the run that all stages begin with has failed: see {base / 'log'}")
    _short(base, "sft", "run/sft")
    _short(base, "base", "run/base")
    _short(base, "data", "run/data")
    for source, copy in (("run/data/records.jsonl", "records.jsonl"), ("run/dialogues.jsonl", "dialogues.jsonl")):
        text = (base / source).read_text()
        (base / copy).write_text(re.sub(r'"image": "(data/)?images/', '"image": "data/images/', text))
    for form, write in FORMATS.items():
        shutil.copytree(base / "run" / "data" / "images", base / form / "images")
        write(base / form, list(read_jsonl(base / "records.jsonl", Record)))
    made = ("--records", "BASE/records.jsonl", "--dialogues", "BASE/dialogues.jsonl", "--out", "BASE/pairs.jsonl")
    told = (*made[:-1], "BASE/worse.jsonl", "--model", "BASE/sft", "--limit", "16")  # TRL has no place for noise
    for kind, words in {"noise": made, "hallucinate": told}.items():
        if started(("curate", kind, *words), base, base, f"log.{kind}").wait():
            raise RuntimeError(f"no pairs could be made: see {base / f'log.{kind}'}")
    (base / "whole").touch()
    return base


def _short(base: Path, name: str, target: str) -> None:
    (base / name).symlink_to(target, target_is_directory=True)


# --------------------------------------------------------------------------------------------------------- comparison


def differences(first: Path, second: Path) -> list[str]:
    """The files of two runs that are not equal, and those that only one of them has."""
    mine, theirs = ({str(p.relative_to(f)): p for p in _files(f)} for f in (first, second))
    apart = [
        f"only {'undisturbed' if name in mine else 'killed'}: {name}" for name in sorted(mine.keys() ^ theirs.keys())
    ]
    return apart + [name for name in sorted(mine.keys() & theirs.keys()) if not equal(mine[name], theirs[name])]


def _files(folder: Path) -> Iterator[Path]:
    """What a stage has left, without its screen; locks are no output, nor is what tells what has left the machine when
    and under which names."""
    for path in sorted((folder / "out").rglob("*")):
        if path.is_file() and path.suffix != ".lock" and path.name not in ("manifest.jsonl", "unveil.key"):
            yield path


def equal(first: Path, second: Path) -> bool:
    """Whether two files say the same, whenever they were written."""
    a, b = first.read_bytes(), second.read_bytes()
    if a == b:
        return True
    if first.suffix == ".safetensors":
        return _tensors(first, second)
    if first.suffix == ".sqlite":
        return _rows(first) == _rows(second)
    if first.suffix in (".json", ".jsonl"):
        return [_timeless(v) for v in _values(a)] == [_timeless(v) for v in _values(b)]
    return first.suffix == ".html" and TIMES.sub(b"", a) == TIMES.sub(b"", b)


def _tensors(first: Path, second: Path) -> bool:
    """Files may hold the same tensors in another order."""
    try:
        a, b = load_file(first), load_file(second)
    except SafetensorError:
        return False
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def _rows(file: Path) -> list[str]:
    """What a database holds."""
    with closing(sqlite3.connect(file)) as database:
        return sorted(line for line in database.iterdump() if line.startswith("INSERT"))


def _values(text: bytes) -> list[Any]:
    """One JSON value, or one a line."""
    try:
        return [json.loads(text)]
    except ValueError:
        return [json.loads(line) for line in text.splitlines()]


def _timeless(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _timeless(item) for key, item in value.items() if not VOLATILE.search(key)}
    return [_timeless(item) for item in value] if isinstance(value, list) else value


if __name__ == "__main__":
    sys.exit(0 if main(tyro.cli(Config)) else 1)
