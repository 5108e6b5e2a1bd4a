"""What is known of each family of models: one row per ``model_type``, and nothing of it anywhere else.

A new family is one row of ``FAMILIES`` and one entry of ``unveil.testing.models``.

What a model is asked is here: how it writes boxes, its chat template where it is published without one. So is what the
engine asks of it: whether a token tree may be grown for it, with which mask and positions, where patches lie, which
part of its tower may be remembered. A family without a row is used all the same: on plain rows, with the box format
that the user names, and `forward_check` finds what else may be done.

What transformers' own names tell (parts of a model, image tokens, settings of a processor) needs no row: `model_parts`,
`models` and `resolution` read it from any model.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from unveil.core import jsonl
from unveil.core.box_formats import BOX_FORMATS
from unveil.core.plugins import PluginError, short
from unveil.core.registry import Registry

Grid = Literal[
    "cropped",
    "padded",
    "stretched",
    "native",
    "rows",
    "soft tokens",
    "tiles and overview",
    "near tiles and overview",
    "overview and tiles",
    "thumbnail and tiles",
    "named tiles",
    "named tiles and thumbnail",
    "overview and slices",
    "any resolution",
    "tiles of a canvas",
]


class ModelError(ValueError):
    """A model that cannot be used as asked; the message says why and what to do."""


class UndeclaredError(ModelError):
    """A model of which neither itself nor its family, nor the user, says how it writes boxes."""


@dataclass(frozen=True)
class Family:
    """What is known of a family. The defaults are of one that nothing is known of."""

    box_format: str | None = None
    """How it writes boxes, a key of ``BOX_FORMATS``. Families without a convention of their own are taught one, or the
    one that the user names (None)."""
    named: dict[str, str] = field(default_factory=dict)
    """How some of its checkpoints write boxes instead: a pattern that their own name holds, and the box format."""
    hint: bool = True
    """Whether it must be told the form of an answer."""
    template: str | None = None
    """Chat template of a family that is published without one; its processor's own text is then not used."""
    shares: Literal["tree", "fork", "rows"] = "rows"
    """How rows share what they have in common: as a token tree, checked against plain rows by the tests, or not.

    "tree" for layers that mix tokens by attention only, which a mask branches; "fork" where others hand a state along
    the row, which each branch is given (``states``).
    """
    both_ways: Literal["none", "image", "image in windows", "prompt"] = "none"
    """Which tokens see one another whichever comes first; with "image in windows", in sliding layers only, where its
    configuration says so; with "prompt", only answers can share."""
    first_position: int = 0
    """The position of a row's first token."""
    own_sliding_masks: bool = False
    """Whether a model with a sliding window makes those masks itself, so that it takes none of ours."""
    crossed: bool = False
    """Whether images stand beside a row and enter by layers of cross-attention (``crossed``), not as its tokens."""
    patch_grid: Grid | None = None
    """How image tokens, or features beside a row, lie on what the processor is given: a key of ``patch_grid.GRIDS``;
    None if that is not known."""
    tower_states: bool = False
    """Whether the projector takes one of the tower's hidden states, and the tower nothing but pixels, so that it can be
    remembered while the projector is trained."""

    @property
    def prefix(self) -> bool:
        """Whether the model must be told where the answer begins, since the prompt before it is seen both ways."""
        return self.both_ways == "prompt"


def _row(name: str, row: Any) -> Family:
    """A row that a plugin declares; raises ``ValueError`` where it is none."""
    if not isinstance(row, Family):
        raise PluginError(f"a Family is needed, not {short(row)}")
    family: Family = jsonl.build(Family, vars(row), "")
    for box_format in (family.box_format, *family.named.values()):
        if box_format not in (None, *BOX_FORMATS):
            raise PluginError(f"box_format {box_format!r} is none of {', '.join(BOX_FORMATS)}")
    return family


PALIGEMMA = (
    "{% for m in messages %}{% for c in m['content'] %}{% if c['type'] == 'image' %}{{ '<image>' + bos_token }}"
    "{% else %}{{ c['text'] }}{% endif %}{% endfor %}{{ '\\n' if m['role'] == 'user' else eos_token }}{% endfor %}"
)

