"""The repository keeps its own promises: who imports whom, what documents claim, what never stands in the code."""

from __future__ import annotations

import ast
import inspect
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import is_dataclass
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from unveil.cli import COMMANDS
from unveil.core.options import every

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "unveil"
#: Room -> what of ours it may import, besides itself.
ALLOWED = {
    "core": set(),
    "synthetic": {"core"},
    "vlm": {"core"},
    "testing": {"core", "vlm"},
    "audit": {"core"},
    "gate": {"core"},
    "ingest": {"core", "synthetic"},
    "export": {"core", "vlm"},
    "experts": {"core", "gate", "vlm"},
    "curate": {"core", "gate", "experts", "vlm"},
    "evaluate": {"core", "gate", "experts", "vlm"},
    "train": {"core", "vlm"},
    "rl": {"core", "gate", "vlm", "experts", "train"},
    "review": {"core", "gate", "experts", "vlm", "evaluate"},
    "pipelines": {
        "core",
        "synthetic",
        "vlm",
        "audit",
        "gate",
        "ingest",
        "experts",
        "curate",
        "evaluate",
        "review",
        "train",
        "rl",
    },
    "cli": {"core"},  # and every command's module by its name
    "__main__": {"cli"},
}
SOURCES = sorted(PACKAGE.rglob("*.py"))


class Code(NamedTuple):
    """What is asked of a file's code."""

    imports: set[str]
    """The full names of all modules that it imports, wherever the import stands."""
    at_import: list[ast.Import | ast.ImportFrom]
    """The imports that run when it is imported itself."""
    classes: list[str]
    """At its top."""
    words: set[str]
    """The names that it defines, imports or uses."""
    texts: list[str]
    """Its strings; of one with values in it, these as ``\\0``."""


@cache
def code(path: Path) -> Code:
    """Each file is read once, since that takes longest; its tree is not kept, which would take much memory."""
    tree = ast.parse(path.read_text())
    found = Code(set(), [*_at_import(tree.body)], [n.name for n in tree.body if isinstance(n, ast.ClassDef)], set(), [])
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found.imports.update(a.name for a in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.imports.update({node.module} | {f"{node.module}.{a.name}" for a in node.names})
        elif isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str)):
            parts = getattr(node, "values", [node])
            found.texts.append("".join(str(p.value) if isinstance(p, ast.Constant) else "\0" for p in parts))
        told = (getattr(node, field, None) for field in ("id", "arg", "attr", "name", "asname"))
        found.words.update(word for word in told if isinstance(word, str))
    return found


def imports(path: Path) -> set[str]:
    return code(path).imports


def room(path: Path) -> str:
    """The folder or module of the package that a file belongs to."""
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def faults(paths: Iterable[Path], of: Callable[[Path], object]) -> dict[str, object]:
    """Of each file what is wrong with it, where anything is."""
    return {str(path.relative_to(ROOT)): wrong for path in paths if (wrong := of(path))}


def test_arrows() -> None:
    """Stages never import one another, the core imports nothing of ours, only the command line sees every room."""

    def crossing(path: Path) -> set[str]:
        ours = {name.split(".")[1] for name in imports(path) if name.startswith("unveil.")} - {"__version__"}
        return ours - ALLOWED[room(path)] - {room(path)}

    assert faults((path for path in SOURCES if room(path) != "__init__"), crossing) == {}


def test_the_root_holds_the_command_line_alone() -> None:
    assert {path.stem for path in PACKAGE.glob("*.py")} == {"__init__", "__main__", "cli"}


def _at_import(body: list[ast.stmt]) -> Iterator[ast.Import | ast.ImportFrom]:
    """The imports that run when a file is imported: none within a function, none for the type checker alone."""
    for node in body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node
        elif isinstance(node, ast.If):
            yield from _at_import([*([] if "TYPE_CHECKING" in ast.unparse(node.test) else node.body), *node.orelse])
        elif isinstance(node, ast.Try):
            yield from _at_import([*node.body, *node.orelse, *node.finalbody])


