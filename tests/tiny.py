"""Tiny random-weight models, made on the spot: fast, exact, and of every family that has a path of its own."""

from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AutoModelForCausalLM, PretrainedConfig, PreTrainedTokenizerFast, Qwen2Config, Qwen3Config
from transformers.models.gemma3 import Gemma3TextConfig
from transformers.models.gpt_neox import GPTNeoXConfig
from transformers.models.llama import LlamaConfig
from transformers.models.mistral import MistralConfig

CHAT_TEMPLATE = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
_CORPUS = ["the smith and the miller quarrel over the water of the mill", "Greta says: two days. Don't rush iron."]
_COMMON = {
    "vocab_size": 320,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "max_position_embeddings": 1024,
    "tie_word_embeddings": True,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 2,
}


def configs() -> dict[str, PretrainedConfig]:
    """One configuration per family: four that are Llama-shaped, three that are not."""
    neox = {k: v for k, v in _COMMON.items() if k not in {"num_key_value_heads", "head_dim"}}
    return {
        "llama": LlamaConfig(**_COMMON),
        "qwen2": Qwen2Config(**_COMMON),
        "qwen3": Qwen3Config(**_COMMON),
        "mistral": MistralConfig(**_COMMON, sliding_window=None),
        "gpt_neox": GPTNeoXConfig(**neox),
        "gemma3": Gemma3TextConfig(**_COMMON, sliding_window=16, query_pre_attn_scalar=16),
        "windowed": Qwen2Config(**_COMMON, use_sliding_window=True, sliding_window=24, max_window_layers=1),
    }


def make_tiny(folder: Path, family: str = "llama", seed: int = 0) -> Path:
    """Write a random model of ``family`` with tokenizer and chat template into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(seed)
    # Large weights, so that the greedy choice depends on the whole context and not on ties.
    model = AutoModelForCausalLM.from_config(configs()[family], dtype=torch.float32)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.normal_(std=0.2)
    model.save_pretrained(folder)
    _tokenizer().save_pretrained(folder)
    return folder


def _tokenizer() -> PreTrainedTokenizerFast:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=320,
        special_tokens=["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_CORPUS, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<|im_start|>",
        eos_token="<|im_end|>",
        unk_token="<|endoftext|>",
        chat_template=CHAT_TEMPLATE,
    )
