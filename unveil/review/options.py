"""What the commands can be told that show pages."""

from __future__ import annotations

import getpass
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import ClassVar, Literal

from tyro.conf import Positional

from unveil.core.number_types import Count, CountOrNone
from unveil.core.path_types import Input, InputFile, InputFolder, OutputFile, OutputFolder
from unveil.core.records import Split
from unveil.experts.options import ServerOptions
from unveil.vlm.choice import TINY, ModelChoice, Precision


def _user() -> str:
    """Who has started the command, as the system calls them."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a user without a name, as in a container
        return "reviewer"


@dataclass(frozen=True, kw_only=True)
class PageOptions:
    """Where a page is shown."""

    groups: ClassVar[dict[str, tuple[str, ...]]] = {"page": ("host", "port", "browser", "restricted")}
    host: str = "127.0.0.1"
    """Address that the page is served at; another than this machine's own is seen by others, and not encrypted."""
    port: CountOrNone = 0
    """Port that the page is served at; 0 takes a free one."""
    browser: bool = True
    """Open the page in this machine's browser."""
    restricted: bool = False
    """With another --host: show data all the same that are not said to be open, to those who may see them."""


@dataclass(frozen=True, kw_only=True)
class ReviewOptions(PageOptions):
    """Show records, questions, pairs or answers with their images, and keep what people decide about them."""

    groups: ClassVar[dict[str, tuple[str, ...]]] = {
        "what else is known": ("records", "dialogues", "predictions", "attention", "faults"),
        "queue": ("order", "random_share", "split", "limit", "seed"),
        "people": ("reviewers", "readings", "adjudicator", "blind"),
    }
    what: Positional[Input]
    """Records, dialogues, pairs or predictions, or the folder of a run, whose records are shown."""
    out: OutputFile | None = None
    """Where decisions go: reviews.jsonl; by default reviews.jsonl in a run's folder, and NAME.reviews.jsonl beside
    another file. What is there is gone on with."""
    records: InputFile | None = None
    """Records of the images, beside dialogues, pairs or predictions."""
    dialogues: InputFile | None = None
    """Dialogues that predictions answer."""
    predictions: tuple[InputFile, ...] = ()
    """Answers of models about the same images: what they say is shown as a suggestion, and what they doubt comes
    first."""
    attention: InputFile | None = None
    """Attention maps, as `unveil attention` writes them, to lay over the images."""
    faults: tuple[InputFile, ...] = ()
    """What was found wrong, as `unveil check --json` and `unveil audit` write it: these items come early."""
    order: Literal["use", "random", "file"] = "use"
    """What comes first: what is most likely wrong or tells most, a random order, or the file's."""
    random_share: float = 0.2
    """Share of the queue that is drawn at random, by which the share of errors in the whole file can be told."""
    split: tuple[Split, ...] = ()
    """Only images of these splits; of a run by default those of train and val, since test images that are corrected
    where a model doubts them would flatter it."""
    limit: Count | None = None
    """Only the first so many of the queue."""
    seed: int = 0
    """Seed of the random order and of the sides of pairs."""
    reviewers: tuple[str, ...] = field(default_factory=lambda: (_user(),))
    """Who reviews; each has an address of their own."""
    readings: Count = 1
    """How many reviewers see each item."""
    adjudicator: str | None = None
    """Who decides where readers differ; sees these items only, with what the readers said."""
    blind: bool = False
    """Hide which side of a pair is the chosen one, names of models and the truth until the decision is made."""
    show_identifiers: bool = False
    """Show ids of records and names of patients, studies and files, as records hold them; else items have numbers."""


@dataclass(frozen=True, kw_only=True)
class TryOptions(PageOptions, ModelChoice, ServerOptions):
    """Ask a model, or two side by side, about an image that is dropped on the page or one of the records.

    Images and answers are in memory only; what is to stay is saved from the page.
    """

    groups: ClassVar[dict[str, tuple[str, ...]]] = {
        "server": ("server_model", "out", *(f.name for f in fields(ServerOptions))),
    }
    model: Positional[str] = TINY
    """Hub id or local folder of a vision-language model, or of an adapter; "tiny" is the base model that comes along;
    or the address of a server with OpenAI's chat completions, such as http://127.0.0.1:8000/v1."""
    beside: str | None = None
    """A second model, or address, that is asked the same."""
    records: InputFile | None = None
    """Records whose images can be chosen on the page; another machine is asked about these only."""
    max_new_tokens: Count = 384
    """Longest answer in tokens."""
    precision: Precision = "auto"
    """What a model in this process computes in; auto takes bf16 where the device computes in it, else float32."""
    server_model: tuple[str, ...] = ()
    """How servers call their models, in the order of the addresses; two at one address are asked side by side. Needed
    where a server has several."""
    out: OutputFolder = Path("runs/try")
    """Where it is written down what was sent to a server (manifest.jsonl); without one nothing is written."""
    show_identifiers: bool = False
    """Show ids of records; else they have numbers."""


@dataclass(frozen=True, kw_only=True)
class RunsOptions(PageOptions):
    """Show the runs of a folder: figures, learning curves while they train, samples, reports; stop one in order."""

    folder: Positional[InputFolder]
    """Folder of runs, or one run. Nothing outside of it is opened, and no link in it is followed."""
    user: str = field(default_factory=_user)
    """Who looks, as a run is told that is asked to stop."""
    show_identifiers: bool = False
    """Show ids of records, and why a run has failed in words that may name them; else samples have numbers."""
