"""A trained model as others read it: what stands in the folder, what of it is refused, what its card says."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import yaml
from huggingface_hub import HfApi
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file

from tests.helpers.finished import finished
from tests.helpers.serving import free_port
from unveil.cli import main as unveil
from unveil.core.access import AccessError
from unveil.core.jsonl import read_jsonl, write_jsonl
from unveil.core.provenance import OutputError
from unveil.core.records import Record, RecordError, Split
from unveil.export import llama_cpp, model, prompts, push
from unveil.export.output import ExportError
from unveil.testing.models import fresh, saved
from unveil.vlm import imports, models
from unveil.vlm.families import ModelError


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return finished(tmp_path_factory.mktemp("run"))


def config(run: Path, out: Path, **more: Any) -> model.Config:
    given: dict[str, Any] = {"run": run, "for_": "vllm", "out": out}
    return model.Config(**given | more)


def test_a_run_is_exported(run: Path, tmp_path: Path) -> None:
    """By its command: the whole model with its processor, how it was asked, and a card; it answers as before."""
    assert unveil(["export", "model", str(run), "--for", "vllm", "--out", str(tmp_path / "out")]) == 0
    out = tmp_path / "out"
    again = models.load(out, device="cpu")
    assert again.fingerprint == models.load(run / "sft", device="cpu").fingerprint
    assert "vision_tower.vision_model.post_layernorm.bias" in load_file(out / "model.safetensors")
    told = json.loads((out / "generation_config.json").read_text())
    assert told["do_sample"] is False and told["max_new_tokens"] == 12 and told["eos_token_id"] == [1]
    assert again.model.config.image_token_id in told["suppress_tokens"]
    told_of = json.loads((out / "prompts.json").read_text())
    assert list(told_of["questions"]) == ["diagnosis"] and told_of["box_format"] == "bins-64"
    asked = json.loads((out / "request.json").read_text())
    assert asked["messages"][-1]["content"][1]["text"] == told_of["questions"]["diagnosis"]
    assert asked["temperature"] == 0 and str(again.model.config.image_token_id) in asked["logit_bias"]
    assert told_of["example"]["written"] == "<b21><b21><b42><b42>", "100 / 300 x 64 = 21.3, 200 / 300 x 64 = 42.7"
    assert again.chat.profile.hint is False and (tmp_path / "out.run.json").is_file()
    assert not [path for path in out.iterdir() if path.suffix in (".json", ".md") and str(run) in path.read_text()]


def test_the_card_says_what_is_known(run: Path, tmp_path: Path) -> None:
    card = (model.main(config(run, tmp_path / "out")) / "README.md").read_text()
    _, top, body = card.split("---\n", 2)
    values = yaml.safe_load(top)
    assert values["base_model"] == "acme/base-2b" and {"medical", "research-only"} <= set(values["tags"])
    assert values["license"] == "other", "the licence of data and base is for a person to put together"
    assert "Not a medical device" in body and "| drawn | unknown | 6 | unknown | unknown |" in body
    assert "| train | 3 |" in body and "| test | 2 |" in body
    found = json.loads((run / "scores.json").read_text())["models"]["sft"]["metrics"]["closed"]
    [row] = [line for line in body.splitlines() if line.startswith("| Closed questions |")]
    assert f"| closed | {found['n']} |" in row and "`" not in row and f"{found['value']:.3f}" in row
    assert "add 0.5" in body and "at most 12 tokens" in body
    assert "chosen by" not in body and "--precision" not in body, "this training kept no weights that answered best"


def test_the_card_says_by_what_weights_were_chosen(run: Path, tmp_path: Path) -> None:
    """Those of `train sft`, where some images are of val; nobody has measured this copy."""
    copy = tmp_path / "run"
    copy.mkdir()
    shutil.copytree(run / "sft", copy / "sft")
    rows = list(read_jsonl(run / "resplit.jsonl", Record))
    about = json.loads((run / "sft" / "run.json").read_text())
    about |= {"chosen": {"method": "full", "updates": 9, "kept": 6}}
    (copy / "sft" / "run.json").write_text(json.dumps(about))
    splits: list[tuple[Split, bool]] = [("train", False), ("val", True)]
    for split, told in splits:
        write_jsonl(
            copy / "resplit.jsonl", [replace(rows[0], split=split), *(replace(r, split="train") for r in rows[1:])]
        )
        card = (model.main(config(copy, tmp_path / split)) / "README.md").read_text()
        assert ("chosen by answers to the questions of val" in card) is told and "Figures are of" not in card


def test_what_is_there_is_left_alone(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = config(run, tmp_path / "out")
    model.main(given)
    model.main(given)
    assert "is there already" in capsys.readouterr().err
    with pytest.raises(OutputError, match="dtype auto -> bf16"):
        model.main(replace(given, dtype="bf16"))
    model.main(replace(given, dtype="bf16", restart=True))
    assert (
        load_file(tmp_path / "out" / "model.safetensors")["multi_modal_projector.linear_1.bias"].dtype is torch.bfloat16
    )


@pytest.fixture(scope="module")
def lora(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Adapters on a base in bf16: ``language``, and ``both`` which has the tower too."""
    folder = tmp_path_factory.mktemp("lora")
    base = saved("llava_siglip", folder / "base")
    tiny = fresh("llava_siglip")
    tiny.model.to(torch.bfloat16).save_pretrained(base)
    for name, targets in (("language", r".*language_model.*q_proj"), ("both", r".*q_proj")):
        with imports.calm_peft():
            peft = get_peft_model(
                fresh("llava_siglip").model.to(torch.bfloat16),
                LoraConfig(r=2, lora_alpha=6, target_modules=targets, init_lora_weights=False),
            )
        peft.active_peft_config.base_model_name_or_path = str(base)
        peft.save_pretrained(folder / name)
    return folder


