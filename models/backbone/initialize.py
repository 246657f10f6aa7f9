"""The weights that a training starts from."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import nn

from ..conditioning.streams import STREAMS
from ..conditioning.tokenizers import PatchTokenizer, Tokenizer, VectorTokenizer, widen_patch
from .blocks import Block
from .transformer import FullDiT

# Length of a slot's vector at the start of a training, as a share of sqrt(dim): about half of a reference token's.
SLOT_SIZE = 0.3


@torch.no_grad()
def initialize(model: FullDiT) -> None:
    """Set Wan's initial weights: Xavier, small embeddings, a head of zeros. What Wan does not have as
    `initialize_tokenizers` and `initialize_predictors`."""
    for module in model.modules():
        if isinstance(module, nn.Linear):
            _xavier(module)
    for embedding in (model.text_embedding, model.time_embedding):
        for module in embedding:
            if isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=0.02)
    nn.init.xavier_uniform_(model.patch_embedding.weight.flatten(1))
    nn.init.zeros_(model.patch_embedding.bias)
    for part in [*model.blocks, model.head]:
        nn.init.normal_(part.modulation, std=1 / math.sqrt(model.config.dim))
    nn.init.zeros_(model.head.head.weight)
    initialize_tokenizers(model)
    initialize_predictors(model)


@torch.no_grad()
def initialize_tokenizers(model: FullDiT, names: Iterable[str] | None = None) -> None:
    """Set condition tokenizers alone, for adding them to weights: patch embeddings from the backbone's, vectors of the
    type at zero, those of the slots orthogonal, Xavier for the rest. names: those of the streams (default: all).

    The channels of a mask start at zero, so that a masked stream begins as what its images say, and so does all of a
    stream that is added to the video's tokens: a network that it joins begins as what it was.

    Slots that start at zero stay too short to be told apart in a short training: after 174,000 samples they were 6 % of
    their tokens' length, and references of one slot went to the objects of another (checkpoints/README.md).
    """
    for name in model.tokenizers if names is None else names:
        tokenizer = model.tokenizers[name]
        assert isinstance(tokenizer, Tokenizer)
        nn.init.zeros_(tokenizer.type_vector)
        if tokenizer.slot_vectors is not None:
            slots = torch.empty_like(tokenizer.slot_vectors, dtype=torch.float32)  # torch does it in no other
            nn.init.orthogonal_(slots, gain=SLOT_SIZE * math.sqrt(model.config.dim))
            tokenizer.slot_vectors.copy_(slots)
        if name in STREAMS and STREAMS[name].is_added:
            assert isinstance(tokenizer, PatchTokenizer)
            nn.init.zeros_(tokenizer.patch_embedding.weight)
            nn.init.zeros_(tokenizer.patch_embedding.bias)
        elif isinstance(tokenizer, PatchTokenizer):
            weight = widen_patch(model.patch_embedding.weight, tokenizer.patch)
            nn.init.zeros_(tokenizer.patch_embedding.weight)
            tokenizer.patch_embedding.weight[:, : weight.shape[1]].copy_(weight)
            tokenizer.patch_embedding.bias.copy_(model.patch_embedding.bias)
        elif isinstance(tokenizer, VectorTokenizer):
            for module in tokenizer.net:
                if isinstance(module, nn.Linear):
                    _xavier(module)


@torch.no_grad()
def initialize_predictors(model: FullDiT) -> None:
    """Set the predictors of importance, where blocks select condition tokens: all scores are zero."""
    for block in model.blocks:
        assert isinstance(block, Block)
        if block.importance is not None:
            first, last = block.importance[0], block.importance[2]
            assert isinstance(first, nn.Linear) and isinstance(last, nn.Linear)
            _xavier(first)
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)


def _xavier(layer: nn.Linear) -> None:
    """Set Xavier weights and no bias."""
    nn.init.xavier_uniform_(layer.weight)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
