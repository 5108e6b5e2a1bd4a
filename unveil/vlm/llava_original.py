"""Models of the LLaVA program as models of transformers: weights under other names, not one of them computed anew.

LLaVA-1.5 (arXiv 2310.03744, ``llava_llama``) and LLaVA-Med 1.5 (arXiv 2306.00890, ``llava_mistral``), the bases of
STLLaVA-Med and MMedPO, are a Llama or a Mistral to whose configuration and weights a CLIP tower and a projector of two
layers were added. Transformers has the same as ``llava``. A weight that has no place there, or a place without a
weight, is an error that names it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers as tf
from safetensors import SafetensorError, safe_open
from torch import Tensor
from transformers import AddedToken, AutoConfig, AutoImageProcessor, AutoTokenizer, PreTrainedModel

from unveil.core.untrusted import listed, quoted, read_object
from unveil.vlm.families import ModelError
from unveil.vlm.models import unfilled
from unveil.vlm.unfit import PROCESSOR, cut_off

IMAGE = "<image>"
#: By ``model_type`` of the original, that of its language model. LLaVA-1.5 was first published as ``llava``.
LANGUAGE = {"llava_mistral": "mistral", "llava_llama": "llama", "llava": "llama"}
#: Names of the original and of transformers; those of the tower are the tower's own behind it.
_NAMES = (
    (re.compile(r"model\.(?=(?:embed_tokens|layers|norm)\.)"), "model.language_model."),
    (re.compile(r"(?=lm_head\.)"), ""),
    (re.compile(r"model\.mm_projector\.0\."), "model.multi_modal_projector.linear_1."),
    (re.compile(r"model\.mm_projector\.2\."), "model.multi_modal_projector.linear_2."),
)
_TOWER = re.compile(r"model\.vision_tower\.vision_tower\.vision_model\.")
#: Tables that any model computes for itself, and a row that is added to tiles of an image only, of which 1.5 has none.
_COMPUTED = re.compile(r".*\.(rotary_emb\.inv_freq|position_ids)|model\.image_newline")
#: The tower within what it may be given in: a CLIP with its text model, the tower alone, another LLaVA.
_TOWER_ELSEWHERE = re.compile(r"(?:model\.)?(?:vision_tower\.)?vision_model\.")
_BESIDE_TOWER = re.compile(r"text_model\.|visual_projection\.|text_projection\.|logit_scale|language_model\.|lm_head\.|"
                           r"multi_modal_projector\.|model\.(?!vision_tower\.)")  # fmt: skip

_TEXT = "{% for c in m['content'] if c['type'] == 'text' %}{{ c['text'] }}{% endfor %}"
_SEEN = "{% for c in m['content'] if c['type'] == 'image' %}{{ '<image>\\n' }}{% endfor %}" + _TEXT
_ROLES = (
    "{{{{ bos_token + {before!r} }}}}{{% for m in messages %}}{{% if m['role'] == 'user' %}}{user}"
    "{{% elif m['role'] == 'assistant' %}}{assistant}"
    "{{% else %}}{{{{ raise_exception('it was taught no role but user and assistant') }}}}{{% endif %}}{{% endfor %}}"
)
#: The conversations that they were tuned on, by the names that LLaVA's program gives them.
TEMPLATES = {
    "mistral_instruct": _ROLES.format(before="", user=f"[INST] {_SEEN} [/INST]", assistant=f" {_TEXT} </s>"),
    "vicuna_v1": _ROLES.format(
        before="A chat between a curious user and an artificial intelligence assistant. "
        "The assistant gives helpful, detailed, and polite answers to the user's questions. ",
        user=f"USER: {_SEEN} ",
        assistant=f"ASSISTANT: {_TEXT}</s>",
    )
    + "{% if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}",
}
CONVERSATION = {"mistral": "mistral_instruct", "llama": "vicuna_v1"}


@dataclass(frozen=True)
class Converted:
    """A model of transformers, its processor, and what is worth telling of it."""

    model: PreTrainedModel
    processor: Any
    kind: str
    """Its family as it was published."""
    tower: str
    """Where the weights of the vision tower are from."""
    template: str
    image_token: int


def convert(folder: Path, tower: Path | None = None) -> Converted:
    """The model in a folder of the LLaVA program, in the type that its embeddings are kept in.

    ``tower`` is the folder of its CLIP tower, where its own weights are not among the model's. Raises ``ModelError``
    for another family or layout, for pickled weights, and for each weight that is too many or missing.
    """
    about = read_object(folder / "config.json")
    language = _refused(folder, about)
    with ExitStack() as stack:
        source = {key: value for key, value in _weights(folder, stack).items() if not _COMPUTED.fullmatch(key)}
        inside = {_TOWER.sub("", key): value for key, value in source.items() if _TOWER.match(key)}
        rest = {key: value for key, value in source.items() if not _TOWER.match(key)}
        given = _given_tower(tower, stack) if tower else {}
        if not inside and not given:
            raise ModelError(
                f"{folder}: it came without the weights of its vision tower, "
                f"{quoted(about.get('mm_vision_tower'))}: name the folder that holds them by --tower"
            )
        seeing = inside or given
        tokenizer, image_token = _tokenizer(folder)
        text = _text_config(about, language)
        config = _config(about, text, _tower_config(tower, seeing, str(about.get("mm_vision_tower"))), image_token)
        renamed = {_renamed(key, folder): value for key, value in rest.items()}
        model = unfilled(config)
        places = model.state_dict()
        prefix = _prefix(places)
        renamed |= {prefix + key: value for key, value in seeing.items()}
        _check(
            folder,
            {key: value.shape for key, value in renamed.items()},
            places,
            tower if given and not inside else None,
        )
        dtype = renamed["model.language_model.embed_tokens.weight"].dtype
        values = {key: value[:].to(dtype) for key, value in renamed.items()}
    filled = _with_image(model, values, image_token)
    config.dtype = dtype
    template = CONVERSATION[language]
    processor = tf.LlavaProcessor(
        _eyes(tower, config.vision_config),
        tokenizer,
        patch_size=config.vision_config.patch_size,
        vision_feature_select_strategy=config.vision_feature_select_strategy,
        num_additional_image_tokens=1,
        chat_template=TEMPLATES[template],
    )
    where = "its own" if inside else str(tower)
    return Converted(filled, processor, str(about["model_type"]), where, template, image_token)


def _refused(folder: Path, about: Mapping[str, Any]) -> str:
    """The family of the language model; raises ``ModelError`` for what ``llava`` cannot hold."""
    kind = about.get("model_type")
    if kind not in LANGUAGE or "text_config" in about:
        raise ModelError(f"{folder}: {kind} models are not converted, only those of {', '.join(LANGUAGE)} as published")
    if (folder / "adapter_config.json").is_file() or (folder / "non_lora_trainables.bin").is_file():
        raise ModelError(
            f"{folder}: an adapter of the LLaVA program: merge it there first (scripts/merge_lora_weights.py)"
        )
    if (projector := about.get("mm_projector_type", "linear")) != "mlp2x_gelu":
        raise ModelError(f"{folder}: its projector is {quoted(projector)}, and llava has mlp2x_gelu alone")
    if str(about.get("mm_patch_merge_type", "flat")) != "flat":
        raise ModelError(f"{folder}: it cuts images into tiles (LLaVA-1.6), which is another family")
    if about.get("mm_use_im_start_end"):
        raise ModelError(f"{folder}: it writes tokens around an image (mm_use_im_start_end), which llava does not")
    return LANGUAGE[str(kind)]


# ------------------------------------------------------------------------------------------------------------ weights


def _weights(folder: Path, stack: ExitStack) -> dict[str, Any]:
    """The weights of a folder by their names, each read when it is asked for (``value[:]``)."""
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        pickled = sorted(file.name for file in folder.glob("*.bin"))
        hint = f"its weights are pickled ({listed(pickled)}), and pickles are never opened: save them as safetensors"
        raise ModelError(f"{folder}: {hint if pickled else 'it holds no safetensors'}")
    found: dict[str, Any] = {}
    for file in files:
        try:
            weights = stack.enter_context(safe_open(file, framework="pt"))
        except SafetensorError as error:
            raise cut_off(file, error) from error
        for key in weights.keys():  # noqa: SIM118
            if key in found:
                raise ModelError(f"{file}: {key} stands in another file too")
            found[key] = _Weight(weights, key)
    return found


class _Weight:
    """A weight in a file, of which shape and type are known before it is read."""

    def __init__(self, weights: Any, key: str):
        self.weights, self.key = weights, key
        self.shape: tuple[int, ...] = tuple(weights.get_slice(key).get_shape())

    @property
    def dtype(self) -> torch.dtype:
        found: torch.dtype = self[:0].dtype
        return found

    def __getitem__(self, part: slice) -> Tensor:
        value: Tensor = self.weights.get_slice(self.key)[part] if self.shape else self.weights.get_tensor(self.key)
        return value


def _renamed(key: str, folder: Path) -> str:
    for pattern, name in _NAMES:
        if pattern.match(key):
            return pattern.sub(name, key, count=1)
    raise ModelError(f"{folder}: the weight {key} has no place in llava")


def _given_tower(folder: Path, stack: ExitStack) -> dict[str, Any]:
    """The weights of a CLIP tower by its own names, from a folder of it, of a whole CLIP, or of another LLaVA."""
    found = {key: value for key, value in _weights(folder, stack).items() if not _COMPUTED.fullmatch(key)}
    strange = [key for key in found if not _TOWER_ELSEWHERE.match(key) and not _BESIDE_TOWER.match(key)]
    if strange:
        raise ModelError(f"--tower {folder}: the weight {strange[0]} is none of a CLIP tower")
    return {_TOWER_ELSEWHERE.sub("", key): value for key, value in found.items() if _TOWER_ELSEWHERE.match(key)}


def _prefix(places: Mapping[str, Any]) -> str:
    """What stands before the names of a tower's weights, which differs between versions of transformers."""
    [name] = [key for key in places if key.endswith("embeddings.class_embedding")]
    return name.removesuffix("embeddings.class_embedding")


