"""What several processors share. Chat templates are those of the published models, shortened."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from unittest import mock

#: ChatML, as several families write it; ``image`` is what stands for the image.
IM_TEMPLATE = (
    "{{% for m in messages %}}<|im_start|>{{{{ m['role'] }}}}\n{{% for c in m['content'] %}}"
    "{{% if c['type'] == 'image' %}}{image}{{% else %}}{{{{ c['text'] }}}}{{% endif %}}{{% endfor %}}"
    "<|im_end|>\n{{% endfor %}}{{% if add_generation_prompt %}}<|im_start|>assistant\n{{% endif %}}"
)


def stills(kind: type, **of_videos: object) -> type:
    """A processor class without its part for videos, which needs torchvision; ``of_videos`` is asked of that part."""

    def attributes(cls: type) -> list[str]:
        return ["image_processor", "tokenizer"]

    videos = SimpleNamespace(num_frames=1, fps=1, **of_videos)  # SmolVLM's asks for the two although there is no video
    return type(kind.__name__, (kind,), {"get_attributes": classmethod(attributes), "video_processor": videos})


def partly(kind: Any, parts: list[str], *args: Any, **options: Any) -> Any:
    """A processor of a class of ``stills`` that names more ``parts`` than it has here; None stands for each other."""
    with (
        mock.patch.object(kind, "get_attributes", staticmethod(lambda: parts)),
        mock.patch.object(kind, "check_argument_for_proper_class", lambda *_: None),
    ):
        return kind(*args, **options)
