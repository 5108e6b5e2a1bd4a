"""Training that sees nothing (``--blind``): what the images hold changes nothing, and the model says so."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.conftest import write_dialogues
from tests.helpers.tuning import short_run, weights
from unveil.core import image_files, pixels
from unveil.core.shown import GREY
from unveil.evaluate import report
from unveil.rl import remote_rollout
from unveil.rl.options import AarOptions, GenerateOptions
from unveil.testing.models import loaded
from unveil.train import sft
from unveil.train.loop import TrainingError
from unveil.vlm.chat import Chat


def test_a_blind_chat_reads_grey_of_the_images_size(dialogues_file: Path) -> None:
    """Which is another model's input, as its fingerprint says."""
    seeing, image = loaded("llava_siglip").chat, dialogues_file.parent / "0.png"
    blind = Chat(seeing.processor, seeing.profile, blind=True)
    own = pixels.to_rgb(image_files.read(image))
    assert blind.cached_image(image).digest == seeing.process(np.full_like(own, GREY)).digest
    assert blind.cached_image(image).view == seeing.cached_image(image).view
    assert blind.cached_image(image).digest != seeing.cached_image(image).digest
    assert blind.fingerprint != seeing.fingerprint


def test_what_the_images_show_changes_nothing(tiny_folder: Path, tmp_path: Path) -> None:
    """The same weights come out where every image is inverted, but with sight others do."""
    found = {}
    for name in ("plain", "inverted"):
        (tmp_path / name).mkdir()
        file = write_dialogues(tmp_path / name)
        for image in file.parent.glob("*.png"):
            if name == "inverted":
                Image.fromarray(255 - np.asarray(Image.open(image))).save(image)
        for blind in (True, False):
            config = replace(short_run(tiny_folder, file, tmp_path / f"{name} {blind}"), blind=blind)
            sft.main(config)
            found[name, blind] = weights(config.out)
            about = json.loads((config.out / "run.json").read_text())
            declared = json.loads((config.out / "unveil.json").read_text())
            assert (about["config"]["blind"], declared.get("blind", False)) == (blind, blind)
            assert report._blind([config.out / "run.json"]) == (["out"] if blind else [])

    def same(blind: bool) -> bool:
        one, other = found["plain", blind], found["inverted", blind]
        return all(bool((one[name] == other[name]).all()) for name in one)

    assert same(True) and not same(False)


def test_a_server_would_see(tmp_path: Path) -> None:
    config = AarOptions(records=tmp_path / "r", dialogues=tmp_path / "d", out=tmp_path / "o", blind=True)
    with pytest.raises(TrainingError, match="--blind: a server would look at the images"):
        remote_rollout._checked(GenerateOptions(server="http://127.0.0.1:1"), config)
