"""Plugins: what they add, what is wrong with one, and that run.json knows it; the page's own file is run."""

from __future__ import annotations

import json
import pickle
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_type_hints

import pytest
from PIL import Image

from tests.helpers.plugging import forgotten, write
from unveil import cli
from unveil.core import digests, options, plugins, registry
from unveil.core.box_formats import BOX_FORMATS
from unveil.core.plugins import PluginError
from unveil.ingest import ingest
from unveil.ingest.folder import Folder
from unveil.ingest.formats import FORMATS
from unveil.ingest.reading import IngestError, Options
from unveil.rl.advantages import ADVANTAGES
from unveil.rl.options import GroupOptions
from unveil.rl.rewards import REWARDS
from unveil.testing.models import saved
from unveil.vlm.families import FAMILIES

ROOT = Path(__file__).parents[1]
HEAD = "from unveil.ingest.formats import Format\n"
FORMAT = HEAD + "FORMATS = [Format('marks', READ, 'marks', lambda folder: folder.files('.marks'), ('.marks',))]\n"


@pytest.fixture(autouse=True)
def alone() -> Iterator[None]:
    with forgotten():
        yield


def loaded(folder: Path, body: str) -> Path:
    path = write(folder, body)
    registry.load([path])
    return path


# -------------------------------------------------------------------------------------------------------- what they add


def test_rows_stand_beside_ours_and_are_called_by_name(tmp_path: Path) -> None:
    loaded(
        tmp_path, "REWARDS = {'short': lambda answered: 1.0}\nADVANTAGES = {'same': lambda rewards_QG: rewards_QG}\n"
    )
    assert list(REWARDS)[-1] == "short" and list(ADVANTAGES)[-1] == "same"
    assert "short" not in ADVANTAGES and "voc" in FORMATS


@pytest.mark.parametrize("kind", [str, Path])
def test_one_file_alone_is_one(kind: Any, tmp_path: Path) -> None:
    path = write(tmp_path, "REWARDS = {'short': lambda answered: 1.0}\n")
    registry.load(kind(path))
    assert "short" in REWARDS and ingest.Config(out=tmp_path, plugins=kind(path)).plugins == (path,)


def test_help_lists_names_that_are_no_closed_choice(tmp_path: Path) -> None:
    loaded(tmp_path, "REWARDS = {'short': lambda answered: 1.0}\n")
    hint = get_type_hints(GroupOptions, include_extras=True)["rewards"]
    assert options.listing(hint, "What to add up.").endswith("similarity, bleu, findings, radgraph, short, hits@0.5.")


def test_a_table_that_is_made_later_has_them_too(tmp_path: Path) -> None:
    """As those of modules that are imported later."""
    loaded(tmp_path, "REWARDS = {'short': lambda answered: 1.0}\n")
    late = registry.Registry("REWARDS", {"form": 1}, lambda name, row: 2)
    registry._registries["REWARDS"] = REWARDS
    assert dict(late) == {"form": 1, "short": 2}


def test_a_changed_file_takes_the_place_of_what_it_declared(tmp_path: Path) -> None:
    loaded(tmp_path, "REWARDS = {'one': lambda answered: 1.0, 'two': lambda answered: 2.0}\n")
    loaded(tmp_path, "REWARDS = {'two': lambda answered: 2.5}\n")
    assert "one" not in REWARDS and REWARDS["two"].function(None) == 2.5  # type: ignore[union-attr]


def test_a_file_is_run_once(tmp_path: Path) -> None:
    """Dataclasses in it find their module."""
    body = """from __future__ import annotations
from dataclasses import dataclass
from typing import ClassVar
with open(__file__ + ".runs", "a") as file:
    file.write("x")
@dataclass
class Made:
    number: ClassVar[float] = 1.0
REWARDS = {"made": lambda answered: Made.number}
"""
    path = loaded(tmp_path, body)
    (tmp_path / "beside").mkdir()
    registry.load([path, tmp_path / "beside" / ".." / "mine.py"])
    assert path.with_name("mine.py.runs").read_text() == "x"


def test_a_table_of_ours_that_it_imports_is_not_declared(tmp_path: Path) -> None:
    loaded(tmp_path, "from unveil.rl.rewards import REWARDS\nADVANTAGES = {'same': lambda rewards_QG: rewards_QG}\n")
    assert registry.loaded()[-1].keys() == {"name", "source", "sha256", "advantages"}


