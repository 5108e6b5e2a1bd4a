"""A person led through the guided start: questions with checks, six images with their boxes, cost and command."""

from __future__ import annotations

import shlex
import webbrowser
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Any

from unveil.core import asking, console, files, options
from unveil.core.records import RecordError
from unveil.core.untrusted import readable
from unveil.ingest.ingest import located
from unveil.pipelines import ending, look, preview, run
from unveil.pipelines.preview import Preview
from unveil.vlm.choice import TINY

if TYPE_CHECKING:
    from unveil.pipelines.start import Config
    from unveil.train.resources import Outlook

NONE = "none"
PAGE = "preview.html"
#: One of these is in a folder that a run has begun to fill.
OURS = {"run.json", ".begun.json"}

FOLDER = "1. Which folder (or zip of it) holds your annotated images? none draws synthetic ones"
RIGHT = "2. Is that what is in it? yes, another folder, or how to read it, such as --box-units percent"
MODEL = "3. Which model is to learn?"
MODELS = f"""
{TINY} comes along and learns within minutes: it shows the whole way, and is of no use beyond that.
Else a folder with a model, or its id on the Hugging Face hub, such as Qwen/Qwen2.5-VL-3B-Instruct:
that is downloaded to here; your images are sent nowhere."""
OUT = "4. Which folder is to hold what is made?"
RUN = "Run it now? yes, no, or other options of `unveil run`, such as --epochs 2"


