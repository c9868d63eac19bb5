"""A GGUF file of a tiny random Llama: a few dozen kilobytes, read by the same code as a real one."""

from pathlib import Path

import gguf
import numpy as np
from transformers.convert_slow_tokenizer import bytes_to_unicode

from tests.tiny import CHAT_TEMPLATE

_HIDDEN, _INTER, _LAYERS, _HEADS = 32, 64, 2, 2
_TOKENS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", *bytes_to_unicode().values(), "he"]


def write_tiny_gguf(path: Path, *, template: str | None = CHAT_TEMPLATE, drop: str | None = None) -> Path:
    """Write the file; ``drop`` names a tensor to leave out, ``template`` None leaves out the chat template."""
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_block_count(_LAYERS)
    writer.add_context_length(256)
    writer.add_embedding_length(_HIDDEN)
    writer.add_feed_forward_length(_INTER)
    writer.add_head_count(_HEADS)
    writer.add_head_count_kv(_HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(10000.0)
    writer.add_vocab_size(len(_TOKENS))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(_TOKENS)
    writer.add_token_types([3] * 3 + [1] * (len(_TOKENS) - 3))
    writer.add_token_merges(["h e"])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_pad_token_id(2)
    writer.add_unk_token_id(0)
    if template is not None:
        writer.add_chat_template(template)
    random = np.random.default_rng(0)
    for name, shape in _shapes().items():
        if name != drop:
            writer.add_tensor(name, random.standard_normal(shape, dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _shapes() -> dict[str, tuple[int, ...]]:
    square = (_HIDDEN, _HIDDEN)
    shapes: dict[str, tuple[int, ...]] = {
        "token_embd.weight": (len(_TOKENS), _HIDDEN),
        "output_norm.weight": (_HIDDEN,),
    }
    for layer in range(_LAYERS):
        parts = {
            "attn_norm": (_HIDDEN,),
            "ffn_norm": (_HIDDEN,),
            "attn_q": square,
            "attn_k": square,
            "attn_v": square,
            "attn_output": square,
            "ffn_gate": (_INTER, _HIDDEN),
            "ffn_up": (_INTER, _HIDDEN),
            "ffn_down": (_HIDDEN, _INTER),
        }
        shapes |= {f"blk.{layer}.{part}.weight": shape for part, shape in parts.items()}
    return shapes
