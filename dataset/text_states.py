"""What a text encoder makes of captions, cached with the clips: for models whose encoder is too large to train beside.

Wan reads UMT5-XXL: 512 tokens, zeros behind the text's own. Letters: n tokens, D width.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from ..control.errors import UserError
from ..models.devices import pick_device, pick_dtype

LENGTH = 512  # tokens that Wan reads


def open_text_encoder(place: str, length: int = LENGTH) -> Callable[[str], torch.Tensor]:
    """Return a T5 or UMT5 encoder of a folder or repository (of transformers) as a function of a text.

    It gives the states (length, D) bfloat16 of the text's tokens, with zeros behind them, as Wan's pipelines do. Raises
    UserError where it cannot be loaded.
    """
    try:
        import transformers
    except ImportError as error:
        raise UserError("text states need the library 'transformers': pip install transformers") from error
    device = pick_device()
    module: Any = transformers
    try:
        tokenizer = module.AutoTokenizer.from_pretrained(place)
        encoder = module.AutoModelForTextEncoding.from_pretrained(place, dtype=pick_dtype(device)).to(device).eval()
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"'{place}' is not a text encoder of transformers ({str(error)[:200]})") from error

    @torch.no_grad()
    def encode(text: str) -> torch.Tensor:
        tokens = tokenizer(" ".join(text.split()), truncation=True, max_length=length, return_tensors="pt").to(device)
        padded = torch.zeros(length, encoder.config.d_model, dtype=torch.bfloat16)
        if tokens.input_ids.shape[1]:  # a tokenizer may give no token for no words
            states = encoder(input_ids=tokens.input_ids, attention_mask=tokens.attention_mask).last_hidden_state[0]
            padded[: len(states)] = states.to("cpu", torch.bfloat16)
        return padded

    return encode


def without_padding(states: torch.Tensor) -> torch.Tensor:
    """Return the states (n, D) of a text without the zeros behind them, at least one."""
    used = states.ne(0).any(1).nonzero()
    return states[: int(used.max()) + 1 if len(used) else 1].clone()