def test_a_merged_adapter_is_kept_as_its_base_is(lora: Path, tmp_path: Path) -> None:
    """W + 3 B A in float32, rounded to bf16 once."""
    out = model.main(config(lora / "language", tmp_path / "out"))
    key = "model.language_model.layers.0.self_attn.q_proj"
    a, b = (
        load_file(lora / "language" / "adapter_model.safetensors")[f"base_model.model.{key}.lora_{x}.weight"]
        for x in "AB"
    )
    before = models.load(lora / "base", device="cpu", dtype=torch.bfloat16).model.state_dict()[f"{key}.weight"]
    found = load_file(out / "model.safetensors")["language_model.model.layers.0.self_attn.q_proj.weight"]
    assert torch.equal(found, (before.float() + 3 * (b.float() @ a.float())).bfloat16())
    assert json.loads((out / "config.json").read_text())["torch_dtype"] == "bfloat16"


def test_an_adapter_alone(lora: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = model.main(config(lora / "language", tmp_path / "out", weights="adapter"))
    assert (out / "adapter_model.safetensors").is_file() and not (out / "model.safetensors").exists()
    assert models.load(out, device="cpu").fingerprint == models.load(lora / "language", device="cpu").fingerprint
    with pytest.raises(ModelError, match=r"vision_tower.*vLLM applies adapters to the language model only"):
        model.main(config(lora / "both", tmp_path / "both", weights="adapter"))
    model.main(config(lora / "both", tmp_path / "both", weights="adapter", for_="transformers"))
    assert "transformers before 5 calls such layers otherwise" in capsys.readouterr().err
    with pytest.raises(ModelError, match="its base, base, is on no hub"):
        model.main(config(lora / "language", tmp_path / "hub", weights="adapter", for_="hub", restricted=True))
    with pytest.raises(ModelError, match="not an adapter but a whole model"):
        model.main(config(lora / "base", tmp_path / "base", weights="adapter"))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"push": "me/mine"}, "--push: only what is written --for hub"),
        ({"push": "mine", "for_": "hub"}, "OWNER/NAME"),
        ({"public": True}, "--public: name the repository"),
        ({"public": True, "restricted": True, "push": "me/mine", "for_": "hub"}, "leave one out"),
        ({"weights": "adapter", "for_": "gguf"}, "whole models"),
        ({"name": "dpo"}, "no model dpo: there are sft"),
    ],
)
def test_what_contradicts_is_refused(change: dict[str, Any], words: str, run: Path, tmp_path: Path) -> None:
    with pytest.raises(RecordError, match=words):
        model.main(config(run, tmp_path / "out", **change))
    assert not (tmp_path / "out").exists()


def test_what_learnt_from_closed_data_is_not_published_unasked(run: Path, tmp_path: Path) -> None:
    with pytest.raises(AccessError, match=r"not all data are said to be open: drawn \(unknown, 6 images\)"):
        model.main(config(run, tmp_path / "out", for_="hub"))
    card = model.main(config(run, tmp_path / "out", for_="hub", restricted=True)) / "README.md"
    assert "**Do not publish**" in card.read_text()


def opened(run: Path, copy: Path) -> Path:
    """The same run on data that are open."""
    records = [replace(r, source=replace(r.source, access="open")) for r in read_jsonl(run / "records.jsonl", Record)]
    copy.mkdir()
    for part in ("sft", "dialogues.jsonl", "scores.json"):
        (copy / part).symlink_to(run / part)
    write_jsonl(copy / "resplit.jsonl", records)
    return copy


