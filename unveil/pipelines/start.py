"""The guided start, ``unveil start``: four questions, six images with their boxes, then the main job.

Every answer is checked when it is given. Nothing is kept but what the main job writes, and the page with the images in
its folder.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from unveil.core.path_types import Input, OutputFolder
from unveil.ingest.ingest import Format, located
from unveil.ingest.reading import Options


@dataclass(frozen=True, kw_only=True)
class Config:
    """The guided start: asks four questions, shows six images with their boxes, then runs `unveil run`.

    What is given as an option is not asked.
    """

    data: Input | None = None
    """Folder of your annotated images."""
    format: Format = "auto"
    """How they are annotated: auto lets the files tell; synthetic draws images instead, and asks for no folder."""
    model: str | None = None
    """Hub id or local folder of a vision-language model, or "tiny", which comes along."""
    out: OutputFolder | None = None
    """Folder for everything that is made."""
    yes: bool = False
    """Take what is found as right, and run; without a terminal, all of --data, --model and --out are needed too."""


def main(config: Config) -> Path | None:
    """Returns the report of the run, None where none was wanted.

    Ends with code 2 where there is nobody to ask.
    """
    from unveil.core import asking, console
    from unveil.pipelines import ending, run
    from unveil.pipelines.guide import Guide

    if not asking.possible() and (missing := unanswered(config)):
        console.say("\n".join(["there is no terminal to ask at; what would be asked:", *missing, INSTEAD]))
        raise SystemExit(2)
    if config.data is not None and config.format == "synthetic":
        located(config.data, config.format, Options())
    with TemporaryDirectory(prefix="unveil-") as scratch:
        guide = Guide(config, Path(scratch), run.Config(data=config.data, format=config.format))
        wanted = guide.led()
    command = shlex.join(ending.command(guide.chosen))
    if not wanted:
        console.say(f"nothing was run; this runs it: {command}")
        return None
    try:
        return run.main(guide.chosen)
    except KeyboardInterrupt as stop:
        stop.add_note(f"this goes on from here: {command}")
        raise
    except (MemoryError, RuntimeError) as error:
        vars(error)["config"] = guide.chosen  # which has the options that may help
        raise


INSTEAD = "give all of these as options, or use `unveil run`"


def unanswered(config: Config) -> list[str]:
    """What would be asked, in lines."""
    drawn = config.format == "synthetic"
    asked = (
        ("which folder holds your images (--data DIR, or --format synthetic)", config.data is not None or drawn),
        ("which model is to learn (--model MODEL)", config.model is not None),
        ("where to put what is made (--out DIR)", config.out is not None),
        ("whether that is right, and whether to run (--yes)", config.yes),
    )
    return [f"  {words}" for words, known in asked if not known]
