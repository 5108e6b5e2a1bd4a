"""Runs whose answers a server draws: its weights are renewed, and all that goes wrong stops at a checkpoint."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.conftest import write_both
from tests.helpers.drawing import Vllm, drawing
from tests.helpers.rollouts import answers
from tests.helpers.serving import serve
from tests.test_rl_run import lines
from unveil.rl import aar, grpo, policy
from unveil.rl import grpo as recipe
from unveil.rl.options import GenerateOptions
from unveil.rl.own_rewards import RESERVED
from unveil.rl.rewards import REWARDS
from unveil.testing.models import fresh, loaded
from unveil.train import adapters, sft
from unveil.train.loop import TrainingError
from unveil.vlm import models
from unveil.vlm.models import Loaded


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Records and dialogues of synthetic images, two of which are trained on."""
    return write_both(tmp_path_factory.mktemp("data"), 5)


@pytest.fixture
def vllm() -> Iterator[Vllm]:
    """A server that has the model as it is before training."""
    with drawing(models={"base": loaded("llava_siglip")}) as running:
        yield running


def learning(data: Path, out: Path, vllm: Vllm, folder: Path, weights: str, **more: Any) -> grpo.Config:
    """Two updates on four questions, two a pass. A random model earns nothing: entropy's bonus moves its weights."""
    own = {
        name: more.pop(name) for name in ("server", "kind", "every", "logprobs", "retries", "dry_run") if name in more
    }
    usual: dict[str, Any] = {"server": vllm.address, "weights": weights, "model": "base", "retries": 1}
    served = GenerateOptions(**usual | own)
    usual = {
        "batch_size": 2, "answers": 3, "max_new_tokens": 12, "limit": 4, "validate_every": 0, "samples_every": 0,
        "learning_rate": 1e-3, "workers": 0, "most_unusable": 1.0, "most_growth": 99.0, "least_entropy": 0.0,
        "rewards": ("similarity",), "combination": "sum", "checkpoint_every": 0,
        "entropy": 1.0, "warmup": 0.0,
    }  # fmt: skip
    return grpo.Config(
        records=data / "records.jsonl", dialogues=data / "dialogues.jsonl", out=out, model=str(folder),
        generate=served, **usual | more,
    )  # fmt: skip


def figures(out: Path, name: str) -> list[float]:
    return [row[name] for row in lines(out) if name in row]


@pytest.mark.parametrize(
    ("weights", "method"), [("folder", "full"), ("folder", "lora"), ("vllm-lora", "lora")], ids=str
)
def test_a_run_renews_the_servers_weights(
    weights: str, method: str, data: Path, tiny_folder: Path, tmp_path: Path, vllm: Vllm
) -> None:
    """Two updates: the server draws with the weights of each, so mismatch stays at rounding.

    There is never more than one folder, and none when the run has ended. All that arrived, requests about adapters
    too, stands in the manifest: names of the headers, and bodies by their hashes.
    """
    kept: list[list[str]] = []
    vllm.harm = lambda n, reply: (
        kept.append(sorted(p.name for p in (tmp_path / "out" / "served").glob("step-*"))) or reply
    )
    grpo.main(learning(data, tmp_path / "out", vllm, tiny_folder, weights, method=method, learning_rate=1e-2))
    assert len(figures(tmp_path / "out", "mismatch")) == 2 and max(figures(tmp_path / "out", "mismatch")) < 1e-4
    assert figures(tmp_path / "out", "importance_cut") == figures(tmp_path / "out", "importance_none") == [0.0, 0.0]
    assert figures(tmp_path / "out", "refused") == [0.0, 0.0]
    names = ["step-0000000", "step-0000001"]
    assert kept == [names[:1]] * 2 + [names[1:]] * 2
    first, second = vllm.asked
    if weights == "folder":
        assert [first, second] == names
    else:
        start = first.split("-")[1]
        assert [first, second] == [f"base-{start}-{name}" for name in names] and re.fullmatch("[0-9a-f]{8}", start)
    loads = [(name, body["lora_name"]) for name, body in vllm.calls]
    expected = [("load_lora_adapter", first), ("unload_lora_adapter", first), ("load_lora_adapter", second)]
    assert loads == ([] if weights == "folder" else expected)
    told = next(row for row in lines(tmp_path / "out") if "reward" in row)
    assert "importance_cut" in told and {name for name in told if not name.startswith(tuple(REWARDS))} <= RESERVED
    assert not (tmp_path / "out" / "served").exists()
    session, *requests = map(json.loads, (tmp_path / "out" / "manifest.jsonl").read_text().splitlines())
    assert session["kind"] == "session" and {r["session"] for r in requests} == {session["session"]}
    came = [hashlib.sha256(body).hexdigest() for _, body in vllm.received]
    assert sorted(came) == sorted(r["body_sha256"] for r in requests) and len(came) == 4 + len(loads)
    assert all(names == session["headers"] for names, _ in vllm.received)


