"""UMT5, the text encoder of Wan, outside of ComfyUI: transformers' network and sentencepiece's words, where installed.

One file as ComfyUI has it holds both: the weights under transformers' names, and the vocabulary as the bytes of a
sentencepiece model (`spiece_model`).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ...control.errors import UserError
from ..weights.quantized import dequantize
from ..weights.tensor_file import PathLike, check_fit, parse_header, read_tensors

LENGTH = 512  # tokens that Wan reads
END = 1
FILE = "umt5_xxl_fp16.safetensors"
VOCABULARY = "spiece_model"


class UMT5(nn.Module):
    """Texts to (B, LENGTH, width), zero behind the end of each, as Wan reads them."""

    def __init__(self, network: nn.Module, words: Any, length: int = LENGTH):
        super().__init__()
        self.network = network
        self.words = words  # sentencepiece.SentencePieceProcessor
        self.length = length

    @torch.no_grad()
    def encode(self, texts: Sequence[str]) -> torch.Tensor:
        """Return (B, LENGTH, width) for a list of texts; longer ones are cut."""
        rows = [[*self.words.encode(text)[: self.length - 1], END] for text in texts]
        device = next(self.network.parameters()).device
        ids = torch.zeros(len(rows), self.length, dtype=torch.int64, device=device)
        mask = torch.zeros_like(ids)
        for i, row in enumerate(rows):
            ids[i, : len(row)] = torch.tensor(row)
            mask[i, : len(row)] = 1
        states: torch.Tensor = self.network(input_ids=ids, attention_mask=mask).last_hidden_state
        return states * mask[..., None].to(states.dtype)


def load_umt5(
    path: PathLike | None, width: int, device: str | torch.device = "cpu", dtype: torch.dtype = torch.float32
) -> UMT5:
    """Return the UMT5 of a file, whose states are `width` wide, ready to use.

    Raises UserError where no file is given, for one that is damaged or something else, and where transformers or
    sentencepiece is not installed.
    """
    if path is None:
        raise UserError(
            f"A Wan model reads its words from UMT5: give its file ({FILE}, of ComfyUI's folder models/text_encoders) "
            f"with --text-encoder, or use Wan and condition file in ComfyUI, which has a loader for it."
        )
    shapes = parse_header(path).shapes
    if "shared.weight" not in shapes or VOCABULARY not in shapes:
        raise UserError(
            f"'{path}' is not UMT5 with its vocabulary (it lacks "
            f"'{'shared.weight' if 'shared.weight' not in shapes else VOCABULARY}'). Choose {FILE}, or its fp8 file."
        )
    config, network_class, words = _libraries()
    tensors = read_tensors(path)
    _read_vocabulary(words, tensors.pop(VOCABULARY), shapes["shared.weight"][0], path)
    weights = dequantize(tensors, parse_header(path).metadata, path)
    weights["encoder.embed_tokens.weight"] = weights["shared.weight"]
    with torch.device("meta"):
        network = network_class(config(**_sizes(shapes, path)))
    known = {name: value for name, value in weights.items() if name != "logit_scale"}
    check_fit(network, {name: tuple(value.shape) for name, value in known.items()}, path, "UMT5 of its own size")
    network.load_state_dict({name: value.to(device, dtype) for name, value in known.items()}, assign=True)
    if network.config.d_model != width:
        raise UserError(
            f"'{Path(path).name}' gives words of width {network.config.d_model}, but the model reads {width}. Choose "
            f"{FILE}."
        )
    return UMT5(network.eval().requires_grad_(False), words)


def _read_vocabulary(words: Any, stored: torch.Tensor, rows: int, path: PathLike) -> None:
    """Fill a sentencepiece processor from the bytes in a file. Raises UserError where there are no `rows` for it."""
    try:
        words.LoadFromSerializedProto(stored.numpy().tobytes())
        readable = words.vocab_size() <= rows
    except RuntimeError:
        readable = False
    if not readable:
        raise UserError(f"'{path}' has a vocabulary that cannot be read. Download or copy it again.")


def _libraries() -> tuple[Any, Any, Any]:
    """Return transformers' config and network, and an empty sentencepiece processor."""
    try:
        from sentencepiece import SentencePieceProcessor
        from transformers import UMT5Config, UMT5EncoderModel
    except ImportError as error:
        raise UserError(
            f"Wan's text encoder needs {error.name or 'transformers'}: pip install transformers sentencepiece, or use "
            f"Wan and condition file in ComfyUI."
        ) from error
    return UMT5Config, UMT5EncoderModel, SentencePieceProcessor()


def _sizes(shapes: dict[str, tuple[int, ...]], path: PathLike) -> dict[str, Any]:
    """Return the entries of transformers' config, from the shapes of the weights."""
    block = "encoder.block.0.layer"
    try:
        buckets, heads = shapes[f"{block}.0.SelfAttention.relative_attention_bias.weight"]
        inner, width = shapes[f"{block}.0.SelfAttention.q.weight"]
        feed_forward = shapes[f"{block}.1.DenseReluDense.wi_0.weight"][0]
    except (KeyError, ValueError) as error:
        raise UserError(f"'{path}' is not UMT5: it lacks weights of its first block. Choose {FILE}.") from error
    layers = {int(name.split(".")[2]) for name in shapes if name.startswith("encoder.block.")}
    return {
        "vocab_size": shapes["shared.weight"][0],
        "d_model": width,
        "d_kv": inner // max(1, heads),
        "d_ff": feed_forward,
        "num_layers": len(layers),
        "num_heads": heads,
        "relative_attention_num_buckets": buckets,
        "feed_forward_proj": "gated-gelu",
        "dropout_rate": 0.0,
    }
