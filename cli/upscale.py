"""`fulldit upscale`, and the second half of `fulldit generate --upscale`: a video with longer sides by an upsampler."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..control.clip_files import is_image, open_color_clip
from ..control.errors import UserError
from ..control.files import is_folder
from ..control.media import video_rate, write_video
from ..control.story import Story
from ..models.pipeline import Pipeline
from ..models.sampling.windows import Windows
from ..models.upscale import check_upsampler, upscaling, upscaling_warnings
from .clock import Bar, Clock

Result = dict[str, Any]


@dataclass(frozen=True)
class Upscaler:
    """An upsampler checkpoint and how it is asked. None stands for the checkpoint's own value.

    windows: how a video is seen. noise: see `LowResCondition`. Raises UserError for a checkpoint that is none.
    """

    pipeline: Pipeline
    factor: int
    windows: Windows
    noise: float = 0.0
    seed: int = 0
    steps: int | None = None
    guidance: float | None = None

    def __post_init__(self) -> None:
        check_upsampler(self.pipeline.config, self.factor)

    def write(
        self, frames: np.ndarray, fps: float, prompt: str | Story, path: Path, progress: Bar, clock: Clock
    ) -> Result:
        """Write the large video of frames (F, H, W, 3), while it is decoded, and return what was asked and done."""
        pipeline = self.pipeline
        steps, guidance, _ = pipeline.config.sampling_values(self.steps, self.guidance)
        asked = upscaling(frames, fps, self.factor, pipeline.config, self.noise, self.seed)
        with clock("conditions of the upsampler"):
            streams = pipeline.encode(asked.conditions)
        with progress(steps, "upscaling") as step, clock("upscaling"):
            latent, _ = pipeline.sample(
                prompt,
                asked.conditions,
                seed=self.seed,
                steps=steps,
                guidance=guidance,
                first_frame_pass=0.0,
                streams=streams,
                windows=self.windows,
                callback=lambda *_: step(),
            )
        path.parent.mkdir(parents=True, exist_ok=True)
        with clock("decoding of the large video"):
            write_video(path, asked.kept(pipeline.decode_stream(latent)), fps)
        return {
            "frames": asked.frames,
            "height": asked.height,
            "width": asked.width,
            "factor": self.factor,
            "noise": self.noise,
            "steps": steps,
            "guidance": guidance,
            "window": [self.windows.length, self.windows.overlap],
            "warnings": upscaling_warnings(asked, self.factor, self.windows, pipeline.config),
        }


@contextmanager
def frames_on_disk(frames: int, height: int, width: int) -> Iterator[np.ndarray]:
    """Give an array (F, H, W, 3) float32 in a temporary file, of which no more is in memory than is being read."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        yield np.lib.format.open_memmap(Path(folder) / "frames.npy", "w+", np.float32, (frames, height, width, 3))


def upscale_file(upscaler: Upscaler, source: str, to: Path, fps: float | None, prompt: str, progress: Bar) -> Result:
    """Write the large video of a file or a folder of images, and return what was asked and done."""
    path = Path(os.path.expanduser(source))
    if fps is None and (is_folder(path) or is_image(path)):
        raise UserError(f"'{path}' is no video, and says no frames per second: give them with --fps")
    rate, clock = fps or video_rate(path), Clock()
    clip = open_color_clip(path)
    first = next(iter(clip.frames))
    with frames_on_disk(len(clip.frames), *first.shape[:2]) as frames:
        with clock("reading"):
            for place, frame in enumerate(clip.frames):
                frames[place] = frame
        done = upscaler.write(frames, rate, prompt, to, progress, clock)
    warnings = [*clip.warnings, *done["warnings"]]
    made = f"{to}: {done['frames']} frames of {done['width']}x{done['height']}"
    return {
        **done,
        "file": str(to),
        "fps": rate,
        "seconds": clock.report(),
        "warnings": warnings,
        "report": [made, *warnings],
    }