def test_handing_over_only_reads(tiny_folder: Path, tmp_path: Path) -> None:
    """An adapter that is not 0 any more: the weights in training stay, bit for bit; the folder has it added to them."""
    copy = fresh("llava_siglip")
    given = sft.Config(dialogues=tmp_path, out=tmp_path, model=str(tiny_folder), method="lora", train_projector=False)
    policy = adapters.prepare(copy.model, given)
    for name, value in policy.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(value, std=0.1)
    before = {name: value.clone() for name, value in policy.state_dict().items()}
    adapters.hand_over(policy, copy.chat, given, tmp_path / "policy", True)
    assert all(torch.equal(before[name], value) for name, value in policy.state_dict().items())
    handed, whole = models.load(tmp_path / "policy").model.state_dict(), policy.merge_and_unload().state_dict()
    assert handed.keys() == whole.keys()
    torch.testing.assert_close(handed, dict(whole), atol=1e-6, rtol=1e-6)


def test_only_every_other_update_renews(data: Path, tiny_folder: Path, tmp_path: Path, vllm: Vllm) -> None:
    """Four updates, renewal every two: the second and fourth learn from answers of weights one update old."""
    given = learning(data, tmp_path / "out", vllm, tiny_folder, "folder", every=2, epochs=2.0, learning_rate=1e-2)
    grpo.main(given)
    assert vllm.asked == ["step-0000000", "step-0000002"]
    off = figures(tmp_path / "out", "mismatch")
    assert max(off[0], off[2]) < 1e-4 < 1e-3 < min(off[1], off[3])


@pytest.mark.parametrize("temperature", [0.5, 1.5])
def test_log_probabilities_before_temperature_are_refused(
    temperature: float, data: Path, tiny_folder: Path, tmp_path: Path, vllm: Vllm
) -> None:
    """vLLM's usual ones: by the first answers they are those at temperature 1. Those at its own are taken."""
    options = partial(learning, data, vllm=vllm, folder=tiny_folder, weights="never", temperature=temperature)
    grpo.main(options(out=tmp_path / "out"))
    assert max(figures(tmp_path / "out", "mismatch")[:1]) < 1e-4
    vllm.raw = True
    with pytest.raises(TrainingError, match=rf"not those at --temperature {temperature}: .*processed_logprobs"):
        grpo.main(options(out=tmp_path / "raw"))
    assert not figures(tmp_path / "raw", "reward"), "nothing was learnt"
    grpo.main(replace(options(out=tmp_path / "one"), temperature=1.0))


