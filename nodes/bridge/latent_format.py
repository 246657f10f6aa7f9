"""The latent format of a checkpoint: core's, with preview colors of the VAE at hand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import comfy.latent_formats

from ...control.errors import UserError

# By the number of channels, as models/vae/latent.py has their mean and deviation.
FORMATS = {16: comfy.latent_formats.Wan21, 48: comfy.latent_formats.Wan22}


def latent_format(channels: int, preview: Mapping[str, Any] | None = None) -> comfy.latent_formats.LatentFormat:
    """Return core's latent format for latents of so many channels.

    `preview` holds `factors` (channels x 3) and `bias` (3) that turn a normalized latent into a rough image, as fitted
    when the VAE was trained. Without them core's factors for the large Wan VAE are kept. Raises UserError for a number
    of channels that has no format.
    """
    if channels not in FORMATS:
        known = " or ".join(str(number) for number in FORMATS)
        raise UserError(f"The checkpoint has latents of {channels} channels; {known} were expected: load another one.")
    # An instance of core's own class: VideoHelperSuite looks up preview rates by the class's name.
    result = FORMATS[channels]()
    if preview:
        result.latent_rgb_factors = [[float(v) for v in row] for row in preview["factors"]]
        result.latent_rgb_factors_bias = [float(v) for v in preview["bias"]]
        result.taesd_decoder_name = None  # the small decoders for Wan's own VAE do not know this latent space
    return result