def _check(
    folder: Path, found: Mapping[str, tuple[int, ...]], places: Mapping[str, Tensor], tower: Path | None
) -> None:
    """Raises ``ModelError`` where weights and places are not the same, or not of the same shapes."""
    where = f"{folder}" + (f" with --tower {tower}" if tower else "")
    if missing := sorted(places.keys() - found.keys()):
        raise ModelError(f"{where}: {len(missing)} weights are missing ({listed(missing)})")
    if beyond := sorted(found.keys() - places.keys()):
        raise ModelError(f"{where}: {len(beyond)} weights have no place in llava ({listed(beyond)})")
    for key, shape in found.items():
        if tuple(shape) != tuple(places[key].shape):
            raise ModelError(f"{where}: {key} is {list(shape)}, and config.json says {list(places[key].shape)}")


def _with_image(model: PreTrainedModel, values: dict[str, Tensor], image_token: int) -> PreTrainedModel:
    """The model filled, with a row for the image's token behind its vocabulary where it has none.

    The row is the mean of the others. The image's features take its place before the language model sees it. As an
    answer it is, by Jensen's inequality, less likely than one token in the vocabulary on average, so that it takes no
    more than 1 / (V + 1) from the probabilities of the others.
    """
    text = model.config.get_text_config()
    for key in ("model.language_model.embed_tokens.weight", "lm_head.weight"):
        rows = values[key]
        if (new := image_token + 1 - len(rows)) > 0:
            mean = rows.float().mean(0, keepdim=True).to(rows.dtype)
            values[key] = torch.cat([rows, mean.expand(new, -1)])
    text.vocab_size = len(values["lm_head.weight"])
    filled = unfilled(model.config)
    filled.load_state_dict(values, strict=True, assign=True)
    return filled.eval()