BINS = """from unveil.core.box_formats import BoxFormat
import re
ONE = re.compile(r"@\\d+,\\d+,\\d+,\\d+@")
BOX_FORMATS = [BoxFormat("at-100", lambda v: "@" + ",".join(str(round(n)) for n in v) + "@", ONE, ONE, 100.0)]
"""


def test_a_box_format_travels_to_another_process(tmp_path: Path) -> None:
    """Which has not heard of the file: workers that are spawned."""
    loaded(tmp_path, BINS)
    with (tmp_path / "packed").open("wb") as file:
        pickle.dump(BOX_FORMATS["at-100"], file)
    code = "import pickle, sys; print(pickle.load(open(sys.argv[1], 'rb')).write([1, 2, 30, 40]))"
    called = subprocess.run([sys.executable, "-c", code, str(tmp_path / "packed")], capture_output=True, text=True)
    assert called.stdout.strip() == "@1,2,30,40@", called.stderr


def test_endings_are_those_of_files_in_any_case(tmp_path: Path) -> None:
    loaded(
        tmp_path, HEAD + "FORMATS = [Format('marks', len, '', lambda f: f.files('.MARKS'), ('.MARKS', '.all.TXT'))]\n"
    )
    (tmp_path / "data").mkdir()
    (tmp_path / "data/a.Marks").write_text("")
    assert FORMATS["marks"].endings == (".marks", ".all.txt") and {".marks", ".txt"} <= digests.TEXTS
    assert FORMATS["marks"].evidence(Folder.of(tmp_path / "data", Options())) == " (a.Marks)"


# ----------------------------------------------------------------------------------------------------- what is wrong


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("x = 1\n", "mine.py declares none of FORMATS, BOX_FORMATS, FAMILIES, REWARDS, ADVANTAGES"),
        ("import nothing_here\n", r"cannot be imported: ModuleNotFoundError: .* \(mine.py, line 1\)"),
        ("def f()\n", r"cannot be imported: SyntaxError: .*\(mine.py, line 1\)"),
        ("REWARDS = 3\n", "mine.py: REWARDS holds no rows by name: 3"),
        ("REWARDS = {'a=b': len}\n", "REWARDS: 'a=b' is no name of letters"),
        ("REWARDS = {'form': len}\n", "mine.py: REWARDS: 'form' is a name of unveil itself, choose another one"),
        ("REWARDS = {'mine': 3}\n", "mine.py: REWARDS: 'mine': 3 is no function; a reward is `def reward"),
        ("REWARDS = {'mine': lambda: 1}\n", r"REWARDS: 'mine': its signature is \(\); a reward is"),
        (
            "REWARDS = {'length': len}\n",
            "mine.py: REWARDS: 'length': in a run this name, or one",
        ),
        ("ADVANTAGES = {'mine': lambda: 1}\n", r"ADVANTAGES: 'mine': its signature is \(\); an advantage is"),
        ("FORMATS = {'mine': 3}\n", "FORMATS: 'mine': a Format is needed, not 3"),
        (FORMAT.replace("READ", "lambda: []"), "FORMATS: 'marks': `read` is called with a folder: too many"),
        (HEAD + "FORMATS = {'a': Format('b', len, '', len, ())}\n", "FORMATS: 'a': its own name is 'b'"),
        (HEAD + "FORMATS = [Format('auto', len, '', len, ())]\n", "FORMATS: 'auto': auto is what --format has for"),
        (HEAD + "FORMATS = [Format('synthetic', len, '', len, ())]\n", "FORMATS: 'synthetic': synthetic is what --f"),
        (HEAD + "FORMATS = [Format('a', len, '', len, '.a')]\n", "its endings are a tuple of such as '.txt', not '.a'"),
        (HEAD + "FORMATS = [Format('a', len, '', len, ('a',))]\n", r"a tuple of such as '.txt', not \('a',\)"),
        ("FAMILIES = {'phi': 3}\n", "FAMILIES: 'phi': a Family is needed, not 3"),
        (
            "from unveil.vlm.families import Family\nFAMILIES = {'phi': Family('json')}\n",
            "FAMILIES: 'phi': box_format 'json' is none of json-pixels",
        ),
        (
            "from unveil.vlm.families import Family\nFAMILIES = {'phi': Family(shares='leaves')}\n",
            r"FAMILIES: 'phi': .shares: one of 'tree', 'fork', 'rows' is needed, not 'leaves'",
        ),
        (
            BINS.replace(", 100.0)", ", 50.0)").replace("round(n)", "round(n) * 2"),
            "BOX_FORMATS: 'at-100': the box .*read",
        ),
        (BINS.replace("for n in v", "for n in [v[4]]"), r"'at-100': IndexError\('list .*'\) \(mine.py, line 4\)"),
        (BINS.replace("round(n)", "int('?')"), r"'at-100': ValueError\(.*\) \(mine.py, line 4\)"),
        (BINS.replace("ONE, ONE", "'@', ONE"), "'at-100': pattern: a pattern of re.compile is needed, not '@'"),
        (BINS.replace("100.0)", "'100')"), r"mine.py: BOX_FORMATS: 'at-100': TypeError\("),
    ],
)
def test_it_is_told_with_the_file_and_what_to_do(body: str, why: str, tmp_path: Path) -> None:
    before = {table: list(rows) for table, rows in registry._registries.items()}
    with pytest.raises(PluginError, match=why) as told:
        loaded(tmp_path, body)
    assert len(str(told.value)) < 500
    assert {table: list(rows) for table, rows in registry._registries.items()} == before


