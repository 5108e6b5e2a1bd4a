"""What `python -m build` has made: does the wheel hold all that runs, and nothing else; does the sdist hold all.

    python -m scripts.check_dist dist

An installed wheel is tried beside it by `make wheel`.
"""

from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TINY = "assets/tiny"


def kept(root: Path = ROOT) -> set[str]:
    """The files that git keeps, by their paths in the repository."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=root, capture_output=True, text=True, check=True)
    return {name for name in listed.stdout.split("\0") if name}


def in_wheel(files: Iterable[str]) -> set[str]:
    """Where the files of the repository lie in a wheel: the package, and the tiny base model within it."""
    package = {name for name in files if name.startswith("unveil/")}
    return package | {f"unveil/{name}" for name in files if name.startswith(f"{TINY}/")}


def of_wheel(path: Path, files: Iterable[str]) -> list[str]:
    """What is wrong with a wheel, in words."""
    with zipfile.ZipFile(path) as archive:
        there = {name for name in archive.namelist() if not name.endswith("/")}
        scripts = [archive.read(name).decode() for name in there if name.endswith(".dist-info/entry_points.txt")]
    package = {name for name in there if ".dist-info/" not in name.split("/", 1)[0] + "/"}
    faults = _differences(package, in_wheel(files))
    if not any(name.endswith(".dist-info/licenses/LICENSE") for name in there):
        faults.append("LICENSE is missing")
    if not any("unveil = unveil.cli:main" in text for text in scripts):
        faults.append("the command `unveil` is missing")
    return faults


def of_sdist(path: Path, files: Iterable[str]) -> list[str]:
    """What is wrong with an sdist, in words."""
    with tarfile.open(path) as archive:
        there = {member.name.partition("/")[2] for member in archive if member.isfile()}
    return _differences(there - {"PKG-INFO"}, set(files))


def _differences(there: set[str], wanted: set[str]) -> list[str]:
    missing = [f"{name} is missing" for name in sorted(wanted - there)]
    return missing + [f"{name} does not belong there" for name in sorted(there - wanted)]


CHECKS: dict[str, Callable[[Path, Iterable[str]], list[str]]] = {"*.whl": of_wheel, "*.tar.gz": of_sdist}


def main(folder: Path) -> int:
    """Prints what is wrong with the one wheel and the one sdist of a folder; returns whether anything is."""
    files, faults = kept(), list[str]()
    for pattern, check in CHECKS.items():
        found = sorted(folder.glob(pattern))
        if len(found) != 1:
            faults.append(f"{folder} holds {len(found)} files {pattern}, not one")
            continue
        faults += [f"{found[0].name}: {fault}" for fault in check(found[0], files)]
        print(f"{found[0].name}: {found[0].stat().st_size / 1e6:.1f} MB")
    print(*faults, sep="\n", end="\n" if faults else "")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
