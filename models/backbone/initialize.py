"""The weights that a training starts from."""

from __future__ import annotations

import math

import torch
from torch import nn

from ..conditioning.tokenizers import PatchTokenizer, Tokenizer, VectorTokenizer, widen_patch
from .transformer import FullDiT

# Length of a slot's vector at the start of a training, as a share of sqrt(dim): about half of a reference token's.
SLOT_SIZE = 0.3


@torch.no_grad()
def initialize(model: FullDiT) -> None:
    """Set Wan's initial weights: Xavier, small embeddings, a head of zeros. Tokenizers as `initialize_tokenizers`."""
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


@torch.no_grad()
def initialize_tokenizers(model: FullDiT) -> None:
    """Set the condition tokenizers alone, for adding them to open weights: patch embeddings from the backbone's,
    vectors of the type at zero, those of the slots orthogonal, Xavier for the rest.

    Slots that start at zero stay too short to be told apart in a short training: after 174,000 samples they were 6 % of
    their tokens' length, and references of one slot went to the objects of another (checkpoints/README.md).
    """
    for tokenizer in model.tokenizers.values():
        assert isinstance(tokenizer, Tokenizer)
        nn.init.zeros_(tokenizer.type_vector)
        if tokenizer.slot_vectors is not None:
            nn.init.orthogonal_(tokenizer.slot_vectors, gain=SLOT_SIZE * math.sqrt(model.config.dim))
        if isinstance(tokenizer, PatchTokenizer):
            weight = widen_patch(model.patch_embedding.weight, tokenizer.patch)
            tokenizer.patch_embedding.weight.copy_(weight)
            tokenizer.patch_embedding.bias.copy_(model.patch_embedding.bias)
        elif isinstance(tokenizer, VectorTokenizer):
            for module in tokenizer.net:
                if isinstance(module, nn.Linear):
                    _xavier(module)


def _xavier(layer: nn.Linear) -> None:
    """Set Xavier weights and no bias."""
    nn.init.xavier_uniform_(layer.weight)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
