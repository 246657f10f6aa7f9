"""The latent format: Wan 2.1's mean and deviation, and preview colors of the VAE at hand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import comfy.latent_formats


class Wan21(comfy.latent_formats.Wan21):
    """Core's format with other preview colors; named like it, as VideoHelperSuite looks up preview rates by class name.

    `preview` holds `factors` (16 x 3) and `bias` (3) that turn a normalized latent into a rough image, as fitted when
    the VAE was trained. Without them core's factors for the large Wan VAE are kept.
    """

    def __init__(self, preview: Mapping[str, Any] | None = None) -> None:
        super().__init__()
        if preview:
            self.latent_rgb_factors = [[float(v) for v in row] for row in preview["factors"]]
            self.latent_rgb_factors_bias = [float(v) for v in preview["bias"]]
            self.taesd_decoder_name = None  # the small decoders for Wan's own VAE do not know this latent space
