"""What model families expect: how they write boxes, and whether they must be told the form of an answer."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from unveil.core.box_formats import SYNTAXES


class ModelError(ValueError):
    """A model that cannot be used as asked; the message says why and what to do."""


@dataclass(frozen=True)
class Profile:
    """What a model family expects: its box syntax, and whether it needs to be told the form of an answer."""

    syntax: str
    hint: bool = True
    template: str | None = None
    """Chat template for a family that is published without one; its processor's own text is then not used."""
    prefix: bool = False
    """Whether a prompt's tokens see one another both ways, and the model must be told where the answer begins."""


PALIGEMMA = (
    "{% for m in messages %}{% for c in m['content'] %}{% if c['type'] == 'image' %}{{ '<image>' + bos_token }}"
    "{% else %}{{ c['text'] }}{% endif %}{% endfor %}{{ '\\n' if m['role'] == 'user' else eos_token }}{% endfor %}"
)

#: By ``model_type`` of the configuration. Families without a convention of their own get floats 0-1 and are taught it.
PROFILES: dict[str, Profile] = {
    "llava": Profile("unit-square"),
    "llava_next": Profile("unit-square"),
    "qwen2_vl": Profile("qwen2-vl"),
    "qwen2_5_vl": Profile("json-pixels"),
    "qwen3_vl": Profile("json-1000"),
    "internvl": Profile("internvl"),
    "paligemma": Profile("loc-1024", template=PALIGEMMA, prefix=True),
    "gemma3": Profile("json-1000"),
    "idefics3": Profile("unit"),
    "smolvlm": Profile("unit"),
}


def profile_of(config: Any, syntax: str | None = None) -> Profile:
    """The profile: ``syntax`` if the user names one, else the configuration's own, else that of its family."""
    own = getattr(config, "unveil", None)
    if own is not None:
        family = PROFILES.get(config.model_type, Profile(""))
        profile = replace(family, syntax=own["syntax"], hint=own.get("hint", True))
    elif config.model_type in PROFILES:
        profile = PROFILES[config.model_type]
    elif syntax is None:
        known = ", ".join(SYNTAXES)
        raise ModelError(
            f"how {config.model_type!r} models write boxes is not known: name it with --box-format (one of {known})"
        )
    else:
        profile = Profile(syntax)
    if syntax is not None:
        profile = replace(profile, syntax=syntax)
    if profile.syntax not in SYNTAXES:
        raise ModelError(f"box syntax {profile.syntax!r} is not known: use one of {', '.join(SYNTAXES)}")
    return profile
