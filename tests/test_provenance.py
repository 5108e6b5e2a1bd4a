"""What stands beside an output: by it a command knows what is there already, and writes over nothing unasked."""

from __future__ import annotations

import json
import os
import signal
import time
from dataclasses import dataclass, field, make_dataclass, replace
from pathlib import Path

import pytest

from tests.helpers.forks import started
from unveil.core import digests, provenance
from unveil.core.digests import digest
from unveil.core.provenance import OutputError, output
from unveil.curate import noise
from unveil.curate.candidates import read_by
from unveil.rl import grpo, run


@dataclass(frozen=True)
class Asked:
    """Options within options."""

    expert: str = "rules"
    concurrency: int = 8


@dataclass(frozen=True)
class Config:
    """A command's options."""

    read: Path
    out: Path
    epochs: float = 1.0
    names: tuple[str, ...] = ()
    restart: bool = False
    workers: int = 0
    asked: Asked = field(default_factory=Asked)


@pytest.fixture
def config(tmp_path: Path) -> Config:
    (tmp_path / "records.jsonl").write_text("records")
    return Config(tmp_path / "records.jsonl", tmp_path / "made" / "out.jsonl")


def make(config: Config, text: str = "made", command: str = "curate", derived: bool = False) -> bool:
    """Whether there was anything to do."""
    with output(config.out, command, config, [config.read], derived=derived) as made:
        if made is None:
            return False
        config.out.write_text(text)
        made.write(kept=3)
    return True


def left(config: Config) -> set[str]:
    return {p.name for p in config.out.parent.iterdir()}


def test_an_output_is_made_once(config: Config, capsys: pytest.CaptureFixture[str]) -> None:
    assert make(config) and not make(config, "again")
    assert config.out.read_text() == "made" and "is there already" in " ".join(capsys.readouterr().err.split())
    about = json.loads((config.out.parent / "out.jsonl.run.json").read_text())
    assert about["kept"] == 3 and about["config"]["epochs"] == 1.0 and about["finished"] and "seconds" in about
    assert about["inputs"] == {str(config.read): digests.sha256(config.read)}
    assert left(config) == {"out.jsonl", "out.jsonl.run.json"}


def test_other_settings_are_refused_by_their_names(config: Config) -> None:
    make(config)
    other = replace(config, epochs=2.0, names=("a", "b"), asked=Asked("local:x"))
    words = (
        r"out.jsonl was made with other settings \(epochs 1 -> 2; names none -> a,b; asked.expert rules -> local:x\)"
    )
    with pytest.raises(OutputError, match=words + ": --restart writes over it, or name another output"):
        make(other, "other")
    assert config.out.read_text() == "made" and not make(config)
    assert make(replace(other, restart=True), "other") and config.out.read_text() == "other"
    assert not make(other)


def test_what_changes_nothing_of_the_output_is_no_other_setting(config: Config) -> None:
    make(config)
    assert not make(replace(config, workers=4, asked=Asked(concurrency=1)))


def test_a_changed_input_is_refused(config: Config) -> None:
    make(config)
    config.read.write_text("more")
    with pytest.raises(OutputError, match=r"other settings \(read changed since\)"):
        make(config)
    assert make(config, "new", derived=True) is True, "what is derived follows its inputs"


def test_the_same_content_at_another_path_is_the_same_input(config: Config, tmp_path: Path) -> None:
    make(config)
    (tmp_path / "copy.jsonl").write_text("records")
    assert not make(replace(config, read=tmp_path / "copy.jsonl"))
    (tmp_path / "copy.jsonl").write_text("others")
    with pytest.raises(OutputError, match=r"read .*records.jsonl -> .*copy.jsonl"):
        make(replace(config, read=tmp_path / "copy.jsonl"))


def test_an_input_that_no_option_names(config: Config, tmp_path: Path) -> None:
    (tmp_path / "other").write_text("1")
    with output(config.out, "predict", config, [config.read, tmp_path / "other"]) as made:
        assert made
        config.out.write_text("x")
        made.write()
    (tmp_path / "other").write_text("2")
    again = output(config.out, "predict", config, [config.read, tmp_path / "other"])
    with pytest.raises(OutputError, match=r"other changed since"), again:
        pass


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """As it is downloaded, merged, or left by another program: nothing tells how it was made."""
    folder = tmp_path / "mine"
    folder.mkdir()
    for name in ("config.json", "tokenizer.json", "chat_template.jinja", "model.safetensors"):
        (folder / name).write_text(f'{{"of": "{name}"}}')
    return folder


def predicted(config: Config, model: object) -> bool:
    """Whether there was anything to do."""
    asked = {"model": str(model), "out": config.out}
    made_by = make_dataclass("Predict", asked, namespace={"restart": False})(**asked)
    with output(config.out, "predict", made_by, [config.read, *digests.of_model(str(model))]) as made:
        if made:
            config.out.write_text("answers")
            made.write()
        return made is not None