# --------------------------------------------------------------------------------------------- configuration, processor


def _text_config(about: Mapping[str, Any], language: str) -> Any:
    kind: Any = type(AutoConfig.for_model(language))
    known = {*kind().to_dict(), "rope_theta", "rope_scaling"} - {"model_type", "architectures", "transformers_version"}
    return kind.from_dict({key: value for key, value in about.items() if key in known} | {"tie_word_embeddings": False})


def _tower_config(folder: Path | None, weights: Mapping[str, Any], name: str) -> Any:
    """That of the folder of a tower, else of one with OpenAI's ``name`` what the shapes of its weights tell.

    OpenAI's have heads of 64 and ``quick_gelu``, others (LAION's) may not: raises ``ModelError``.
    """
    if folder is not None and (folder / "config.json").is_file():
        about = read_object(folder / "config.json")
        return tf.CLIPVisionConfig.from_dict(about.get("vision_config", about) | {"model_type": "clip_vision_model"})
    if not name.startswith("openai/"):
        raise ModelError(
            f"its vision tower is {quoted(name)}, whose weights do not tell heads and activation, as they do only of "
            f"OpenAI's: name the folder with its config.json by --tower"
        )
    needed = ("embeddings.class_embedding", "embeddings.patch_embedding.weight", "embeddings.position_embedding.weight",
              "encoder.layers.0.mlp.fc1.weight")  # fmt: skip
    if missing := [key for key in needed if key not in weights]:
        raise ModelError(f"the vision tower is no CLIP: it has no {missing[0]}")
    shapes = {key: weights[key].shape for key in needed}
    (width,), patch = shapes[needed[0]], shapes[needed[1]][-1]
    layers = {key.split(".")[2] for key in weights if key.startswith("encoder.layers.")}
    return tf.CLIPVisionConfig(
        hidden_size=width,
        intermediate_size=shapes[needed[3]][0],
        num_hidden_layers=len(layers),
        num_attention_heads=max(1, width // 64),
        patch_size=patch,
        image_size=patch * math.isqrt(shapes[needed[2]][0] - 1),
    )


def _config(about: Mapping[str, Any], text: Any, tower: Any, image_token: int) -> Any:
    select = {"patch": "default", "cls_patch": "full"}[about.get("mm_vision_select_feature") or "patch"]
    return tf.LlavaConfig(
        text_config=text,
        vision_config=tower,
        image_token_index=image_token,
        projector_hidden_act="gelu",
        vision_feature_layer=about.get("mm_vision_select_layer", -2),
        vision_feature_select_strategy=select,
        image_seq_length=(tower.image_size // tower.patch_size) ** 2 + (select == "full"),
        tie_word_embeddings=False,
        architectures=["LlavaForConditionalGeneration"],
    )


def _tokenizer(folder: Path) -> tuple[Any, int]:
    """The tokenizer with a token for images, and its id; a tokenizer without a token for padding pads with another."""
    try:
        words = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    except (OSError, ValueError, ImportError) as error:
        hint = ": pip install sentencepiece" if "sentencepiece" in str(error) else ""
        raise ModelError(f"{folder}: its tokenizer cannot be loaded{hint}: {error}") from error
    words.add_tokens([AddedToken(IMAGE, special=True, normalized=False)], special_tokens=True)
    if words.pad_token is None:
        words.pad_token = words.unk_token or words.eos_token
    return words, words.convert_tokens_to_ids(IMAGE)


def _eyes(tower: Path | None, config: Any) -> Any:
    """CLIP's image processor: that of the tower's folder, else as CLIP is published, for images of this size."""
    if tower is not None and any((tower / file).is_file() for file in PROCESSOR):
        return AutoImageProcessor.from_pretrained(tower, trust_remote_code=False)
    side = config.image_size
    return tf.CLIPImageProcessorPil(size={"shortest_edge": side}, crop_size={"height": side, "width": side})


def told(made: Converted) -> Iterator[str]:
    """What was made, in words."""
    weights = sum(weight.numel() for weight in made.model.parameters())
    dtype = str(made.model.dtype).removeprefix("torch.")
    yield f"{made.kind} as llava: {weights:,} weights in {dtype}; the vision tower's are {made.tower}"
    yield f"it is asked in the form of {made.template}; {IMAGE} is token {made.image_token}"