def _imported(path: Path, modules: set[str]) -> set[str]:
    """Our modules that must have run before this one does: those it names, and the folders above them not above it."""
    own = _module(path)
    found: set[str] = set()
    for node in code(path).at_import:
        names = [a.name for a in node.names]
        if isinstance(node, ast.ImportFrom):
            names = [full if (full := f"{node.module}.{name}") in modules else str(node.module) for name in names]
        for name in set(names) & modules:
            found.add(name)
            while (name := name.rpartition(".")[0]) and not f"{own}.".startswith(f"{name}."):
                found.add(name)
    return found


def _module(path: Path) -> str:
    return ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")


def test_every_module_can_be_the_one_that_is_imported_first() -> None:
    """No circle of modules: one that works from the command line may fail in a program that enters it elsewhere."""
    modules = {_module(path): path for path in SOURCES}
    TopologicalSorter({name: _imported(path, set(modules)) for name, path in modules.items()}).prepare()


def test_no_group_is_repeated_possessively() -> None:
    """Python 3.11.0 to 3.11.4 (Debian 12 has 3.11.2) keep what the last, failed turn of ``(?:...)*+`` had read
    (github.com/python/cpython/issues/106052); ``(?>(?:...)*)`` says the same and is right everywhere."""
    repeated = re.compile(r"(?<!\\)[)\0](?:[+*?]|\{[^{}]*\})\+")
    assert faults(SOURCES, lambda path: [text for text in code(path).texts if repeated.search(text)]) == {}


def test_rooms_stand_on_few_floors() -> None:
    """A room stands one floor above the highest that it may import; a circle would never come to an end."""

    def floor(name: str, above: tuple[str, ...] = ()) -> int:
        assert name not in above, f"a circle: {' -> '.join([*above, name])}"
        return 1 + max((floor(below, (*above, name)) for below in ALLOWED[name]), default=0)

    assert max(map(floor, ALLOWED)) <= 8


def test_no_torch_outside_its_rooms() -> None:
    """The core, ingest, curate and scoring need no torch."""
    heavy = {"torch", "transformers", "accelerate", "peft"}
    outside = [path for path in SOURCES if room(path) not in {"vlm", "testing", "train", "rl"}]
    assert faults(outside, lambda path: heavy & {name.split(".")[0] for name in imports(path)}) == {}


def test_what_fetches_code_as_it_is_imported_is_imported_in_one_place() -> None:
    """That place, ``unveil/vlm/imports.py``, names them to a function and not in a statement."""
    found = {path.name: {"peft", "bitsandbytes"} & {name.split(".")[0] for name in imports(path)} for path in SOURCES}
    assert not {name: libraries for name, libraries in found.items() if libraries}


def test_models_for_tests_need_a_plain_installation_only() -> None:
    """Of what is installed besides: torch and transformers, and tokenizers, without which transformers is not there."""
    found = {name.split(".")[0] for path in (PACKAGE / "testing").glob("*.py") for name in imports(path)}
    assert found - set(sys.stdlib_module_names) == {"unveil", "torch", "transformers", "tokenizers"}


def test_no_two_classes_have_one_name() -> None:
    """Whoever reads a name knows which class is meant. ``Config`` is what every command calls its options."""
    names = [name for path in SOURCES for name in code(path).classes]
    public = Counter(name for name in names if not name.startswith("_") and name != "Config")
    assert len(public) > 100 and [name for name, times in public.items() if times > 1] == []


CODE = [
    path
    for folder in ("unveil", "bench", "scripts", "studies", "tests")
    for path in sorted((ROOT / folder).rglob("*.py"))
]


def test_files_are_short() -> None:
    """400 lines at most."""
    lines = {path: len(path.read_text().splitlines()) for path in CODE}
    assert faults(CODE, lambda path: lines[path] if lines[path] > 400 else 0) == {}


#: Tests of what is no module, and why they stand alone.
OF_NO_MODULE = {
    "house": "the repository: its arrows, its names, its documents",
    "docs": "the documents: their commands, and the site that is made of them",
    "requirements": "what is needed: ranges, pins and extras, and the files that hold them",
    "fuzz": "all readers and commands, with what is spoilt at random",
    "shapes": "shapes in signatures, which are checked where tests run only",
}


OURS = [path for path in CODE if path.relative_to(ROOT).parts[0] != "tests"]
KNOWN = {file.stem for file in OURS} | {file.parent.name for file in OURS} | OF_NO_MODULE.keys()