#: By ``model_type`` of the configuration. Each has an entry in ``testing.models``, which the tests run.
_ROWS = {
    "llava": Family("unit-square", shares="tree", patch_grid="cropped", tower_states=True),
    "llava_next": Family("unit-square", shares="tree", patch_grid="any resolution", tower_states=True),
    "llava_onevision": Family("unit-square", shares="tree", patch_grid="any resolution", tower_states=True),
    "qwen2_vl": Family("qwen2-vl", shares="tree", patch_grid="native"),
    "qwen2_5_vl": Family("json-pixels", shares="tree", patch_grid="native"),
    "qwen3_vl": Family("json-1000", shares="tree", patch_grid="native"),
    "qwen3_vl_moe": Family("json-1000", shares="tree", patch_grid="native"),
    "glm4v": Family("glm", shares="tree", patch_grid="native"),
    "glm46v": Family("glm", shares="tree", patch_grid="native"),
    "mistral3": Family(None, shares="tree", patch_grid="rows"),
    "qwen3_5": Family("json-1000", shares="fork", patch_grid="native"),
    "qwen3_5_moe": Family("json-1000", shares="fork", patch_grid="native"),
    "minicpmv4_6": Family("json-1000", shares="fork", patch_grid="overview and slices"),
    "lfm2_vl": Family("unit", shares="fork", patch_grid="named tiles and thumbnail"),
    "internvl": Family("internvl", shares="tree", patch_grid="tiles and overview", tower_states=True),
    "idefics3": Family("unit", shares="tree", patch_grid="named tiles"),
    "smolvlm": Family("unit", shares="tree", patch_grid="named tiles"),
    "gemma3": Family(
        "json-1000",
        named={r"medgemma[-_ ]?v?1[._-]5(?![0-9])": "medgemma-1.5"},
        shares="tree",
        both_ways="image",
        patch_grid="stretched",
    ),
    "aya_vision": Family(None, shares="tree", patch_grid="tiles and overview", tower_states=True),
    "cohere2_vision": Family(None, shares="tree", patch_grid="near tiles and overview"),
    "ovis2": Family(None, shares="tree", patch_grid="overview and tiles"),
    "perception_lm": Family(None, shares="tree", patch_grid="thumbnail and tiles"),
    "fast_vlm": Family(None, shares="tree", patch_grid="cropped"),
    "deepseek_vl": Family(None, shares="tree", patch_grid="padded"),
    "mllama": Family(None, shares="tree", crossed=True, patch_grid="tiles of a canvas"),
    "gemma4": Family(None, shares="tree", both_ways="image in windows", patch_grid="soft tokens"),
    "paligemma": Family(
        "loc-1024",
        template=PALIGEMMA,
        shares="tree",
        both_ways="prompt",
        first_position=1,
        own_sliding_masks=True,
        patch_grid="stretched",
    ),
}
FAMILIES: Registry[Family] = Registry("FAMILIES", _ROWS, _row)

#: By ``model_type`` of a tower, which several families may have: tokens that it puts before an image's patches.
CLASS_TOKENS = {"clip_vision_model": 1, "siglip_vision_model": 0}


def family_of(config: Any) -> Family:
    """The row of a configuration's family, or one that says that nothing is known."""
    return FAMILIES.get(config.model_type, Family())


@dataclass(frozen=True)
class Profile:
    """How one model is spoken with: its family's row, or what the model itself or the user says instead."""

    box_format: str
    hint: bool = True
    """Whether it must be told the form of an answer."""
    template: str | None = None
    """As in its family's row."""
    prefix: bool = False
    """As in its family's row."""


def checkpoint(config: Any) -> str:
    """A checkpoint's own name: the last part of its hub id or folder, of one in the hub's cache that of its id."""
    parts = [part for part in re.split(r"[/\\]", str(getattr(config, "_name_or_path", None) or "")) if part]
    if len(parts) > 2 and parts[-2] == "snapshots":
        return parts[-3].rpartition("--")[2]
    return parts[-1] if parts else ""


def by_name(config: Any) -> str | None:
    """How a checkpoint writes boxes by its own name, where that is another way than its family's."""
    name = checkpoint(config)
    return next((own for form, own in family_of(config).named.items() if re.search(form, name, re.I)), None)


def profile_of(config: Any, box_format: str | None = None) -> Profile:
    """The profile: ``box_format`` if the user names one, else the configuration's own, else that of the checkpoint's
    name, else that of its family."""
    row, own = family_of(config), getattr(config, "unveil", None)
    usual = by_name(config) or row.box_format
    found = Profile(usual or "", row.hint, row.template, row.prefix)
    if own is not None:
        found = replace(found, box_format=own["box_format"], hint=own.get("hint", True))
    if box_format is not None:
        found = replace(found, box_format=box_format)
    elif own is None and usual is None:
        known = ", ".join(BOX_FORMATS)
        raise UndeclaredError(
            f"how {config.model_type!r} models write boxes is not known: name it with --box-format (one of {known})"
        )
    if found.box_format not in BOX_FORMATS:
        raise ModelError(f"box format {found.box_format!r} is not known: use one of {', '.join(BOX_FORMATS)}")
    return found
