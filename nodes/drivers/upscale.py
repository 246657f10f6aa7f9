"""A video with longer sides by a FullDiT upsampler: the same run as of any conditions, by core's context windows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from comfy.context_windows import ContextFuseMethods, ContextSchedules
from comfy_extras.nodes_context_windows import ContextWindowsManualNode

from ...models.sampling.windows import Windows
from ...models.upscale import upscaling, upscaling_warnings, upscaling_windows
from ..bridge.conditioning import config_of
from .compare import decode
from .run import SamplingOptions, sample
from .windows import HANDLER, TIME


def upscale(
    model: Any,
    clip: Any,
    vae: Any,
    frames: np.ndarray,
    fps: float,
    factor: int,
    prompt: str,
    options: SamplingOptions,
    noise: float = 0.0,
    window: int | None = None,
    overlap: int | None = None,
    tell: Callable[[str], object] = lambda _: None,
) -> tuple[np.ndarray, str]:
    """Return the large video of frames (F, H, W, 3), and a report. window, overlap: frames; None as it was trained.

    Raises UserError, before the first step, for a model that is no upsampler, and for windows that cannot be.
    """
    config = config_of(model)
    asked = upscaling(frames, fps, factor, config, noise, options.seed)
    windows = upscaling_windows(config, window, overlap)
    latent, report = sample(
        by_windows(model, windows, asked.conditions.video.frames),
        clip,
        vae,
        asked.conditions,
        prompt,
        "",
        options,
        tell,
    )
    said = [*upscaling_warnings(asked, factor, windows, config), report]
    return np.stack(list(asked.kept([decode(vae, latent)]))), "\n".join(said)


def by_windows(model: Any, windows: Windows, frames: int) -> Any:
    """Return a MODEL with core's context windows of this length, if the video of `frames` is longer; those that are on
    it already stay."""
    longer = config_of(model).geometry.latent_frames(frames) > windows.length
    if not longer or HANDLER in model.model_options:
        return model
    return ContextWindowsManualNode.execute(
        model,
        context_length=windows.length,
        context_overlap=windows.overlap,
        context_schedule=ContextSchedules.STATIC_STANDARD,
        context_stride=1,
        closed_loop=False,
        fuse_method=ContextFuseMethods.PYRAMID,
        dim=TIME,
        freenoise=False,
        causal_window_fix=False,
    ).args[0]