@pytest.mark.parametrize("part", ["config.json", "tokenizer.json", "chat_template.jinja", "model.safetensors"])
def test_a_local_model_is_an_input_by_what_it_consists_of(part: str, config: Config, model: Path) -> None:
    assert predicted(config, model) and not predicted(config, model)
    left = ("predictions.jsonl", "predictions.jsonl.reference-1a.safetensors", "score.json", "score.json.run.json")
    for made in (*left, "run.json", ".begun.json"):
        (model / made).write_text("{}")
    assert not predicted(config, model), "what commands leave beside it is none of it"
    (model / part).write_text('{"of": "another"}')
    with pytest.raises(OutputError, match=r"other settings \(model changed since\)"):
        predicted(config, model)


def test_a_local_model_is_the_same_however_it_is_spelled(
    config: Config, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(model.parent))
    assert predicted(config, "~/mine") and not predicted(config, f"{model}/")
    (model / "model.safetensors").write_text("trained on")
    with pytest.raises(OutputError, match="model changed since"):
        predicted(config, "~/mine")


def test_the_model_under_an_adapter_counts(config: Config, model: Path, tmp_path: Path) -> None:
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    (adapter / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": str(model)}))
    assert predicted(config, adapter) and not predicted(config, adapter)
    (model / "model.safetensors").write_text("trained on")
    with pytest.raises(OutputError, match="model changed since"):
        predicted(config, adapter)


def test_a_model_of_the_hub_is_no_input() -> None:
    assert digests.of_model("someone/a-model") == [] == digests.of_model("")


def test_what_nothing_is_known_of_is_not_written_over(config: Config) -> None:
    config.out.parent.mkdir()
    config.out.write_text("mine")
    with pytest.raises(OutputError, match=r"already, and no out\.jsonl\.run\.json says what made it: --restart"):
        make(config)
    assert config.out.read_text() == "mine"
    (config.out.parent / "out.jsonl.run.json").write_text('{"of": "another program"}')
    with pytest.raises(OutputError, match="says what made it"):
        make(config)
    assert make(replace(config, restart=True))


def test_another_command_is_refused(config: Config) -> None:
    make(config)
    with pytest.raises(OutputError, match="command curate -> predict"):
        make(config, command="predict")


def test_an_output_that_is_also_read(config: Config) -> None:
    with pytest.raises(OutputError, match="is what is read: name another output"):
        make(replace(config, out=config.read, restart=True))
    assert config.read.read_text() == "records"


def test_a_failure_leaves_everything_as_it_was(config: Config) -> None:
    with pytest.raises(KeyError), output(config.out, "curate", config, [config.read]):
        raise KeyError
    assert not config.out.parent.exists()
    make(config)
    again = replace(config, epochs=2.0, restart=True)
    with pytest.raises(KeyError), output(config.out, "curate", again, [config.read]):
        raise KeyError
    assert not make(config), "the old output is still known by its settings"


def killed(config: Config) -> None:
    """A command that is killed when its output is half there."""
    with output(config.out, "curate", config, [config.read]):
        config.out.write_text("half")
        os.kill(os.getpid(), signal.SIGKILL)


def held(config: Config) -> None:
    """A command that says that it has begun, and does not end."""
    with output(config.out, "curate", config, [config.read]):
        print("held", flush=True)
        time.sleep(600)


def test_a_killed_command_goes_on_and_another_is_refused(config: Config, tmp_path: Path) -> None:
    """It was killed between its output and its run.json."""
    process = started(killed, config, said=tmp_path / "said")
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert left(config) == {"out.jsonl", ".out.jsonl.begun.json", ".out.jsonl.lock"}
    with pytest.raises(OutputError, match=r"was begun with other settings \(epochs 1 -> 2\)"):
        make(replace(config, epochs=2.0))
    assert make(config) and config.out.read_text() == "made"
    assert left(config) == {"out.jsonl", "out.jsonl.run.json"}


def test_a_killed_command_that_was_to_write_over_another(config: Config, tmp_path: Path) -> None:
    """Whose output lies there nobody knows: the one who made it before is not believed."""
    make(config)
    process = started(killed, replace(config, epochs=2.0, restart=True), said=tmp_path / "said")
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert (config.out.parent / "out.jsonl.run.json").is_file() and config.out.read_text() == "half"
    with pytest.raises(OutputError, match=r"was begun with other settings \(epochs 2 -> 1\)"):
        make(config)
    assert not provenance.is_current(config.out, "curate", config, [config.read])
    assert make(replace(config, epochs=2.0))


def test_two_processes_do_not_make_the_same(config: Config, tmp_path: Path) -> None:
    """The second is told who the first is; when that is killed nothing is in the way."""
    first, said = started(held, config, said=tmp_path / "said"), tmp_path / "said"
    while not (said.is_file() and said.read_text() == "held\n"):
        assert first.is_alive(), said.read_text()
        time.sleep(0.01)
    with pytest.raises(OutputError, match=rf"out.jsonl is being made by process {first.pid} on .+: wait for it"):
        make(config)
    with pytest.raises(OutputError, match="is being made by"):
        make(replace(config, restart=True))
    assert make(replace(config, out=config.out.with_name("other.jsonl"))), "another output is free"
    first.kill()
    first.join()
    assert make(config)


def test_processes_that_work_together_share_an_output(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first one holds the lock and writes; the others neither."""
    with output(config.out, "curate", config, [config.read]):
        monkeypatch.setenv("RANK", "1")
        with output(config.out, "curate", config, [config.read]) as other:
            assert other is not None
        assert ".out.jsonl.begun.json" in left(config)


def test_a_folder_is_known_by_what_is_made_in_it(config: Config, tmp_path: Path) -> None:
    """What else lies there is in nobody's way."""
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "pairs.jsonl").write_text("")
    (folder / "weights.12-ab.partial").write_text("half, by a killed process")
    for there in (False, True):
        with output(folder, "train", config, [config.read], ("weights",)) as made:
            assert (made is None) == there
            if made:
                (folder / "weights").write_text("w")
                made.write()
    assert {p.name for p in folder.iterdir()} == {"pairs.jsonl", "weights", "run.json"}
    (folder / "weights").unlink()
    with output(folder, "train", config, [config.read], ("weights",)) as made:
        assert made, "it is made again where it is gone"


def test_the_digest_of_a_folder(tmp_path: Path) -> None:
    """Names, sizes and what annotates; not what was made there by a command, nor hidden files."""
    data = tmp_path / "data"
    (data / "a").mkdir(parents=True)
    (data / "a" / "labels.csv").write_text("a,1\n")
    (data / "a" / "x.png").write_bytes(b"123")
    first = digest(data)
    (data / "out").mkdir()
    for made in ("out/run.json", "out/records.jsonl", "d.jsonl", "d.jsonl.run.json", ".d.jsonl.lock"):
        (data / made).write_text('{"command": "ingest", "config": {}, "inputs": {}}')
    (data / "a" / "again").symlink_to(data)
    os.mkfifo(data / "a" / ".pipe")
    assert digest(data) == first
    (data / "a" / "labels.csv").write_text("a,2\n")
    second = digest(data)
    assert second != first, "the same size, another label"
    (data / "a" / "x.png").write_bytes(b"1234")
    assert digest(data) not in (first, second)
    os.mkfifo(data / "a" / "x.csv")
    third = digest(data)
    assert digest(tmp_path / "nowhere") == "missing"
    (data / "out" / "run.json").write_text('{"of": "another program"}')
    assert digest(data) != third == digest(data, data / "out")


def test_the_inputs_of_a_stage_are_looked_at_once(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[Path] = []
    monkeypatch.setattr(digests, "digest", lambda path, out: looked.append(path) or "same")
    provenance.stage("curate", config, [config.read], make)
    assert looked == [config.read] and json.loads(provenance._run_file(config.out, False).read_text())["inputs"]
    make(config)
    assert looked == [config.read] * 2, "each call by itself looks anew"


def test_a_stage_that_is_there_is_kept_also_where_a_job_begins_anew(config: Config) -> None:
    calls: list[int] = []
    make(config)
    for asked in (config, replace(config, restart=True), replace(config, restart=True, epochs=2.0)):
        provenance.stage("curate", asked, [asked.read], lambda _: calls.append(1))
    assert calls == [1]


def test_functions_of_a_users_own_are_inputs_by_their_files(config: Config, tmp_path: Path) -> None:
    """What they do may change, although their names stay."""
    own = tmp_path / "own.py"
    own.write_text("def where(record, image): ...")
    asked = noise.Config(records=config.read, dialogues=config.read, out=config.out, map=f"{own}:where")
    assert own in read_by(asked) and own not in read_by(replace(asked, map="annotations"))
    learning = grpo.Config(
        records=config.read, dialogues=config.read, out=tmp_path / "m", rewards=("form", f"{own}:where=2")
    )
    with run.output(learning, run.Invocation("train grpo", learning)) as made:
        assert made and made.inputs[str(own)] == digests.sha256(own)


def test_what_would_be_refused_is_known_before_anything_is_made(config: Config) -> None:
    """As ``output`` refuses it, and nothing is made by looking."""

    def refuse(config: Config, *inputs: Path) -> None:
        provenance.refuse(config.out, "curate", config, [config.read, *inputs])

    refuse(config)
    assert not config.out.parent.exists()
    make(config)
    before = left(config)
    refuse(config)
    refuse(replace(config, epochs=2.0, restart=True))
    with pytest.raises(OutputError, match="epochs 1 -> 2"):
        refuse(replace(config, epochs=2.0))
    with pytest.raises(OutputError, match="is what is read"):
        refuse(config, config.out)
    assert left(config) == before


@dataclass(frozen=True)
class Plugged(Config):
    plugins: tuple[Path, ...] = ()


def test_a_plugin_is_an_input_whoever_looks(config: Config) -> None:
    (mine := config.read.with_name("mine.py")).write_text("x = 1")
    given = Plugged(config.read, config.out, plugins=(mine,))
    asked = given.out, "curate", given, [given.read]
    assert make(given) and provenance.is_current(*asked)
    provenance.refuse(*asked)
    mine.write_text("x = 22")
    assert not provenance.is_current(*asked)
    with pytest.raises(OutputError, match=r"mine\.py changed since"):
        provenance.refuse(*asked)
