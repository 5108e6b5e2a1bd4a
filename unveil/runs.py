"""What a stage leaves beside its output so that it can be repeated: configuration, seed, versions, input hashes."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import platform
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from unveil import screen


class DryRun(Exception):
    """A run that was to do nothing but tell what it would do has done so; not an error."""


#: Fields of a configuration that change how a run goes on but not what comes out, also of options within it.
PASSING = frozenset({"resume", "restart", "workers", "trackers", "cache_mb", "features", "keep_checkpoints"})
PASSING_WITHIN = {
    "generate": frozenset(
        {"server", "key_variable", "allow_remote", "dry_run", "pixels_reviewed", "concurrency", "retries", "timeout"}
    )
}
PACKAGES = (
    "unveil",
    "torch",
    "transformers",
    "accelerate",
    "peft",
    "numpy",
    "scipy",
    "scikit-learn",
    "pillow",
    "safetensors",
)


def plain(config: Any) -> dict[str, Any]:
    """A configuration as JSON values."""
    return json.loads(json.dumps(dataclasses.asdict(config), default=str))


def lasting(config: Mapping[str, Any]) -> dict[str, Any]:
    """What of a configuration (as JSON values) makes it another run if it changes."""
    out = {name: value for name, value in config.items() if name not in PASSING}
    for name, passing in PASSING_WITHIN.items():
        if isinstance(inner := out.get(name), dict):
            out[name] = {key: value for key, value in inner.items() if key not in passing}
    return out


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that results depend on."""
    out = {"python": sys.version.split()[0], "platform": f"{platform.system()} {platform.machine()}"}
    for name in PACKAGES:
        try:
            out[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            out[name] = "not installed"
    return out


def sha256(path: str | Path) -> str:
    """Of the file's bytes, in hexadecimal."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def of_model(model: str | Path) -> list[Path]:
    """What the training of a local model has left, an input of whatever starts from it: trained anew, it is another."""
    trained = Path(model) / "run.json"
    return [trained] if trained.is_file() else []


def write_json(path: Path, value: Any) -> Path:
    """Writes JSON for people to read, all or nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")  # processes may write the same file at once
    partial.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    partial.replace(path)
    return path


def write(out: Path, command: str, config: Any, inputs: Iterable[Path], seconds: float, **more: Any) -> Path:
    """Writes the run's description: into the folder ``out`` as ``run.json``, or beside the file ``out``."""
    path = out / "run.json" if out.is_dir() else out.with_name(out.name + ".run.json")
    about = {
        "command": command,
        "config": plain(config),
        "seed": getattr(config, "seed", None),
        "versions": versions(),
        "inputs": {str(p): sha256(Path(p)) for p in inputs},
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": round(seconds, 1),
        **more,
    }
    return write_json(path, about)


def is_current(out: Path, command: str, config: Any, inputs: Iterable[Path]) -> bool:
    """Whether ``out`` was made by the same command with the same settings from the same inputs, and is still there."""
    path = out / "run.json" if out.is_dir() else out.with_name(out.name + ".run.json")
    if not (out.exists() and path.is_file()):
        return False
    about = json.loads(path.read_text())
    same = lasting(about["config"]) == lasting(plain(config))
    return about["command"] == command and same and about["inputs"] == {str(p): sha256(Path(p)) for p in inputs}


def stage(out: Path, command: str, config: Any, inputs: Sequence[Path], work: Callable[[], Any]) -> None:
    """Does the work of a stage unless its output was made with the same settings from the same inputs."""
    if is_current(out, command, config, inputs):
        screen.say(f"{command}: {out} is there already")
        return
    screen.say(f"[{command}]")
    work()


def peak_mb() -> float:
    """The largest resident memory so far of this process, or of one of its children if that is larger, in MB."""
    import resource

    own, children = (resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return round(max(own, children) / (1024 if sys.platform != "darwin" else 1024**2), 1)
