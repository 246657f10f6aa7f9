"""The byte-level text encoder in the shape of a ComfyUI CLIP: tokenizer and encoder classes for `comfy.sd.CLIP`.

`Any` marks options and tokens in the host's own form.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import comfy.model_management
import comfy.ops
import torch
from comfy.sd1_clip import escape_important, token_weights, unescape_important

from ...models.conditioning.text import BYTES, END, LENGTH, PAD, TextEncoder, tokenize

NAME = "fulldit_bytes"


class ByteTokenizer:
    """Text to (byte id, weight) pairs; `(word:1.2)` weighs, `\\(` and `\\)` are parentheses."""

    def __init__(self, embedding_directory: Any = None, tokenizer_data: Any = None):
        self.length = LENGTH

    def tokenize_with_weights(self, text: str, return_word_ids: bool = False, **kwargs: Any) -> dict[str, list[Any]]:
        """Return {name: [one list of pairs]}, cut and padded to the encoder's length as
        `models.conditioning.text.tokenize` does."""
        weights: list[float] = []
        content = b""
        for part, weight in token_weights(escape_important(text), 1.0):
            ids = tokenize(unescape_important(part), length=4 * len(part) + 2)
            part_bytes = bytes(int(i) - BYTES for i in ids if i not in (PAD, END))
            content += part_bytes
            weights += [float(weight)] * len(part_bytes)
        # Tokenized once more as a whole, which cuts between characters.
        ids = tokenize(content.decode("utf-8", errors="replace"), self.length)
        weights = weights[: self.length] + [1.0] * (self.length - len(weights))
        pairs = [(int(i), w if i not in (PAD, END) else 1.0) for i, w in zip(ids, weights, strict=True)]
        return {NAME: [[(*pair, 0) for pair in pairs] if return_word_ids else pairs]}

    def untokenize(self, token_weight_pair: list[tuple[int, float]]) -> list[tuple[tuple[int, float], str]]:
        """Return each pair with the character of its byte."""
        return [(pair, chr(pair[0] - BYTES) if pair[0] >= BYTES else "") for pair in token_weight_pair]

    def decode(self, token_ids: Iterable[int], skip_special_tokens: bool = True) -> str:
        """Return the text of ids."""
        return bytes(int(i) - BYTES for i in token_ids if int(i) >= BYTES).decode("utf-8", errors="replace")

    def state_dict(self) -> dict[str, torch.Tensor]:
        """Return no weights: the tokenizer has none."""
        return {}


def encoder_class(dim: int) -> type[torch.nn.Module]:
    """Return the class that `comfy.sd.CLIP` builds, for an encoder of this width."""

    class ByteEncoder(torch.nn.Module):
        def __init__(
            self,
            device: torch.device | str = "cpu",
            dtype: torch.dtype = torch.float32,
            model_options: dict[str, Any] | None = None,
        ):
            super().__init__()
            operations = (model_options or {}).get("custom_operations", comfy.ops.manual_cast)
            self.text_encoder = TextEncoder(dim=dim, operations=operations, device=device, dtype=dtype)
            self.dtypes = {dtype}
            self.execution_device: torch.device | None = None

        def set_clip_options(self, options: dict[str, Any]) -> None:
            self.execution_device = options.get("execution_device", self.execution_device)

        def reset_clip_options(self) -> None:
            self.execution_device = None

        def encode_token_weights(self, tokens: dict[str, list[Any]]) -> tuple[torch.Tensor, None]:
            """Return (1, n, dim), and no pooled vector."""
            rows = tokens[NAME]
            device = self.execution_device or self.text_encoder.position.device
            ids = torch.tensor([[pair[0] for pair in row] for row in rows], device=device)
            weights = torch.tensor([[pair[1] for pair in row] for row in rows], device=device)
            out = self.text_encoder(ids, weights)
            return out.float().to(comfy.model_management.intermediate_device()), None

        def load_sd(self, sd: dict[str, torch.Tensor]) -> Any:
            return self.text_encoder.load_state_dict(sd, strict=False, assign=getattr(self, "can_assign_sd", False))

    return ByteEncoder
