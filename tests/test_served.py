"""Whether a server answers as a trained model does here, and what is said of one that does not."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.helpers.drawing import Reply, Vllm, drawing
from tests.helpers.finished import finished
from tests.helpers.serving import free_port
from unveil.core.provenance import DryRun
from unveil.core.records import Prediction, Record, RecordError
from unveil.evaluate import predict, served
from unveil.gate import GateError
from unveil.testing.models import fresh, loaded, saved
from unveil.vlm.models import Loaded


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return finished(tmp_path_factory.mktemp("run"))


@pytest.fixture
def vllm() -> Iterator[Vllm]:
    with drawing(models={"sft": loaded("llava_siglip")}) as running:
        yield running


def config(run: Path, vllm: Vllm, out: Path, **more: Any) -> served.Config:
    given: dict[str, Any] = {"url": vllm.address, "run": run, "out": out, "retries": 0, "resamples": 100}
    return served.Config(**given | more)


def told(out: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((out / "served.json").read_text())
    return found


# ---------------------------------------------------------------------------------------------------------- figures


def said(name: str, answer: str, *tokens: tuple[int, float]) -> Prediction:
    return Prediction(name, f"r{name}", "localisation", answer, "json-1000", (100, 100), "m", tokens=tokens)


def test_figures_by_hand() -> None:
    """Two of three answers are equal. Boxes stand in two: the same one (IoU 1), and 0-50 against 0-25 of x (IoU 0.5):
    0.75. Tokens: 0.1 and 0.3 apart in the first; in the last the second token begins otherwise, so only 0.2: 0.2."""
    box, half = '{"bbox_2d": [0, 0, 500, 500]}', '{"bbox_2d": [0, 0, 250, 500]}'
    records = {f"r{i}": Record(f"r{i}", "0.png", 100, 100, patient=f"p{i}") for i in "123"}
    end = len(box)
    both = [
        (said("1", box, (end, -0.5), (end, -0.2)), said("1", box, (end, -0.6), (end, -0.5))),
        (said("2", box), said("2", half)),
        (said("3", "None", (2, -0.5), (4, 0.0)), said("3", "None", (2, -0.3), (3, -9.0))),
    ]
    figures = served.compared(both, records, 100, 0)
    assert figures["equal"]["value"] == pytest.approx(2 / 3) and figures["equal"]["n"] == 3
    assert figures["box_iou"]["value"] == pytest.approx(0.75) and figures["box_iou"]["n"] == 2
    assert figures["mismatch"]["value"] == pytest.approx((0.1 + 0.3 + 0.2) / 3) and figures["mismatch"]["n"] == 2


# --------------------------------------------------------------------------------------------------------- agreement


def test_the_same_model_is_told(run: Path, vllm: Vllm, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """All answers are equal; the run's own are taken for those of this process, which loads no weights."""
    assert served.main(config(run, vllm, tmp_path / "out"))
    found = told(tmp_path / "out")
    assert found["model"] == "sft" and found["questions"] == 11 and "causes" not in found
    assert found["figures"]["equal"]["value"] == 1 and found["figures"]["mismatch"]["value"] < 1e-3
    assert not (tmp_path / "out" / "here.jsonl").exists() and (tmp_path / "out" / "outcomes.jsonl").is_file()
    scores = json.loads((tmp_path / "out" / "scores.json").read_text())
    assert list(scores["differences"]["served"]) == ["here"]
    said = capsys.readouterr()
    assert "100.0 % equal answers" in said.err and "here: the answers of the run" in said.err
    asked = len(vllm.bodies)
    again = config(run, vllm, tmp_path / "out", timeout=9.0, least=1.0)
    assert served.main(again) and len(vllm.bodies) == asked, "is there already"


