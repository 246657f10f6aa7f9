"""Whether two clips show the same scene, however the camera moves: what colors there are, and what patches look like.

Neither knows where in the frame something is. Of the world's clips, the same scene from another camera is a tenth
(colors) and a twentieth (looks) as far as another scene on average; the VAE's own loss is less than that.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from .identity import CROP

SCENE = ("scene_colors", "scene_looks")
_BINS = 4  # of each channel
_THINNED, _EVERY = 2, 4  # pixels of the histogram, and frames of which patches are looked at
_PATCH, _STRIDE = 24, 12  # pixels at 64x96


@dataclass(frozen=True, eq=False)
class SceneLook:
    """colors: shares of the bins of a color histogram. looks: the mean of what the identity estimator makes of
    patches."""

    colors: np.ndarray
    looks: np.ndarray

    def distances(self, other: SceneLook) -> dict[str, float]:
        """Return by the names in SCENE the share of pixels of other colors (0..1) and one less the cosine of looks."""
        cosine = self.looks @ other.looks / max(float(np.linalg.norm(self.looks) * np.linalg.norm(other.looks)), 1e-9)
        return {
            "scene_colors": float(np.abs(self.colors - other.colors).sum() / 2),
            "scene_looks": float(1 - cosine),
        }


@torch.no_grad()
def look_at_scene(images: Tensor, identity: nn.Module) -> SceneLook:
    """Return what a clip shows, of images (F, 3, 64, 96) in [0, 1]."""
    patches = images[::_EVERY].unfold(2, _PATCH, _STRIDE).unfold(3, _PATCH, _STRIDE)
    patches = rearrange(patches, "f c rows columns h w -> (f rows columns) c h w")
    patches = F.interpolate(patches, size=(CROP, CROP), mode="bilinear", align_corners=False)
    thin = images[..., ::_THINNED, ::_THINNED]
    return SceneLook(_histogram(rearrange(thin, "f c h w -> (f h w) c").numpy()), identity(patches).mean(0).numpy())


def _histogram(pixels: np.ndarray) -> np.ndarray:
    """Return the shares of _BINS**3 bins of pixels (N, 3) in 0..1; each counts for the bins around it."""
    place = (pixels * _BINS - 0.5).clip(0, _BINS - 1)
    low = np.floor(place).astype(int).clip(max=_BINS - 2)
    share = place - low
    total = np.zeros(_BINS**3)
    for corner in np.ndindex(2, 2, 2):
        weight = np.where(corner, share, 1 - share).prod(1)
        index = (low + corner) @ [_BINS**2, _BINS, 1]
        total += np.bincount(index, weight, _BINS**3)
    shares: np.ndarray = total / len(pixels)
    return shares
