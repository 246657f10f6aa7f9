"""How much GPU memory a model takes, computed: the weights, and what one pass needs beside them.

The second part is ComfyUI's own estimate for Wan, by which it decides how much of the weights stays on the GPU. Neither
is measured. Where a GPU has less, ComfyUI keeps a part of the weights in RAM, which is slower.
"""

from __future__ import annotations

import math

from ..geometry import WAN_2_1, WAN_2_2_5B
from .family import ModelFile, Variant

CLASSES = (8, 16, 24)  # GB of usual GPUs, which are GiB
EIGHT_BIT = ("fp8", "mxfp8")
LARGE_DIM = 5120  # from this width on, weights of 8 bits are the usual choice
# Larger videos of the large models are a choice; all of them make this size.
USUAL_WIDTH, USUAL_HEIGHT = 832, 480
_PER_LATENT_PIXEL = 0.01 * 1024**2 / 2222  # bytes per byte of a number and per unit of width, as ComfyUI counts


def model_file(variant: Variant) -> ModelFile | None:
    """Return the file of a model to begin with, which stands first in the table; None where it needs no download."""
    return next((file for file in variant.files if file.role == "model"), None)


def weight_bytes(variant: Variant) -> int:
    """Return the bytes of a model's weights in memory, for a pair those of one expert: 8 bits for the large ones, whose
    16-bit files Load Video Model can load so."""
    file = model_file(variant)
    if file is None:
        return 0
    halved = variant.dim >= LARGE_DIM and not any(mark in file.name for mark in EIGHT_BIT)
    return file.bytes // 2 if halved else file.bytes


def pass_bytes(dim: int, width: int, height: int, frames: int) -> int:
    """Return what ComfyUI counts for one pass in 16 bits, without references or a source video."""
    geometry = WAN_2_2_5B if dim == 3072 else WAN_2_1
    return round(math.prod(geometry.latent_size(frames, height, width)) * 2 * _PER_LATENT_PIXEL * dim)


def needed_bytes(variant: Variant) -> int:
    """Return weights and one pass, at the model's own length and at most at the usual size where it is a large one."""
    settings, large = variant.settings, variant.dim >= LARGE_DIM
    size = (USUAL_WIDTH, USUAL_HEIGHT) if large else (settings.width, settings.height)
    return weight_bytes(variant) + pass_bytes(variant.dim, *size, settings.frames)


def memory_class(variant: Variant) -> int:
    """Return the GB of the smallest usual GPU that holds a model as a whole."""
    needed = needed_bytes(variant) / 2**30
    return next((size for size in CLASSES if needed <= size), CLASSES[-1])