def test_a_test_is_named_after_what_it_tests() -> None:
    """``test_X`` or ``test_X_aspect``, X a module or a folder of ours. Tests stand in one folder."""

    def names_none(path: Path) -> bool:
        words = path.stem.removeprefix("test_").split("_")
        return not KNOWN & {"_".join(words[:n]) for n in range(1, len(words) + 1)}

    assert faults((ROOT / "tests").glob("test_*.py"), names_none) == {}


def is_there(before: str, last: str) -> bool:
    """Whether a module, a package or a class of this name has that name in it, or a folder that module."""
    inside = any(
        last in code(file).words if before == (file.parent.name if file.stem == "__init__" else file.stem)
        else (file.parent.name, file.stem) == (before, last)
        for file in CODE
    )  # fmt: skip
    return inside or any(before in code(file).classes and last in code(file).words for file in SOURCES)


#: Endings of files, whose names have points too.
ENDINGS = {"jsonl", "json", "txt", "yaml", "data", "names", "labels", "png", "html", "key", "safetensors"}


def nowhere(path: Path) -> Iterator[str]:
    """The names with points in a file's docstrings that nothing has."""
    text = path.read_text()
    for dotted in re.findall(r"``([A-Za-z_]\w*(?:\.\w+)+)(?:\(.*?\))?``", text):
        first, *_, last = dotted.split(".")
        if last in ENDINGS or f'"{dotted}"' in text or is_there(dotted.split(".")[-2], last):
            continue
        ours = {name.rpartition(".")[2] for name in imports(path) if name.startswith("unveil.")}
        if first not in (code(path).words | set(sys.stdlib_module_names)) - ours:
            yield dotted


def test_names_with_points_in_docstrings_exist() -> None:
    """What follows a module or a class of ours is in it; another first word stands in the code of the file itself."""
    assert faults(SOURCES, lambda path: [*nowhere(path)]) == {}


def test_losses_import_nothing_of_ours() -> None:
    assert not any(name.startswith("unveil") for name in imports(PACKAGE / "train" / "losses.py"))


def test_recipes_are_imported_by_no_other_part_of_training() -> None:
    """But for the one that chooses between them, which says what is done in the paper's words (``rl.aar``)."""
    recipes = {"train.sft", "train.dpo", "rl.grpo", "rl.ppo"}
    for path in [*(PACKAGE / "train").glob("*.py"), *(PACKAGE / "rl").glob("*.py")]:
        others = recipes - {f"{room(path)}.{path.stem}"}
        assert path.stem == "aar" or not {f"unveil.{recipe}" for recipe in others} & imports(path), path.name


@pytest.mark.parametrize(
    "call",
    [r"pickle\.load", r"torch\.load\(", r"yaml\.load\(", r"extractall\(", r"\beval\(", r"MAX_IMAGE_PIXELS\s*=\s*None",
     r"np\.load\((?!.*allow_pickle=False)", r"\b(cloudpickle|dill|joblib|marshal|shelve)\b", r"\bexec\(",
     r"(?<!def )\bunpack_archive\(", r"(?<!defusedxml)\.ElementTree import (?!Element)", r"\bminidom\b",
     r"trust_remote_code\s*=\s*True", r"LOAD_TRUNCATED_IMAGES\s*=\s*True", r"shell\s*=\s*True"],
)  # fmt: skip
def test_nothing_dangerous_is_called(call: str) -> None:
    """No deserialisation that runs code, no guard switched off (``model.eval()`` takes no argument and is another)."""
    for path in SOURCES:
        for line in path.read_text().splitlines():
            assert not re.search(call, line.replace(".eval()", "")), f"{path.name}: {line.strip()}"


def test_files_are_written_whole_or_not_at_all() -> None:
    """By ``files``, or into a partial file that takes the place of another in the end."""
    direct = re.compile(r"""(?<!files)\.write_(text|bytes)\(|(?<!fd)open\([^)]*["'][wx]b?["']""")
    for path in set(SOURCES) - {PACKAGE / "core" / "files.py"}:
        for line in path.read_text().splitlines():
            assert "partial" in line or not direct.search(line), f"{path.name}: {line.strip()}"


