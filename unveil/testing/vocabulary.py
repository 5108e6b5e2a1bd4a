"""Tokenizers that are trained on the spot, on a few sentences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import transformers as tf
from tokenizers import Tokenizer, decoders, pre_tokenizers, processors, trainers
from tokenizers.models import BPE

from unveil.testing.sizes import Size

SENTENCES = (
    "Is anything abnormal in this image?",
    "Where is the nodule? Name the finding. What is in this region?",
    "Detection: abnormal.\nLocalisation: none.\nRecognition: nodule; cyst (round, sharp edge).",
    "user\n\n\nmodel\n\nassistant\nUser: Assistant: USER: ASSISTANT: Yes. No.",
)


def byte_level(
    texts: Sequence[str],
    special: Sequence[str],
    longest: int,
    *,
    bos: str | None = None,
    eos: str = "<end>",
    size: int = 320,
    bins: int = 0,
    **options: Any,
) -> Any:
    """Byte-level BPE of at most ``size`` tokens, and ``bins`` box tokens besides; rows of ``longest`` at the most.

    ``bos`` is put before every text, as by Llama's and Gemma's tokenizers.
    """
    special = list(dict.fromkeys(["<pad>", eos, *([bos] if bos else []), *special]))
    bpe = Tokenizer(BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=size, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    bpe.train_from_iterator(texts, trainer)
    bpe.add_tokens([f"<b{i}>" for i in range(bins)])
    if bos:
        bpe.post_processor = processors.TemplateProcessing(
            single=f"{bos} $A", special_tokens=[(bos, bpe.token_to_id(bos))]
        )
    return tf.PreTrainedTokenizerFast(
        tokenizer_object=bpe, pad_token="<pad>", eos_token=eos, bos_token=bos, model_max_length=longest, **options
    )


def train_tokenizer(special: list[str], size: Size, **options: Any) -> Any:
    """A tokenizer that knows the texts of the tests and the tiny base model's box tokens."""
    texts = [*SENTENCES * 4, *["a\n\nb", "a\n\n\nb"] * 40]  # so that runs of line feeds are one token
    return byte_level(texts, special, size.longest, bins=64, **options)


def ids_of(words: Any) -> dict[str, Any]:
    """What a language model's configuration tells of its tokenizer."""
    return {"vocab_size": len(words), "eos_token_id": words.eos_token_id, "pad_token_id": words.pad_token_id}