def test_of_a_plugin_of_which_one_table_is_wrong_nothing_is_taken(tmp_path: Path) -> None:
    """Neither what it declares besides, nor may what it had declared before be gone."""
    loaded(tmp_path, "REWARDS = {'one': lambda answered: 1.0}\n")
    before = {table: list(rows) for table, rows in registry._registries.items()}
    rows = "from unveil.vlm.families import Family\nFAMILIES = {'phi': Family('unit')}\nREWARDS = {'two': len}\n"
    with pytest.raises(PluginError, match="ADVANTAGES: 'mine': 3 is no function"):
        loaded(tmp_path, f"{rows}ADVANTAGES = {{'mine': 3}}\n")
    assert {table: list(rows) for table, rows in registry._registries.items()} == before and "one" in REWARDS


@pytest.mark.parametrize(
    ("file", "why"), [("no.py", "--plugins no.py: no such file"), ("a.txt", "a.txt is no .py file")]
)
def test_what_is_no_file_is_told(
    file: str, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.txt").write_text("no Python")
    assert cli.main(["ingest", "--plugins", file, "--out", "out"]) == 1
    assert f"error: {why}" in capsys.readouterr().err


READERS = [
    ("lambda folder: None", "format marks gave None, not its records one after the other"),
    ("lambda folder: [3]", "format marks gave 3, not a Record, Rejected or Incomplete"),
    ("lambda folder: iter([folder.nothing])", r"format marks: AttributeError\(.*\) \(mine.py, line 2\)"),
    ("lambda folder: [folder.find('b.png')]", r"format marks: AnnotationError\(.*\) \(mine.py, line 2\)"),
]


@pytest.mark.parametrize(("reader", "why"), READERS)
def test_what_a_reader_does_not_catch_is_told_with_its_line(reader: str, why: str, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data/a.marks").write_text("")
    path = write(tmp_path, FORMAT.replace("READ", reader))
    with pytest.raises(IngestError, match=why):
        ingest.main(ingest.Config(data=tmp_path / "data", format="marks", out=tmp_path / "out", plugins=(path,)))


@pytest.mark.parametrize(
    ("found", "why"),
    [
        ("lambda folder: None", "format marks: `found` gave None, not a list of paths"),
        ("lambda folder: 'a.marks'", "format marks: `found` gave 'a.marks', not a list of paths"),
        ("lambda folder: ['a.marks']", "format marks: `found` gave 'a.marks', no Path below "),
        ("lambda folder: [Path('a.marks')]", r"format marks: `found` gave PosixPath\('a.marks'\), no Path below /"),
        ("lambda folder: (folder.nothing for _ in 'a')", r"format marks: AttributeError\(.*\) \(mine.py, line 3\)"),
    ],
)
def test_what_is_wrong_with_the_files_found_is_told(found: str, why: str, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data/a.marks").write_text("")
    body = FORMAT.replace("READ", "lambda folder: []").replace("lambda folder: folder.files('.marks')", found)
    path = write(tmp_path, f"from pathlib import Path\n{body}")
    with pytest.raises(IngestError, match=why):
        ingest.main(ingest.Config(data=tmp_path / "data", format="marks", out=tmp_path / "out", plugins=(path,)))


# -------------------------------------------------------------------------------------------------------- from packages


def installed(folder: Path, body: str) -> str:
    """A package that names a plugin, as pip would leave it in ``folder``, which is then on the path of Python."""
    write(folder, body, "theirs.py")
    about = folder / "theirs-1.5.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1.5\n")
    (about / "entry_points.txt").write_text("[unveil.plugins]\nmarks = theirs\n")
    return str(folder)


def helped(path: str, *words: str) -> tuple[str, str]:
    """What a command says to ``--help`` where a package is installed."""
    code = "import sys; sys.path.insert(0, sys.argv.pop(1)); from unveil.cli import main; sys.exit(main(sys.argv[1:]))"
    called = subprocess.run([sys.executable, "-c", code, path, *words], capture_output=True, text=True)
    return called.stdout, called.stderr


def test_a_format_of_an_installed_package_is_a_choice_like_ours(tmp_path: Path) -> None:
    path = installed(tmp_path, FORMAT.replace("READ", "lambda folder: []"))
    _, said = helped(path, "ingest", "--format", "bmp")
    assert "marks, synthetic is needed" in " ".join(said.split()) and "warning" not in said


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("1 / 0\n", "warning: the plugin marks of theirs 1.5 cannot be had: ZeroDivisionError"),
        (
            "REWARDS = 3\n",
            "warning: the plugin marks of theirs 1.5 cannot be had: marks: REWARDS holds no rows",
        ),
        (
            f"{HEAD}FORMATS = [Format('new', len, '', len, ()), Format('voc', len, '', len, ())]\n",
            "warning: the plugin marks of theirs 1.5 cannot be had: marks: FORMATS: 'voc' is a name of unveil itself,",
        ),
    ],
)
def test_an_installed_one_that_is_broken_is_left_out_with_a_warning(body: str, why: str, tmp_path: Path) -> None:
    path = installed(tmp_path, body)
    _, said = helped(path, "ingest", "--help")
    assert ", marks," not in helped(path, "ingest", "--format", "bmp")[1]
    assert " ".join(said.split()).startswith(why)