def documents() -> str:
    return "\n".join(p.read_text() for p in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))])


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_is_a_module_with_its_options_and_its_work(name: str) -> None:
    """``Config``, frozen and with a sentence for its help, and ``main`` of it, which is defined there."""
    command = COMMANDS[name]
    module, options = command.load(), (command.options or command.module).partition(":")[0]
    config: Any = module.Config
    assert is_dataclass(module.Config) and config.__dataclass_params__.frozen and config.__doc__
    assert (module.Config.__module__, module.main.__module__) == (f"unveil.{options}", module.__name__)
    first = next(iter(inspect.signature(module.main, eval_str=True).parameters.values()))
    assert (first.name, first.annotation) == ("config", module.Config)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_documented(name: str) -> None:
    assert f"unveil {name}" in documents()


def test_documents_name_only_commands_and_options_that_exist() -> None:
    """Every `unveil …` line in a code block of the documents parses as far as its options' names go."""
    text = documents()
    known: dict[str, set[str]] = {}
    for line in re.findall(
        r"^(?:\$ )?unveil (.+?)\s*(?:#.*)?$", "\n".join(re.findall(r"```\w*\n(.*?)```", text, re.S)), re.M
    ):
        words = line.replace("\\", " ").split()
        name = next((n for n in (" ".join(words[:2]), words[0]) if n in COMMANDS), None)
        assert name, f"unveil {line}"
        if name not in known:
            flags = {flag for option in every(COMMANDS[name].config()) for flag in (option.flag, option.off or "")}
            known[name] = {flag.removeprefix("--") for flag in flags} | {"config", "help", "help-all"}
        used = {w[2:].split("=")[0] for w in words if w.startswith("--")}
        assert used <= known[name], f"unveil {line}: {sorted(used - known[name])}"


def test_make_targets_of_the_readme_exist() -> None:
    targets = set(re.findall(r"^(\w[\w-]*):", (ROOT / "Makefile").read_text(), re.M))
    assert set(re.findall(r"^make (\w[\w-]*)", (ROOT / "README.md").read_text(), re.M)) <= targets


DOCUMENTS = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^ *```.*?^ *```$", re.S | re.M)


def anchors(path: Path) -> set[str]:
    """The names by which GitHub links to the headings of a document, or of the one that it shows on the site."""
    text = re.sub(r'\{\{ document\("(.+?)"\) \}\}', lambda shown: (ROOT / shown[1]).read_text(), path.read_text())
    headings = re.findall(r"^#+ (.+)$", BLOCK.sub("", text), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda p: p.name)
def test_links_between_documents_lead_somewhere(path: Path) -> None:
    for target, anchor in re.findall(r"\]\((?!https?:|mailto:)([^)#]*)#?([^)]*)\)", path.read_text()):
        file = path.parent / target if target else path
        assert file.exists(), f"{path.name}: {target}"
        assert not anchor or anchor in anchors(file), f"{path.name}: {target}#{anchor}"


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda p: p.name)
def test_lines_of_documents_are_short(path: Path) -> None:
    """140 characters at most; tables, code blocks and the targets of links may be longer."""
    for line in BLOCK.sub("", path.read_text()).splitlines():
        text = re.sub(r"\]\([^)]*\)", "]", line)
        assert line.lstrip().startswith("|") or len(text) <= 140, f"{path.name}: {line[:60]} …"


def test_the_glossary_is_in_order_and_names_files_that_exist() -> None:
    text = (ROOT / "docs" / "reference" / "glossary.md").read_text()
    terms = [term.lower() for term in re.findall(r"^- \*\*(.+?)\*\*", text, re.M)]
    assert len(terms) > 40 and terms == sorted(terms)
    for name in re.findall(r"`(unveil/[\w/.]+)`", text):
        assert (ROOT / name).exists(), name


def test_modules_that_the_card_of_the_house_names_exist() -> None:
    rooms = re.findall(r"^\| `(\w+)/` \| (.*?) \|", (ROOT / "CONTRIBUTING.md").read_text(), re.M)
    assert {room for room, _ in rooms} == ALLOWED.keys() - {"cli", "__main__"}
    paths = [PACKAGE / room / name for room, holds in rooms for name in re.findall(r"`(\w+)/?`", holds)]
    assert [path for path in paths if not path.is_dir() and not path.with_suffix(".py").is_file()] == []


def test_the_changelog_knows_the_version() -> None:
    from unveil import __version__

    assert __version__ in (ROOT / "CHANGELOG.md").read_text()
