"""What a step costs by arithmetic: floating-point operations, and the share of a device's peak that a run reaches.

An operation is a multiplication or an addition. Attention is counted in full, as it is not causal; norms, softmax and
the like are not counted. Letters: V video tokens, C condition tokens, N text tokens, D width, F width of the FFN.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from ...models.backbone.token_selection import HIDDEN
from ...models.config import FullDiTConfig

# Dense bfloat16 peaks in TFLOP/s, by what a device's name contains; the first that fits counts.
PEAKS = {
    "B200": 2250.0,
    "H200": 989.0,
    "H100": 989.0,
    "A100": 312.0,
    "L40S": 362.0,
    "A10G": 70.0,
    "RTX 5090": 210.0,
    "RTX 4090": 165.0,
    "RTX 3090": 71.0,
}


@dataclass(frozen=True)
class Cost:
    """Operations of a forward pass of one clip: matrix products with weights, and attention."""

    weights: float
    attention: float

    def forward(self) -> float:
        """Return all of them."""
        return self.weights + self.attention

    def training(self, frozen: bool = False, recomputed: bool = False) -> float:
        """Return the operations of a forward and a backward pass.

        frozen: the weights have no gradient of their own (LoRA), only what is before them. recomputed: by gradient
        checkpointing, which does useful work once and other work twice; MFU counts without it.
        """
        passes = 2 if frozen else 3
        return passes * self.weights + 3 * self.attention + (self.forward() if recomputed else 0.0)


def forward_cost(config: FullDiTConfig, video: int, conditions: int, text: int) -> Cost:
    """Return the operations of a forward pass of one clip of so many tokens."""
    d, layers = config.dim, config.num_layers
    if config.joint_text:
        conditions, text = conditions + text, 0
    width = 12 * d * d + 4 * d * config.ffn_dim  # q k v o, q and o of the cross-attention, FFN: per token and block
    without_text = 8 * d * d + 4 * d * config.ffn_dim  # of a token that does not read the text
    if config.attention == "full":
        tokens = video + conditions
        weights = layers * tokens * (width if text else without_text)
        attention = layers * 4 * d * tokens * (tokens + text)
    else:
        weights = layers * video * (width if text else without_text)
        reading, taken = len(config.blocks_of_conditions), config.selected(conditions)
        # Nothing reads the condition tokens after the last of these blocks: only their K and V are computed there.
        weights += taken * ((reading - 1) * without_text + 4 * d * d)
        if config.token_selection < 1:  # the values of all, from which the tokens taken are told
            weights += reading * ((conditions - taken) * 2 * d * d + conditions * 2 * HIDDEN * (d + 1))
        attention = 4 * d * (layers * video * (video + text) + reading * video * taken + (reading - 1) * taken**2)
    weights += layers * 4 * d * d * text
    patch = 2 * d * config.geometry.elements_per_token
    weights += video * patch * (config.in_dim + config.out_dim) + 2 * text * d * (config.text_dim + d)
    return Cost(float(weights), float(attention))


def peak_of(device: torch.device) -> float | None:
    """Return the bfloat16 peak of a device in TFLOP/s, or None where it is not known."""
    if device.type != "cuda":
        return None
    name = torch.cuda.get_device_name(device)
    return next((peak for known, peak in PEAKS.items() if known in name), None)
