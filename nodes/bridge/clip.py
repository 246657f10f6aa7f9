"""The byte-level text encoder in the shape of a ComfyUI CLIP: tokenizer and encoder classes for `comfy.sd.CLIP`."""

from __future__ import annotations

from typing import Any

import comfy.model_management
import comfy.ops
import torch
from comfy.sd1_clip import escape_important, token_weights, unescape_important

from ...models.conditioning.text import BYTES, END, LENGTH, PAD, TextEncoder, tokenize

NAME = "fulldit_bytes"


class ByteTokenizer:
    """Text to (byte id, weight) pairs; `(word:1.2)` weighs, `\\(` and `\\)` are parentheses."""

    def __init__(self, embedding_directory=None, tokenizer_data=None):
        self.length = LENGTH

    def tokenize_with_weights(self, text: str, return_word_ids: bool = False, **kwargs: Any) -> dict[str, list]:
        """{name: [one list of pairs]}, cut and padded to the encoder's length as models.text.tokenize does."""
        pairs: list[tuple[int, float]] = []
        for part, weight in token_weights(escape_important(text), 1.0):
            ids = tokenize(unescape_important(part), length=4 * len(part) + 2)
            pairs += [(int(i), float(weight)) for i in ids if i not in (PAD, END)]
        # Cut between characters, as the tokenizer does.
        whole = bytes(i - BYTES for i, _ in pairs).decode("utf-8", errors="replace")
        ids = tokenize(whole, self.length)
        weights = [weight for _, weight in pairs][: self.length]
        weights += [1.0] * (self.length - len(weights))
        rows = [(int(i), w if i not in (PAD, END) else 1.0) for i, w in zip(ids, weights, strict=True)]
        if return_word_ids:
            return {NAME: [[(i, w, 0) for i, w in rows]]}
        return {NAME: [rows]}

    def untokenize(self, token_weight_pair: list) -> list:
        """Pairs with the character of each byte."""
        return [(pair, chr(pair[0] - BYTES) if pair[0] >= BYTES else "") for pair in token_weight_pair]

    def decode(self, token_ids: Any, skip_special_tokens: bool = True) -> str:
        """Ids back to text."""
        return bytes(int(i) - BYTES for i in token_ids if int(i) >= BYTES).decode("utf-8", errors="replace")

    def state_dict(self) -> dict:
        return {}


def encoder_class(dim: int) -> type[torch.nn.Module]:
    """The class that `comfy.sd.CLIP` builds, for an encoder of this width."""

    class ByteEncoder(torch.nn.Module):
        def __init__(self, device="cpu", dtype=torch.float32, model_options=None):
            super().__init__()
            operations = (model_options or {}).get("custom_operations", comfy.ops.manual_cast)
            self.text_encoder = TextEncoder(dim=dim, operations=operations, device=device, dtype=dtype)
            self.dtypes = {dtype}
            self.execution_device = None

        def set_clip_options(self, options: dict) -> None:
            self.execution_device = options.get("execution_device", self.execution_device)

        def reset_clip_options(self) -> None:
            self.execution_device = None

        def encode_token_weights(self, tokens: dict[str, list]):
            """(1, n, dim) and no pooled vector."""
            rows = tokens[NAME]
            device = self.execution_device or self.text_encoder.position.device
            ids = torch.tensor([[pair[0] for pair in row] for row in rows], device=device)
            weights = torch.tensor([[pair[1] for pair in row] for row in rows], device=device)
            out = self.text_encoder(ids, weights)
            return out.float().to(comfy.model_management.intermediate_device()), None

        def load_sd(self, sd: dict[str, torch.Tensor]):
            return self.text_encoder.load_state_dict(sd, strict=False, assign=getattr(self, "can_assign_sd", False))

    return ByteEncoder
