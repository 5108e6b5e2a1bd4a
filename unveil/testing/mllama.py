"""Llama 3.2 Vision: an image is one token of the row, and what the tower makes of it enters by cross-attention."""

from __future__ import annotations

from typing import Any

import torch
import transformers as tf
from tokenizers import Regex, pre_tokenizers
from transformers.models.mllama.image_processing_pil_mllama import MllamaImageProcessorPil

from unveil.testing.sizes import TINY, Size
from unveil.testing.vocabulary import ids_of, train_tokenizer

TOKENS = ["<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>", "<|python_tag|>"]
#: Llama 3 leaves line feeds together, whatever follows.
LINES = r"\s*[\r\n]+"
TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}<|start_header_id|>{{ m['role'] }}<|end_header_id|>\n\n"
    "{% for c in m['content'] %}{% if c['type'] == 'image' %}<|image|>{% else %}{{ c['text'] | trim }}{% endif %}"
    "{% endfor %}<|eot_id|>{% endfor %}"
    "{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}"
)


def mllama(size: Size = TINY) -> tuple[Any, Any]:
    """A layer of cross-attention between each two layers of Llama; the image's token is beyond the head's vocabulary.

    Gates are open, which are closed before training.
    """
    words = train_tokenizer(TOKENS, size, bos="<|begin_of_text|>", eos="<|eot_id|>")
    words.add_tokens(["<|image|>"], special_tokens=True)
    words.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(LINES), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    layers = 2 * size.layers - 1
    text = {**size.text, **ids_of(words), "bos_token_id": words.bos_token_id, "vocab_size": len(words) - 1}
    tower = {name: value for name, value in size.tower.items() if name != "num_attention_heads"}
    config = tf.MllamaConfig(
        vision_config={
            **tower,
            "attention_heads": size.hidden // size.head,
            "num_global_layers": 1,
            "intermediate_layers_indices": [0, 1],
            "vision_output_dim": 3 * size.hidden,
        },
        text_config={**text, "num_hidden_layers": layers, "cross_attention_layers": [*range(1, layers, 2)]},
        image_token_index=words.convert_tokens_to_ids("<|image|>"),
    )
    model = tf.MllamaForConditionalGeneration(config)
    with torch.no_grad():
        for name, gate in model.named_parameters():
            if "gate" in name and gate.dim() == 1:
                gate.fill_(0.7)
    return model, tf.MllamaProcessor(MllamaImageProcessorPil(**size.siglip), words, chat_template=TEMPLATE)
