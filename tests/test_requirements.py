"""What is declared as needed: ranges, the pins that are tested, and extras that messages name."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS: dict[str, list[Requirement]] = {
    name: [Requirement(text) for text in texts] for name, texts in PROJECT["optional-dependencies"].items()
}
NEEDED = [Requirement(text) for text in PROJECT["dependencies"]]
#: What users choose; the others are for who works on this project.
CHOSEN = ("dicom", "names", "ocr", "parquet", "quantised", "radeval", "reports", "trackers", "video")
TRIED = ("bench", "dicom", "ocr", "parquet", "quantised", "reports", "serving", "test")
TESTED = [*NEEDED, *(r for extra in TRIED for r in EXTRAS[extra])]


def pins(name: str) -> dict[str, Version]:
    """The versions of a file of constraints."""
    lines = (ROOT / "requirements" / f"{name}.txt").read_text().splitlines()
    rows = [Requirement(line) for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(row.name): Version(str(row.specifier).removeprefix("==")) for row in rows}


def lower(requirement: Requirement) -> Version:
    """The lowest version that a requirement admits."""
    return min(Version(part.version) for part in requirement.specifier if part.operator in (">=", "=="))


@pytest.mark.parametrize("requirement", [r for r in TESTED if r.name != "unveil"], ids=lambda r: r.name)
def test_the_lowest_version_is_one_that_is_tested(requirement: Requirement) -> None:
    assert pins("lowest")[canonicalize_name(requirement.name)] == lower(requirement)


@pytest.mark.parametrize("requirement", [r for r in TESTED if r.name != "unveil"], ids=lambda r: r.name)
def test_the_newest_version_that_is_tested_is_admitted(requirement: Requirement) -> None:
    assert pins("newest")[canonicalize_name(requirement.name)] in requirement.specifier


def test_pydicom_is_one_that_stays_in_its_folder() -> None:
    """Before 3.0.2 a DICOMDIR could name files outside its folder (CVE-2026-32711)."""
    [pydicom] = [requirement for requirement in NEEDED if requirement.name == "pydicom"]
    assert not pydicom.specifier.contains("3.0.1") and pydicom.specifier.contains("3.0.2")


def test_nothing_that_everybody_installs_is_pinned() -> None:
    """A library that asks for one version only cannot stand beside others."""
    assert [str(r) for r in NEEDED if any(part.operator == "==" for part in r.specifier)] == []


#: Modules whose packages have another name.
PACKAGES = {"PIL": "pillow", "sklearn": "scikit-learn", "yaml": "pyyaml", "cv2": "opencv-python-headless"}


def imported(folder: str) -> set[str]:
    """The packages that the modules of a folder import, wherever the import stands."""
    found = set()
    for path in (ROOT / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                found.add(node.module.partition(".")[0])
            elif isinstance(node, ast.Call) and ast.unparse(node.func) == "import_module":
                found |= {str(one.value).partition(".")[0] for one in node.args if isinstance(one, ast.Constant)}
    others = found - set(sys.stdlib_module_names) - {"unveil"}
    return {canonicalize_name(PACKAGES.get(name, name)) for name in others}


def test_what_is_imported_is_what_is_declared() -> None:
    """Each package that is imported is needed or an extra; each that is needed is imported, or reads files for one."""
    needed = {canonicalize_name(r.name) for r in NEEDED}
    extras = {canonicalize_name(r.name) for name in CHOSEN for r in EXTRAS[name]}
    assert imported("unveil") - needed - extras == {"tokenizers"}  # a part of transformers
    assert needed - imported("unveil") == set()


@pytest.mark.parametrize("extra", CHOSEN)
def test_an_extra_is_named_where_it_is_missed(extra: str) -> None:
    """By a message, in the form that a shell takes; tests of what misses it see that it comes."""
    sources = "".join(path.read_text() for path in (ROOT / "unveil").rglob("*.py"))
    assert f"pip install 'unveil[{extra}]'" in sources
    assert not re.search(rf"pip install unveil\[{extra}", sources)


def test_extras_are_listed_where_people_look_how_to_install() -> None:
    """All but those of this project's own work."""
    listed = re.findall(r"^\| `(\w+)` \|", (ROOT / "docs/how-to/install.md").read_text(), re.M)
    assert sorted(listed) == sorted(EXTRAS.keys() - {"bench", "dev", "docs", "test"})


@pytest.mark.skipif(shutil.which("make") is None, reason="the program make is not here")
def test_versions_are_chosen_again_where_other_ones_are_asked_for(tmp_path: Path) -> None:
    """In an environment that is there already; pip is not run, make only tells whether it would be."""
    for name in ("Makefile", "pyproject.toml", "requirements"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / ".venv/bin").mkdir(parents=True)
    (tmp_path / ".venv/bin/python").touch()
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}

    def make(*words: str) -> str:
        called = subprocess.run(["make", *words], cwd=tmp_path, env=plain, capture_output=True, text=True, check=True)
        return called.stdout

    make(".venv/constraints.txt", "INSTEAD=torch==2.13.0")
    chosen = (tmp_path / ".venv/constraints.txt").read_text().splitlines()
    assert [line for line in chosen if line.startswith("torch==")] == ["torch==2.13.0"]
    (tmp_path / ".venv/.installed").touch()
    words: tuple[list[str], ...] = (
        [],
        ["INSTEAD=torch==2.13.0"],
        ["INSTEAD=torch==2.12.0"],
        ["PINS=requirements/lowest.txt"],
    )
    assert ["pip install" in make("-n", "demo", *given) for given in words] == [True, False, True, True]


def test_the_hooks_before_a_commit_run_the_same_ruff() -> None:
    hooks = (ROOT / ".pre-commit-config.yaml").read_text()
    assert re.findall(r"ruff-pre-commit\s+rev: v(\S+)", hooks) == [str(pins("newest")["ruff"])]


def test_the_citation_knows_the_version() -> None:
    import yaml

    from unveil import __version__

    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert (cited["version"], cited["license"]) == (__version__, PROJECT["license"])
    papers = {identifier["value"] for paper in cited["references"] for identifier in paper["identifiers"]}
    assert papers == {"arXiv:2501.01377", "arXiv:2406.19973", "arXiv:2412.06141"}


@pytest.mark.parametrize("path", sorted((ROOT / ".github").rglob("*.yml")), ids=lambda p: p.name)
def test_forms_and_workflows_can_be_read(path: Path) -> None:
    """As YAML; forms ask for no patient data, and workflows call targets that exist."""
    import yaml

    text = path.read_text()
    read = yaml.safe_load(text)
    if "body" in read:
        [checked] = [part for part in read["body"] if part.get("id") == "patients"]
        assert checked["attributes"]["options"][0]["required"]
    targets = set(re.findall(r"^(\w[\w-]*):", (ROOT / "Makefile").read_text(), re.M))
    called = set(re.findall(r"make ([\w-]+)|target: ([\w-]+)", text))
    assert {one for pair in called for one in pair if one} <= targets