def test_what_it_learnt_from_before_counts_too(run: Path, tmp_path: Path) -> None:
    """Its own data are open; those of the model that training began from are not, and then nobody knows which."""
    copy = opened(run, tmp_path / "run")
    (copy / "sft").unlink()
    shutil.copytree(run / "sft", copy / "sft")
    before = tmp_path / "before" / "first"
    before.mkdir(parents=True)
    (before / "config.json").write_text("{}")
    closed = tmp_path / "closed.jsonl"
    rows = read_jsonl(run / "records.jsonl", Record)
    write_jsonl(closed, [replace(r, source=replace(r.source, dataset="clinic", access="dua")) for r in rows])
    for folder, told in (copy / "sft", {"model": str(before)}), (before, {"model": "acme/2b", "records": str(closed)}):
        about = {"command": "train sft", "config": told, "inputs": {}, "versions": {}}
        (folder / "run.json").write_text(json.dumps(about))
    with pytest.raises(AccessError, match=r"not all data are said to be open: clinic \(dua, 6 images\)"):
        model.main(config(copy, tmp_path / "out", for_="hub"))
    card = (model.main(config(copy, tmp_path / "out", for_="hub", restricted=True)) / "README.md").read_text()
    assert "| clinic |" in card and "| drawn |" in card and 'base_model: "acme/2b"' in card
    assert "Before that first: trained by `unveil train sft`" in card
    closed.unlink()
    with pytest.raises(AccessError, match="the records that first learnt from are not there"):
        model.main(config(copy, tmp_path / "hub", for_="hub"))
    card = (model.main(config(copy, tmp_path / "hub", for_="hub", restricted=True)) / "README.md").read_text()
    assert "The records of the training of first were not there" in card and "**Do not publish**" in card


class Hub:
    """Takes what is uploaded; ``private`` is what a repository is that is there already."""

    def __init__(self, private: bool | None = None):
        self.private, self.calls = private, list[tuple[str, dict[str, Any]]]()

    def create_repo(self, repository: str, **how: Any) -> None:
        self.calls.append((repository, how))
        self.private = how["private"] if self.private is None else self.private

    def model_info(self, repository: str) -> Any:
        return SimpleNamespace(private=self.private)

    def upload_folder(self, **how: Any) -> None:
        self.calls.append((how["repo_id"], how))


def test_a_folder_is_uploaded_when_that_is_asked_for(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Private, with what was written and nothing else."""
    hub = Hub()
    monkeypatch.setattr("huggingface_hub.HfApi", lambda: hub)
    copy = opened(run, tmp_path / "run")
    model.main(config(copy, tmp_path / "out", for_="hub"))
    assert not hub.calls
    out = model.main(config(copy, tmp_path / "out", for_="hub", push="me/mine"))  # it is there already
    assert hub.calls[0] == ("me/mine", {"private": True, "exist_ok": True})
    assert hub.calls[1][1]["folder_path"] == out and not (out / "run.json").exists()


def test_nothing_is_uploaded_for_all_to_see_unasked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A repository that is there stays what it is, whatever is asked of a new one."""
    hub = Hub(private=False)
    monkeypatch.setattr("huggingface_hub.HfApi", lambda: hub)
    with pytest.raises(ExportError, match="all may see this repository: name another, or add --public"):
        push.upload(tmp_path, "me/mine", private=True)
    assert len(hub.calls) == 1
    push.upload(tmp_path, "me/mine", private=False)
    assert len(hub.calls) == 3


def test_a_hub_that_cannot_be_reached_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the client's own error, which is none of the operating system's."""
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    monkeypatch.setattr("huggingface_hub.HfApi", partial(HfApi, endpoint=f"http://127.0.0.1:{free_port()}"))
    with pytest.raises(ExportError, match=r"--push me/mine: .*refused.*the same command goes on") as told:
        push.upload(tmp_path, "me/mine", private=True)
    assert "hf_secret" not in str(told.value)


def test_what_llama_cpp_cannot_see_with_is_refused(run: Path, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"cannot see with this model: of LLaVA it takes Pixtral"):
        model.main(config(run, tmp_path / "out", for_="gguf"))
    with pytest.raises(ExportError, match="knows no PaliGemmaForConditionalGeneration"):
        llama_cpp.refuse("PaliGemmaForConditionalGeneration", "paligemma", "siglip_vision_model")
    llama_cpp.refuse("LlavaForConditionalGeneration", "llava", "pixtral")


def test_what_llama_cpp_converts_has_its_commands(tmp_path: Path) -> None:
    out = model.main(config(saved("gemma3", tmp_path / "gemma"), tmp_path / "out", for_="gguf", dtype="bf16"))
    script = (out / "convert.sh").read_text()
    assert "--mmproj --outtype bf16" in script and (out / "preprocessor_config.json").is_file()
    lines = (out / "Modelfile").read_text().splitlines()
    assert lines[:2] == ["FROM ./model.gguf", "FROM ./mmproj-model.gguf"] and "PARAMETER temperature 0" in lines
    with pytest.raises(ExportError, match="which a Modelfile cannot"):
        llama_cpp.write(tmp_path, {"dtype": "bf16", "system": 'Say """ twice.', "max_new_tokens": 9})


def test_a_request_asks_about_the_whole_image_where_it_can() -> None:
    """What a question is about is not known: it stands in angle brackets, and such a question comes last."""
    written: dict[str, Any] = {"system": "Think.", "stop_token_ids": [1], "banned_ids": [4], "max_new_tokens": None}
    written["questions"] = {"localisation": "Where is the <name of a finding>?", "diagnosis": "Examine it."}
    asked = prompts.request(written)
    assert asked["messages"][0] == {"role": "system", "content": "Think."} and asked["max_tokens"] == 384
    assert asked["messages"][1]["content"][1]["text"] == "Examine it."
    assert prompts.request(written | {"questions": {}})["messages"][1]["content"][1]["text"] == "<question>"