def test_stale_weights_show_and_are_corrected(
    data: Path, tiny_folder: Path, tmp_path: Path, vllm: Vllm, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that keeps its weights: no mismatch in the first update, some after it, weights other than 1."""
    seen: list[Tensor] = []
    real = policy.policy_loss
    monkeypatch.setattr(recipe, "policy_loss", lambda s, held, **a: seen.append(held.weights_S) or real(s, held, **a))
    given = learning(data, tmp_path / "out", vllm, tiny_folder, "never", epochs=2.0, learning_rate=1e-2)
    recipe.main(given)
    off = figures(tmp_path / "out", "mismatch")
    assert vllm.asked == ["base"] and off[0] < 1e-4 and min(off[1:]) > 1e-3
    assert float((seen[0] - 1).abs().max()) < 1e-3 < float((seen[-1] - 1).abs().max())
    assert all(float(w.max()) <= 2.0 for w in seen)


def test_without_log_probabilities_it_is_said(
    data: Path, tiny_folder: Path, tmp_path: Path, vllm: Vllm, capsys: pytest.CaptureFixture[str]
) -> None:
    """No mismatch can be told, none of the tokens is corrected, and both screen and log say so."""
    grpo.main(learning(data, tmp_path / "out", vllm, tiny_folder, "folder", logprobs="none"))
    assert "nothing corrects for what differs" in " ".join(capsys.readouterr().err.split())
    assert not figures(tmp_path / "out", "mismatch") and not figures(tmp_path / "out", "importance_cut")
    assert figures(tmp_path / "out", "importance_none") == [1.0, 1.0]


def test_a_server_that_is_down_stops_at_a_checkpoint(data: Path, tiny_folder: Path, tmp_path: Path, vllm: Vllm) -> None:
    """Down from the second update on: what was learnt is kept, and the run goes on from there once it is up again."""
    given = learning(data, tmp_path / "out", vllm, tiny_folder, "folder", retries=0)
    vllm.harm = lambda n, reply: 503 if n >= 2 else reply
    with pytest.raises(
        TrainingError, match=r"refuses with 503.*; the same command \(train: --resume\) goes on from step-0000001"
    ):
        grpo.main(given)
    vllm.harm = lambda n, reply: reply
    elsewhere = replace(given.generate, server=vllm.address.replace("127.0.0.1", "localhost"), retries=3)
    grpo.main(replace(given, resume=True, generate=elsewhere))
    assert [row["step"] for row in lines(tmp_path / "out") if "reward" in row] == [1, 2]


def test_an_adapter_that_the_server_cannot_load_stops_the_run(
    data: Path, tiny_folder: Path, tmp_path: Path, vllm: Vllm, capsys: pytest.CaptureFixture[str]
) -> None:
    """One that is gone already is only noted; a server that loads none (404, where vLLM does not allow it) is not."""
    given = learning(data, tmp_path / "out", vllm, tiny_folder, "vllm-lora", method="lora", retries=0)
    vllm.harm = lambda n, reply: vllm.models.clear() or reply if n == 1 else reply
    grpo.main(given)
    said = " ".join(capsys.readouterr().err.split())
    assert re.search(r"the server did not drop the adapter base-\w{8}-step-0000000", said)
    vllm.fixed = True
    with pytest.raises(
        TrainingError,
        match=r"the adapter .*step-0000000: .* refuses with 404.*; the same command \(train: --resume\) goes on",
    ):
        grpo.main(replace(given, out=tmp_path / "again"))


def test_two_runs_never_name_an_adapter_alike(data: Path, tiny_folder: Path, tmp_path: Path, vllm: Vllm) -> None:
    """Neither another run of the same steps nor one that goes on: the server caches what it computed by that name."""
    given = learning(data, tmp_path / "out", vllm, tiny_folder, "vllm-lora", method="lora")
    grpo.main(given)
    grpo.main(replace(given, out=tmp_path / "again"))
    loaded = [body["lora_name"] for name, body in vllm.calls if name == "load_lora_adapter"]
    assert len(loaded) == len(set(loaded)) == 4


def test_a_dry_run_keeps_out_of_a_run_that_is_there(data: Path, tiny_folder: Path, tmp_path: Path, vllm: Vllm) -> None:
    given = learning(data, tmp_path / "out", vllm, tiny_folder, "folder", dry_run=True)
    given.out.mkdir(exist_ok=True)
    (given.out / "metrics.jsonl").write_text("{}\n")
    with pytest.raises(TrainingError, match="holds a run already"):
        grpo.main(given)
    assert (given.out / "metrics.jsonl").read_text() == "{}\n"


def test_an_adapter_needs_a_run_that_trains_one(data: Path, tiny_folder: Path, tmp_path: Path, vllm: Vllm) -> None:
    with pytest.raises(TrainingError, match="take --method lora"):
        grpo.main(learning(data, tmp_path / "out", vllm, tiny_folder, "vllm-lora", method="full"))


def test_ppo_and_the_papers_command_take_a_server(data: Path, tiny_folder: Path, tmp_path: Path, vllm: Vllm) -> None:
    """By the command line's own classes: the options go through to the recipe."""
    given = vars(learning(data, tmp_path / "out", vllm, tiny_folder, "never"))
    del given["advantage"]
    aar.main(aar.Config(**given | {"algorithm": "ppo", "rewards": ("localisation", "relevance")}))
    assert max(figures(tmp_path / "out", "mismatch")[:1]) < 1e-4 and "value_loss" in lines(tmp_path / "out")[0]
    assert json.loads((tmp_path / "out" / "run.json").read_text())["config"]["generate"]["model"] == "base"


@pytest.mark.xdist_group("endpoint")
def test_transformers_serve(data: Path, tiny_folder: Path, tmp_path: Path, vllm: Vllm, tiny: Loaded) -> None:
    """The real server: asked for a folder by its path it samples answers that differ; what they were drawn with is not
    known. A run hands it a merged model for each update, which it loads."""
    pytest.importorskip("fastapi", reason="no server: pip install unveil[serving]")
    with serve(None, tmp_path) as port:
        told: dict[str, Any] = {"server": f"http://127.0.0.1:{port}/v1", "kind": "transformers", "logprobs": "none"}
        drawn = answers(vllm, tiny, tmp_path, model=str(tiny_folder), **told)
        grpo.main(learning(data, tmp_path / "run", vllm, tiny_folder, "folder", method="lora", **told))
        log = (tmp_path / "server.log").read_text()
    assert [d.question for d in drawn] == [0, 0, 0, 1, 1, 1] and len({tuple(d.ids) for d in drawn}) > 3
    assert all(math.isnan(p) for d in drawn for p in d.logps)
    assert figures(tmp_path / "run", "importance_none") == [1.0, 1.0]
    assert all(f"Loading {tmp_path}/run/served/step-000000{n}" in log for n in (0, 1))
