"""What the commands can be told that let a model answer: `predict`, `ask` and `attention`."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import ClassVar, Literal

from unveil.core.number_types import Count
from unveil.core.path_types import InputFile, OutputFile
from unveil.core.records import KINDS, Kind, Shown, Split
from unveil.experts.options import ServerOptions
from unveil.vlm.choice import ModelChoice, Precision


@dataclass(frozen=True)
class PredictOptions(ModelChoice, ServerOptions):
    """Let a model answer the questions of dialogues.jsonl; the answers in it are not shown to the model."""

    passing: ClassVar = {"batch_size", "records", *(field.name for field in fields(ServerOptions))}
    former: ClassVar = {"kinds": tuple(kind for kind in KINDS if kind != "report")}
    groups: ClassVar = {"serving": ("server", "server_model", "records", *(f.name for f in fields(ServerOptions)))}
    dialogues: InputFile
    """Dialogues, as `unveil curate mau` writes them."""
    out: OutputFile
    """Where the answers go: predictions.jsonl."""
    name: str | None = None
    """How the model is called in predictions and report; by default what --model says."""
    split: Split = "test"
    """Which split's questions are asked."""
    kinds: tuple[Kind, ...] = KINDS
    """Which kinds of questions are asked."""
    limit: Count | None = None
    """Only the first so many questions."""
    batch_size: Count = 64
    """Images whose questions are answered at a time; at most eight times as many questions."""
    max_new_tokens: Count = 384
    """Longest answer in tokens; an answer that hits it is marked as cut."""
    confidence: bool = True
    """Keep how sure the model is: the log-probability of each token of an answer, and of each option of multiple choice
    or of yes and no. The file becomes half as large again or more, and calibration can be told from it."""
    precision: Precision = "auto"
    """What the model computes in; auto takes bf16 where the device computes in it, else float32."""
    image: Shown = "own"
    """What the model is shown: the question's own image, or, to tell whether it looks (`score --sensitivity`), in its
    place blank grey, noise, its patches shuffled, another patient's image, the image with its lesion hidden, with an
    equal area elsewhere hidden, or with the lesion only."""
    image_seed: int = 0
    """image: seed of noise, patches, other patients and places elsewhere."""
    engine: Literal["own", "vllm", "openai", "transformers"] = "own"
    """Who writes the answers: this process, or a server that runs the same model and speaks OpenAI's chat completions:
    vLLM, another one, or `transformers serve`. --model then names the model whose processor and template are used."""
    server: str | None = None
    """Its address, such as http://127.0.0.1:8000/v1."""
    server_model: str | None = None
    """How the server calls the model."""
    records: InputFile | None = None
    """Records of the images, needed where the server is another machine, since what leaves is searched for whose they
    are, and for --image of other patients and lesions."""
    restart: bool = False
    """Write over the answers of another run, finished or not."""


@dataclass(frozen=True, kw_only=True)
class AskOptions(ModelChoice):
    """Ask a model one question about one image. Boxes in the answer are x1, y1, x2, y2 in pixels of that image."""

    image: InputFile
    """Image file, also DICOM."""
    question: str | None = None
    """What is asked; by default for a diagnosis in three steps: is anything abnormal, where, and what is it."""
    picture: OutputFile | None = None
    """Draw the answer's boxes on the image and write it here, as .png or .jpg."""
    max_new_tokens: Count = 384
    """Longest answer in tokens."""
    restart: bool = False
    """Write over the picture that is there."""


@dataclass(frozen=True, kw_only=True)
class AttentionOptions(ModelChoice):
    """Compute attention maps of a model that is led along the true diagnoses of abnormal test images."""

    records: InputFile
    """Records, which hold the boxes: records.jsonl, as `unveil ingest` writes it."""
    dialogues: InputFile
    """Dialogues with diagnoses."""
    out: OutputFile
    """Where the maps go: attention.jsonl."""
    name: str | None = None
    """How the model is called in the report; by default what --model says."""
    images: Count = 100
    """How many images, the first ones of the test split."""
    precision: Precision = "auto"
    """What the model computes in; auto takes bf16 where the device computes in it, else float32."""
    restart: bool = False
    """Write over the maps of another run."""
