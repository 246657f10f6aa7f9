"""Uni3C (arXiv 2504.14899) on a MODEL that reads references: its render stays beside the video's own frames.

Core's patch stretches the render over reference slots and reads its first frames in every context window. The patch
that core's node put onto a MODEL is replaced by one that leaves the slots out and slices the render like the video.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import torch

PATCHES = "double_block"  # where core's node puts the patch, among those of a MODEL's options


def has_uni3c(model: Any) -> bool:
    """Return whether core's node has put a Uni3C control net onto a MODEL."""
    return any(_is_uni3c(patch) for patch in _patches(model))


def align_uni3c(model: Any, frames: int, lead: int) -> None:
    """Let the Uni3C patches of a MODEL follow a video of so many latent frames. Changes the MODEL, which is a clone.

    lead: latent frames before the video in the network's input; those behind it are told by their number.
    """
    patches = _patches(model)
    for index, patch in enumerate(patches):
        if _is_uni3c(patch):
            patches[index] = _aligned_class()(patch, frames, lead)


def _patches(model: Any) -> list[Any]:
    options = getattr(model, "model_options", {}).get("transformer_options", {})
    found: list[Any] = options.get("patches", {}).get(PATCHES, [])
    return found


def _is_uni3c(patch: Any) -> bool:
    return type(patch).__name__ in ("WanUni3CCnetPatch", "AlignedUni3C")


@cache
def _aligned_class() -> Any:
    """The class, made when it is needed: older hosts have no Uni3C, and then nothing to align."""
    from comfy_extras.nodes_model_patch import WanUni3CCnetPatch

    class AlignedUni3C(WanUni3CCnetPatch):
        """Core's patch over the video's own frames."""

        def __init__(self, patch: Any, frames: int, lead: int):
            self.__dict__.update(patch.__dict__)
            self.frames, self.lead = frames, lead
            self.render: torch.Tensor | None = None
            self.indices: list[int] | None = None

        def __call__(self, kwargs: dict[str, Any]) -> dict[str, Any]:
            x = kwargs["x"]
            window = kwargs.get("transformer_options", {}).get("context_window")
            self.indices = None if window is None else self._video_indices(window)
            per_frame = (x.shape[3] // 2) * (x.shape[4] // 2)
            offset = kwargs.get("img_offset", 0) + self.lead * per_frame
            count = self.frames if self.indices is None else len(self.indices)
            video = x[:, :, self.lead : self.lead + count]
            super().__call__({**kwargs, "x": video, "img_offset": offset})  # adds to kwargs["img"] in place
            return kwargs

        def _video_indices(self, window: Any) -> list[int]:
            """The video's frames in a window; core's anchor frame comes first where there is one."""
            anchor = getattr(window, "causal_anchor_index", None)
            indices = list(window.index_list)
            if anchor is not None and anchor >= 0:
                indices = [anchor, *indices]
            return [index - self.lead for index in indices if index >= self.lead]

        def build_controlnet_input(self, x: torch.Tensor, dtype: torch.dtype, samples_per_cond: int) -> torch.Tensor:
            """Core's, with the render of exactly the frames at hand."""
            if self.render is None or self.render.shape[3:] != x.shape[3:]:
                self.render = self.encode_render_video((self.frames, *x.shape[3:]))
            self.prepared_render = self.render if self.indices is None else self.render[:, :, self.indices]
            joined: torch.Tensor = super().build_controlnet_input(x, dtype, samples_per_cond)
            return joined

    return AlignedUni3C