def test_the_line_told_is_the_module_s_own_and_none_of_what_lies_beside_it(tmp_path: Path) -> None:
    """A module that no package holds lies among all that is installed."""
    write(tmp_path, "def fails():\n    raise KeyError('deep')\n", "library.py")
    (tmp_path / "data").mkdir()
    (tmp_path / "data/a.marks").write_text("")
    body = "import library\n" + FORMAT.replace("READ", "lambda folder: iter([library.fails()])")
    words = ["--format", "marks", "--data", str(tmp_path / "data"), "--out", str(tmp_path / "out")]
    _, said = helped(installed(tmp_path, body), "ingest", *words)
    assert "format marks: KeyError('deep') (theirs.py, line 3)" in " ".join(said.split())


def test_run_json_has_no_names_that_were_left_out(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    """A table that is made later and has that name itself."""
    module = plugins.module_of(write(tmp_path, "REWARDS = {'short': lambda answered: 1.0}\n"))
    registry._add(registry.Plugin("mine", "mine of theirs 1.5", "0", module, asked=False))
    before = registry.loaded()[-1]
    registry.Registry("REWARDS", {"short": 1}, lambda name, row: 2)
    after, registry._registries["REWARDS"] = registry.loaded()[-1], REWARDS
    assert before == after | {"rewards": ["short"]} and "rewards" not in after
    assert "warning: mine: REWARDS: 'short' is a name of unveil itself" in capsys.readouterr().err


# ------------------------------------------------------------------------------------------------------ the page's file


def block(beginning: str) -> str:
    """The page's block that begins so."""
    page = next((ROOT / "docs").rglob("plugins.md")).read_text()
    found = re.findall(r"^```\w*\n(.*?)^```$", page, re.M | re.S)
    return next(text for text in found if text.startswith(beginning))


def test_the_file_of_the_page_does_what_the_page_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its format, its family, its reward and its advantage, by the page's own commands; run.json knows the file."""
    monkeypatch.chdir(tmp_path)
    write(tmp_path, block('"""What'), "clinic.py")
    (tmp_path / "scans").mkdir()
    for i in range(8):
        Image.new("L", (64, 48), 20 * i).save(tmp_path / f"scans/{i}.png")
        (tmp_path / f"scans/{i}.marks").write_text(f"nodule {i} 8 {30 + i} 40\n" * (i % 3) + "cyst 2 2 9\n" * (i == 7))
    saved("no_features", tmp_path / "deepseek")
    small = ["--answers", "2", "--max-new-tokens", "4", "--validate-every", "0", "--limit", "2", "--most-unusable", "1"]
    shown = block("$ unveil ingest").replace("\\\n", " ").replace("$ ", "")
    read, ask, train = (line.split() for line in shown.splitlines())
    assert cli.main(read[1:]) == 0
    rejected = [json.loads(line) for line in (tmp_path / "data/rejected.jsonl").read_text().splitlines()]
    assert [(row["file"], row["row"]) for row in rejected] == [("7.marks", 2)]
    assert cli.main(["check", "--records", "data/records.jsonl", "--resplit", "dealt.jsonl"]) in (0, 1)
    ask[ask.index("--records") + 1] = train[train.index("--records") + 1] = "dealt.jsonl"
    assert cli.main(ask[1:]) == 0
    assert cli.main([*train[1:], *small]) == 0
    about = json.loads((tmp_path / "rewarded/run.json").read_text())
    assert [(one["name"], one["source"]) for one in about["plugins"]] == [("clinic.py", str(tmp_path / "clinic.py"))]
    assert about["plugins"][0]["formats"] == ["marks"] and about["plugins"][0]["families"] == ["deepseek_vl_hybrid"]
    assert about["inputs"]["clinic.py"] == about["plugins"][0]["sha256"]
    assert FAMILIES["deepseek_vl_hybrid"].box_format == "json-1000"
    log = json.loads((tmp_path / "rewarded/metrics.jsonl").read_text().splitlines()[0])
    assert {"short", "localisation"} <= log.keys()


def test_a_changed_plugin_is_another_input(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    """The same command again does nothing; after a change it refuses, and names the file."""
    (tmp_path / "data").mkdir()
    Image.new("L", (8, 8)).save(tmp_path / "data/a.png")
    (tmp_path / "data/a.marks").write_text("")
    body = FORMAT.replace("READ", "read") + "\n"
    reader = (
        "def read(folder):\n    image = folder.open(folder.find('a.png'))\n"
        "    yield folder.record(image, [], 'exhaustive', False)\n"
    )
    path = write(tmp_path, reader + body)
    words = ["ingest", "--plugins", str(path), "--format", "marks", "--data", str(tmp_path / "data")]
    words += ["--out", str(tmp_path / "out")]
    assert cli.main(words) == 0 and cli.main(words) == 0
    assert "is there already" in capsys.readouterr().err
    write(tmp_path, reader + body + "# changed\n")
    assert cli.main(words) == 1
    assert "mine.pychangedsince" in "".join(capsys.readouterr().err.split())


def test_a_plugin_that_has_moved_is_named_beside_the_saved_configuration(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    """Which knows where it lay then; without a word about it both options are named."""
    config = {"format": "marks", "out": "out", "plugins": [str(tmp_path / "gone.py")]}
    (tmp_path / "run.json").write_text(json.dumps({"command": "ingest", "config": config}))
    words = ["ingest", "--config", str(tmp_path / "run.json")]
    assert cli.main(words) == 1
    gone = f"its plugin: there is no file {tmp_path / 'gone.py'}\n--plugins FILE.py besides takes its place"
    assert f"error: --config {tmp_path / 'run.json'}: {gone}\n" == capsys.readouterr().err
    path = write(tmp_path, FORMAT.replace("READ", "lambda folder: []"))
    _, found = cli.parse([*words, "--plugins", str(path)])
    assert (found.plugins, found.format) == ((path,), "marks")


def test_what_a_format_reads_counts_by_its_content(tmp_path: Path) -> None:
    """Not by its size alone, as images do."""
    loaded(tmp_path, FORMAT.replace("READ", "lambda folder: []"))
    (tmp_path / "data").mkdir()
    found = set()
    for text in ("nodule", "oedema"):
        (tmp_path / "data/a.marks").write_text(text)
        found.add(digests.digest(tmp_path / "data"))
    assert len(found) == 2