def test_a_part_and_a_server_without_log_probabilities(
    run: Path, vllm: Vllm, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def without(n: int, reply: Reply) -> Reply:
        return reply | {"choices": [one | {"logprobs": None} for one in reply["choices"]]}

    vllm.harm = without
    assert served.main(config(run, vllm, tmp_path / "out", limit=3))
    found = told(tmp_path / "out")
    assert found["questions"] == 3 and found["figures"]["mismatch"]["value"] is None
    assert "the server tells no log-probabilities" in capsys.readouterr().err


def test_answers_that_begin_otherwise_have_no_common_log_probabilities(capsys: pytest.CaptureFixture[str]) -> None:
    """Both tell how likely their tokens were, of which none is the other's: the server is not to blame."""
    both = [(said("1", "None", (4, -0.5)), said("1", "Yes", (3, -0.1)))]
    figures = served.compared(both, {"r1": Record("r1", "0.png", 100, 100)}, 100, 0)
    assert figures["mismatch"]["value"] is None
    told = {"model": "m", "host": "h", "questions": 1, "figures": figures, "without_logprobs": False}
    served._show(told, 0.99)
    assert "no two answers begin alike" in (shown := capsys.readouterr().err) and "server tells no" not in shown


def test_the_kinds_of_questions_that_the_run_asked_are_asked(run: Path, vllm: Vllm, tmp_path: Path) -> None:
    """Of diagnoses alone the run has answers, without log-probabilities, so that they are made again here."""
    copy = tmp_path / "run"
    shutil.copytree(run, copy)
    predict.main(
        predict.Config(
            dialogues=copy / "dialogues.jsonl",
            out=copy / "sft" / "predictions.jsonl",
            model=str(copy / "sft"),
            kinds=("diagnosis",),
            max_new_tokens=12,
            confidence=False,
            restart=True,
        )
    )
    assert served.main(config(copy, vllm, tmp_path / "out"))
    assert told(tmp_path / "out")["questions"] == len(vllm.bodies) == 2
    assert told(tmp_path / "out")["figures"]["mismatch"]["n"] == 2 and (tmp_path / "out" / "here.jsonl").is_file()


# ------------------------------------------------------------------------------------------------------------ causes


def cause(run: Path, server: Loaded, out: Path, **more: Any) -> str:
    """What is said of a server of another model; it must not pass."""
    with drawing(models={"sft": server}) as running:
        served.main(config(run, running, out, **more))
    [found] = told(out)["causes"]
    return str(found)


def test_another_template(run: Path, tmp_path: Path) -> None:
    other = fresh("llava_siglip")
    template = loaded("llava_siglip").chat.processor.chat_template
    processor = type(other.chat.processor)(
        **{name: getattr(other.chat.processor, name) for name in ("image_processor", "tokenizer")},
        patch_size=other.chat.processor.patch_size,
        vision_feature_select_strategy=other.chat.processor.vision_feature_select_strategy,
        num_additional_image_tokens=other.chat.processor.num_additional_image_tokens,
        chat_template="Be brief. " + template,
    )
    chat = type(other.chat)(processor, other.chat.profile)
    assert cause(run, replace(other, chat=chat), tmp_path).startswith("template: the server makes")


def test_another_size_of_the_image(tmp_path: Path) -> None:
    """Idefics3 cuts images into tiles unless its processor is told not to."""
    run, other = finished(tmp_path, "idefics3"), fresh("idefics3")
    images = other.chat.processor.image_processor
    before, images.do_image_splitting = images.do_image_splitting, not images.do_image_splitting
    try:
        assert cause(run, other, tmp_path / "out").startswith("resize: the server makes")
    finally:
        images.do_image_splitting = before


def test_another_precision(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By a server that takes no question without an image, so that its template is not known."""
    other = fresh("llava_siglip")
    with drawing(models={"sft": replace(other, model=other.model.to(torch.bfloat16))}) as server:
        server.harm = lambda n, reply: 400 if isinstance(server.bodies[n]["messages"][0]["content"], str) else reply
        served.main(config(run, server, tmp_path))
    [said] = told(tmp_path)["causes"]
    assert said.startswith("dtype: the server computes in bf16")
    assert "how many tokens the server makes of a question is not known" in capsys.readouterr().err


def test_the_model_before_training(run: Path, tmp_path: Path) -> None:
    """run.json names what training began from, and that is what answers."""
    base = fresh("llava_siglip")
    with torch.no_grad():
        for parameter in base.model.model.language_model.parameters():
            parameter.mul_(-1)
    base.model.save_pretrained(tmp_path / "base-2b")
    base.chat.processor.save_pretrained(tmp_path / "base-2b")
    copy = tmp_path / "run"
    copy.mkdir()
    for part in ("resplit.jsonl", "dialogues.jsonl", *(f"{i}.png" for i in range(6))):
        (copy / part).symlink_to(run / part)
    saved("llava_siglip", copy / "sft")
    about = json.loads((run / "sft" / "run.json").read_text())
    about["config"] |= {"model": str(tmp_path / "base-2b"), "max_new_tokens": 12}
    (copy / "sft" / "run.json").write_text(json.dumps(about))
    assert cause(copy, base, tmp_path / "out", limit=4).startswith("weights: the server answers as base-2b")
    assert (tmp_path / "out" / "here.jsonl").is_file(), "this run had no answers of its own"


def test_an_adapter_without_its_part_on_the_tower(tmp_path: Path) -> None:
    from peft import LoraConfig, get_peft_model

    from unveil.vlm import exported, imports, models

    base = saved("llava_siglip", tmp_path / "base")
    run = finished(tmp_path / "run")
    for file in (run / "sft").iterdir():
        file.unlink()
    torch.manual_seed(0)
    with imports.calm_peft():
        lora = get_peft_model(
            fresh("llava_siglip").model,
            LoraConfig(r=4, lora_alpha=64, target_modules=["q_proj", "fc1", "linear_1"], init_lora_weights=False),
        )
    lora.active_peft_config.base_model_name_or_path = str(base)
    lora.save_pretrained(run / "sft")
    (run / "sft" / "unveil.json").write_text('{"box_format": "bins-64", "hint": false}')
    blind = exported.without_sight(run / "sft", tmp_path / "blind")
    assert blind and exported.without_sight(base, tmp_path / "none") is None
    said = cause(run, models.load(blind, device="cpu"), tmp_path / "out", limit=4)
    assert said.startswith("missing vision LoRA")


# -------------------------------------------------------------------------------------------------------- what fails


def test_what_cannot_be_asked(run: Path, vllm: Vllm, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(RecordError, match=r"no reply from .*start the server"):
        served.main(config(run, vllm, out, url=f"http://127.0.0.1:{free_port()}/v1"))
    with pytest.raises(RecordError, match=r"refuses with 404.*it mostly ends in /v1"):
        served.main(config(run, vllm, out, url=f"http://127.0.0.1:{vllm.port}"))
    with pytest.raises(RecordError, match="has no model aar: it has sft"):
        served.main(config(run, vllm, out, server_model="aar"))
    vllm.models["other"] = loaded("llava_siglip")
    with pytest.raises(RecordError, match="several models: name one by --server-model: sft, other"):
        served.main(config(run, vllm, out))
    assert not vllm.bodies
    with pytest.raises(GateError, match="--allow-remote"):
        served.main(config(run, vllm, out, url="https://models.example.org/v1"))
    with pytest.raises(RecordError, match="the records and dialogues of its run are not there"):
        served.main(config(saved("llava_siglip", tmp_path / "alone"), vllm, out))


def test_a_dry_run_sends_nothing(run: Path, vllm: Vllm, tmp_path: Path) -> None:
    with pytest.raises(DryRun, match="nothing was sent"):
        served.main(config(run, vllm, tmp_path / "out", dry_run=True))
    assert not vllm.bodies and (tmp_path / "out" / "manifest.jsonl").is_file()