@dataclass
class Guide:
    """One person's way through the questions. ``scratch`` is a folder that will be removed."""

    given: Config
    scratch: Path
    chosen: run.Config
    seen: Preview = field(init=False)
    known: Outlook = field(init=False)
    cost: list[str] = field(init=False)
    """What is known of what the run takes, in lines."""
    offered: bool = False
    """Whether a browser was offered."""
    made: list[Path] = field(default_factory=list)
    """The page and the folders that were made for it, the innermost first."""

    def led(self) -> bool:
        """Asks everything; whether the run that was chosen is wanted."""
        self.see_data()
        if self.given.model is None:
            console.say(MODELS)
        self.answer(MODEL, self.given.model, TINY, self.take_model)
        given = None if self.given.out is None else str(self.given.out)
        try:
            self.answer(OUT, given, str(run.folder_of(self.chosen)), self.take_out)
            return self.agreed()
        except BaseException:
            self.forget()
            raise

    # ------------------------------------------------------------------------------------------------------- questions

    def answer(self, question: str, given: str | None, usual: str, take: Callable[[str], None]) -> None:
        """Asks until an answer is taken. Options are taken in between, and the last answer is tried again with them.

        What is ``given`` is not asked for first.
        """
        last = None
        while True:
            said = asking.ask(question, usual) if given is None else given
            given = None
            try:
                if not said.startswith("--"):
                    last = said
                    return take(said)
                self.change(said)
                given = last
            except (ValueError, OSError) as error:
                tell(error)

    def change(self, said: str) -> None:
        """Takes options of the main job; what is wrong with them is said by their parser."""
        if not said.startswith("--"):
            raise RecordError("that is neither yes nor no, nor does it begin as options do, with --")
        try:
            self.chosen = options.read(run.Config, shlex.split(said), "unveil run", self.chosen)
        except SystemExit as ended:
            raise RecordError("those options were not taken") from ended

    def see_data(self) -> None:
        """The first two questions, until both are answered."""
        given = NONE if self.given.format == "synthetic" else None
        if self.given.data is not None:
            given = str(self.given.data)
        self.answer(FOLDER, given, NONE, self.take_data)
        while not self.right():
            self.answer(FOLDER, None, NONE, self.take_data)
        if self.seen.summary:
            form: Any = self.seen.summary.format
            data, reading = located(self.chosen.data, form, self.chosen.reading)
            self.chosen = replace(self.chosen, data=data, reading=reading, format=form)

    def right(self) -> bool:
        """Whether what was read is what was meant; another folder, or options, are read in its place."""
        while not self.given.yes:
            said = asking.ask(RIGHT, "yes")
            if said in (*asking.YES, *asking.NO):
                return said in asking.YES
            self.try_otherwise(said, self.look, self.take_data)
        return True

    def take_data(self, said: str) -> None:
        """A folder, if it can be read, or none."""
        data = None if said == NONE else path_of(said)
        form = "auto" if data is None or self.chosen.format == "synthetic" else self.chosen.format
        self.chosen = replace(self.chosen, data=data, format=form)
        self.look()

    def look(self) -> None:
        self.seen = preview.preview(self.chosen, Path(mkdtemp(dir=self.scratch)) / "data")
        console.say("\n".join(look.told(self.seen)))
        rows = look.listing(look.some(self.seen.records))
        console.table("", ("image", "patient", "label", "box: x1, y1, x2, y2 in pixels"), rows)
        if not self.given.yes:
            self.show_images()

    def show_images(self) -> None:
        """The page, before it is asked whether that is right; a browser is offered once."""
        page = self.write_page(self.scratch / PAGE)
        console.say(f"images with their boxes: {page}")
        if not self.offered and asking.has_screen():
            self.offered = True
            if asking.agreed("Open it in the browser?"):
                webbrowser.open(page.resolve().as_uri())

    def take_model(self, said: str) -> None:
        self.chosen = replace(self.chosen, model=said)
        with console.progress("look at the model", None):  # the first import of the libraries may take long
            self.known = run.first_look(self.chosen)

    def take_out(self, said: str) -> None:
        """A folder that the run may write into, which the page shows that it can."""
        self.chosen = replace(self.chosen, out=path_of(said))
        run.refuse_out(self.chosen)
        self.foretell()
        self.forget()
        page = run.folder_of(self.chosen) / PAGE
        self.made = [path for path in (page, *page.parents) if not path.exists()]
        self.write_page(page)

    def foretell(self) -> None:
        """What the run will take, and whether its folder is somebody else's."""
        from unveil.train import outlook

        self.cost = [self.known.line, *outlook.written(preview.foretold(self.chosen, self.seen))]
        folder = run.folder_of(self.chosen)
        held = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
        if held - {PAGE} and not held & OURS:
            self.cost.append(f"note: {folder} holds other files already; what is made is put beside them")

    # --------------------------------------------------------------------------------------------------- before it runs

    def agreed(self) -> bool:
        """Shows images, cost and command, and asks whether to run; options show it again."""
        self.show()
        while not self.given.yes:
            said = asking.ask(RUN, "yes")
            if said in (*asking.YES, *asking.NO):
                return said in asking.YES
            if self.try_otherwise(said, self.look_again):
                self.show()
        return True

    def try_otherwise(self, said: str, again: Callable[[], None], take: Callable[[str], None] | None = None) -> bool:
        """Whether the run can be done with options, or with what else is said; otherwise all stays as it was."""
        before = self.chosen
        try:
            if take and not said.startswith("--"):
                take(said)
            else:
                self.change(said)
                again()
        except (ValueError, OSError) as error:
            tell(error)
            self.chosen = before
        return self.chosen != before

    def look_again(self) -> None:
        self.look()
        self.take_model(self.chosen.model)
        self.take_out(str(run.folder_of(self.chosen)))

    def write_page(self, page: Path) -> Path:
        data, count = self.chosen.data, len(look.some(self.seen.records))
        title = f"{count} images of {data}" if data else f"{count} synthetic images"
        return look.write_page(self.seen, title, page)

    def show(self) -> None:
        """Says where the images are seen, what the run will cost, and how it is typed."""
        console.say(f"images with their boxes: {run.folder_of(self.chosen) / PAGE}")
        command = shlex.join(ending.command(self.chosen))
        console.say("\n".join([*self.cost, "", command, ""]))

    def forget(self) -> None:
        """Removes the page and the folders that were made for it, unless they were there before."""
        for path in self.made:
            if path.is_file():
                path.unlink()
            elif path.is_dir() and not any(path.iterdir()):
                path.rmdir()
        self.made = []


def tell(error: Exception) -> None:
    """Says what is wrong with an answer to who can give another; raises it again where nobody can."""
    if not asking.possible():
        raise error
    console.say(readable(files.said(error)))


def path_of(said: str) -> Path:
    """A path as people type it or drag it here: in quotation marks, with blanks behind it, with ~ for home."""
    return Path(said.strip().strip("'\"")).expanduser()
