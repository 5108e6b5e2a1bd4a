"""Tokenizers that are trained on the spot."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import transformers as tf
from tokenizers import Tokenizer, decoders, pre_tokenizers, processors, trainers
from tokenizers.models import BPE


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
