"""The trainer in the host: its memory, its progress and cancel, its text encoders; and what comes out as a MODEL.

The host runs nodes without gradients (`torch.inference_mode`), which core's own training nodes leave as this does.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import comfy.model_management
import comfy.utils
import folder_paths
import torch

from ...control.conditions import Conditions
from ...control.errors import UserError
from ...models.config import FullDiTConfig
from ...training.tuning.clips import OneClip, TuneClips, check_inside, clips_in
from ...training.tuning.settings import TuneOptions
from ...training.tuning.start import Start
from ...training.tuning.tune import tune
from ...view.loss_plot import draw_losses
from ..progress import progress, stop_if_canceled
from ..sockets.arrays import to_images
from .attached import load_attached
from .loaders import load_model_patcher, preview_of
from .step_times import StepTimes

if TYPE_CHECKING:
    from torch import Tensor

HOST = "ComfyUI"  # the name of its text encoder
PREVIEW_SECONDS = 1.0  # between two plots of the loss on the node


def clips_to_learn(
    start: Start,
    folder: Path | None,
    size: tuple[int, int, int],
    images: Tensor | None,
    conditions: Conditions | None,
    prompt: str,
) -> TuneClips:
    """Return the clips of a folder at `size` (frames, width, height; 0: the model's own), or the one video.

    Raises UserError for both or neither, for a folder without clips, and for one that leads out of the input folder.
    """
    video = start.config().video
    if folder is not None:
        if images is not None:
            raise UserError("Both a folder and images were given: choose 'none' as the folder, or disconnect 'images'.")
        if conditions is not None or prompt:
            raise UserError(
                "A folder has texts and conditions of its own: empty the prompt, and disconnect 'conditions'."
            )
        frames, width, height = size
        sized = dataclasses.replace(
            video, frames=frames or video.frames, width=width or video.width, height=height or video.height
        )
        clips = clips_in(folder, sized)
        check_inside(clips, Path(folder_paths.get_input_directory()))
        return clips
    if images is None:
        raise UserError(
            "There is nothing to learn: choose a folder of videos, or connect the frames of one video to 'images'."
        )
    return OneClip(to_images(images, "The clip"), conditions or Conditions(video), prompt)


def train(
    start: Start,
    clips: TuneClips,
    options: TuneOptions,
    run: Path,
    file: Path,
    resume: bool,
    clip: Any | None,
    tell: Callable[[str], None],
) -> tuple[Any, list[float], str]:
    """Return the tuned MODEL, the loss of every step, and a report. clip: the host's CLIP, for a Wan.

    Raises UserError as `tune` does, and the host's own exception where the user cancels, behind a saved state.
    """
    config = start.config()
    words = None if clip is None or config.text == "bytes" else _encoder(clip, config)
    # The networks of the host would lie beside those that are trained.
    comfy.model_management.unload_all_models()
    comfy.model_management.soft_empty_cache()
    with torch.inference_mode(False), torch.enable_grad():
        made = tune(
            start,
            clips,
            options,
            run,
            file,
            resume,
            words,
            "" if words is None else HOST,
            comfy.model_management.get_torch_device(),
            _progress(tell),
            _Shown(options.steps, tell),
        )
    if start.wan is None:
        model = load_model_patcher(str(file), "default", preview_of(start.vae))
    else:
        model, _, _ = load_attached(start.wan, file, start.vae)
    said = f"Written: {file.name} in models/fulldit. The run is in {run}."
    return model, made.losses, "\n".join([*made.lines(), said])


def _encoder(clip: Any, config: FullDiTConfig) -> Callable[[str], torch.Tensor]:
    """Return the host's CLIP as a function of a text: states (length, D) bfloat16 with zeros behind them."""

    @torch.no_grad()
    def encode(text: str) -> torch.Tensor:
        states = clip.encode_from_tokens_scheduled(clip.tokenize(text))[0][0]
        if states.ndim != 3 or states.shape[2] != config.text_dim:
            raise UserError(
                f"The CLIP gives states of shape {tuple(states.shape)}, but the model reads {config.text_dim} numbers "
                f"a token: connect umt5_xxl from Load CLIP, with the type wan."
            )
        padded = torch.zeros(config.text_len, config.text_dim, dtype=torch.bfloat16)
        count = min(config.text_len, states.shape[1])
        padded[:count] = states[0, :count].to("cpu", torch.bfloat16)
        return padded

    return encode


def _progress(tell: Callable[[str], None]) -> Callable[[int, str], AbstractContextManager[Callable[[], None]]]:
    """Return the host's progress bars, which say on the node what they are for."""

    def shown(total: int, title: str) -> AbstractContextManager[Callable[[], None]]:
        tell(title)
        return progress(total, title)

    return shown


class _Shown:
    """What the user sees of each step: the bar, time left and loss in words, and the plot of the losses; and the point
    at which a canceled run ends."""

    def __init__(self, steps: int, tell: Callable[[str], None]):
        self.steps, self.tell = steps, tell
        self.bar = comfy.utils.ProgressBar(steps)
        self.times: StepTimes | None = None
        self.losses: list[float] = []
        self.shown = 0.0

    def __call__(self, step: int, loss: float) -> None:
        stop_if_canceled()
        self.losses.append(loss)
        if self.times is None:
            self.times = StepTimes(self.steps, then="")
        self.tell(f"{self.times.after(step)} Loss {loss:.3f}.")
        image = None
        if time.monotonic() - self.shown > PREVIEW_SECONDS and len(self.losses) > 1:
            self.shown = time.monotonic()
            image = ("PNG", _picture(self.losses, self.steps), 512)
        self.bar.update_absolute(step, self.steps, image)


def _picture(losses: Sequence[float], steps: int) -> Any:
    """Return the plot of the losses as the host's previews take it."""
    from PIL import Image

    return Image.fromarray((draw_losses(losses, steps) * 255).round().astype("uint8"))
