"""Wheels for a GPU machine without a network: what the check there needs and the machine does not have.

    python -m scripts.gpu_check --gather wheels [--have have.txt]

and there, beside the repository:

    python3 -m pip install --no-index --no-deps --target site wheels/*.whl
    PYTHONPATH=site python3 -m scripts.gpu_check

Versions are those that are installed here, for Python 3.12 on Linux with x86-64. Packages that such a machine has
(torch and its CUDA, transformers, numpy, ...) are taken as they are there, whatever this project asks for elsewhere.
"""

from __future__ import annotations

import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

NEEDED = ("unveil[bench]",)
MOST_MB = 40
PYTHON = "3.12"
GLIBC = (39, 35, 34, 31, 28, 27, 26, 24, 17, 12, 5)
PLATFORMS = ("manylinux2014_x86_64", *(f"manylinux_2_{n}_x86_64" for n in GLIBC))

#: What images for deep learning bring along, needs of theirs included; ``--have`` says what a machine really has.
USUAL = frozenset(
    """
    accelerate aiofiles aiohttp annotated-doc anyio attrs certifi charset-normalizer click contourpy cycler filelock
    fonttools fsspec h11 h5py hf-xet httpcore httpx huggingface-hub idna jinja2 joblib kiwisolver markdown-it-py
    markupsafe matplotlib mdurl mpmath multidict networkx numpy packaging pandas peft pillow pluggy propcache protobuf
    psutil pyarrow pygments pyparsing python-dateutil pytz pyyaml regex requests rich safetensors scikit-learn scipy
    sentencepiece setuptools shellingham six sympy threadpoolctl tokenizers torch torchvision tqdm transformers triton
    typer typing-extensions typing-inspect tzdata urllib3 xxhash yarl
    """.split()  # noqa: SIM905
)


def gather(folder: Path, have: Path | None = None) -> list[str]:
    """Downloads the wheels into ``folder``; returns their names. Raises ``SystemExit`` where one cannot be had."""
    there = listed(have) if have else USUAL
    wanted = [f"{name}=={metadata.version(name)}" for name in sorted(closure(NEEDED) - there - {"unveil"})]
    words = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--quiet",
        "--no-deps",
        "--only-binary=:all:",
        "--dest",
        str(folder),
    ]
    words += ["--python-version", PYTHON, "--implementation", "cp"]
    words += [word for platform in PLATFORMS for word in ("--platform", platform)]
    if subprocess.run([*words, *wanted]).returncode:
        raise SystemExit(f"pip could not bring all of: {', '.join(wanted)}")
    wheels = sorted(folder.glob("*.whl"))
    size = sum(w.stat().st_size for w in wheels) / 1e6
    print(f"{len(wheels)} wheels, {size:.1f} MB in {folder}")
    if size > MOST_MB:
        raise SystemExit(f"more than {MOST_MB} MB: tell with --have what the machine has")
    return [w.name for w in wheels]


def listed(file: Path) -> frozenset[str]:
    """The packages of a list as pip prints it."""
    lines = (re.match(r"[A-Za-z0-9][\w.-]*", line.strip()) for line in file.read_text(encoding="utf-8").splitlines())
    return frozenset(canonicalize_name(found[0]) for found in lines if found)


def closure(names: tuple[str, ...]) -> set[str]:
    """The packages that these requirements need there, themselves included, by what is installed here."""
    there: dict[str, Any] = {**default_environment(), "python_version": PYTHON, "python_full_version": f"{PYTHON}.0"}
    there |= {"sys_platform": "linux", "platform_system": "Linux", "platform_machine": "x86_64", "os_name": "posix"}
    found: set[str] = set()
    asked: set[tuple[str, str]] = set()
    todo = [(Requirement(name), extra) for name in names for extra in ("", *Requirement(name).extras)]
    while todo:
        requirement, extra = todo.pop()
        name = canonicalize_name(requirement.name)
        if (name, extra) in asked:
            continue
        asked.add((name, extra))
        found.add(name)
        for text in metadata.requires(name) or ():
            need = Requirement(text)
            if need.marker is None or need.marker.evaluate({**there, "extra": extra}):
                todo += [(need, wanted) for wanted in ("", *need.extras)]
    return found
