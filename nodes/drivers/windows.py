"""Context windows over a latent whose first frames are not video: VACE's reference slot, kept in every window.

Core slices the slot away with the frames before a window, so that every window but the first forgets the identities.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from comfy.context_windows import ContextFuseMethods, IndexListContextHandler, IndexListContextWindow

from ...control.errors import UserError
from ..bridge.memory import WINDOW
from .plan import Conditioning

HANDLER = "context_handler"  # in a MODEL's options, where core's context window nodes put it
TIME = 2  # the axis of the frames in a latent


class SlotWindow(IndexListContextWindow):
    """One of core's windows over the video's frames, behind the `lead` frames of the slot.

    video: core's window, in the video's own frame numbers. anchor: the frame before it, which the network sees and
    whose prediction is thrown away (core's `causal_window_fix`), or None. before: how many frames stand before its own.
    """

    def __init__(self, video: IndexListContextWindow, lead: int, anchor: int | None):
        before = [*range(lead), *([lead + anchor] if anchor is not None else [])]
        indices = [*before, *(lead + index for index in video.index_list)]
        super().__init__(
            indices, dim=video.dim, total_frames=lead + video.total_frames, context_overlap=video.context_overlap
        )
        self.video, self.lead, self.before = video, lead, len(before)
        self.center_ratio = video.center_ratio  # by which core gives several prompts to the windows


class SlotContextHandler(IndexListContextHandler):
    """A handler whose windows are over the video's frames alone; every window starts with the `lead` frames before."""

    def __init__(self, handler: IndexListContextHandler, lead: int):
        self.__dict__.update(handler.__dict__)
        self.lead = lead
        for name in ("cond_retain_index_list", "latent_retain_index_list"):  # the user's, of the video
            setattr(self, name, [lead + index for index in getattr(handler, name, [])])

    def _video(self, latent: torch.Tensor) -> torch.Tensor:
        """The frames of the video, as a view."""
        return latent.narrow(self.dim, self.lead, latent.shape[self.dim] - self.lead)

    def should_use_context(
        self, model: Any, conds: Any, x_in: torch.Tensor, timestep: torch.Tensor, model_options: dict[str, Any]
    ) -> bool:
        """Whether the video is longer than a window."""
        return bool(super().should_use_context(model, conds, self._video(x_in), timestep, model_options))

    def get_context_windows(
        self, model: Any, x_in: torch.Tensor, model_options: dict[str, Any]
    ) -> list[IndexListContextWindow]:
        """Return core's windows over the video's frames, each behind the slot."""
        windows = super().get_context_windows(model, self._video(x_in), model_options)
        fixed = getattr(self, "causal_window_fix", False)
        return [
            SlotWindow(window, self.lead, window.index_list[0] - 1 if fixed and window.index_list[0] else None)
            for window in windows
        ]

    def combine_context_window_results(
        self,
        x_in: torch.Tensor,
        sub_conds_out: Any,
        sub_conds: Any,
        window: SlotWindow,
        window_idx: int,
        total_windows: int,
        timestep: torch.Tensor,
        conds_final: Any,
        counts_final: Any,
        biases_final: Any,
    ) -> None:
        """Blend the video's frames as core does, by their own numbers; the slot is the mean over all windows."""
        for out, final, counts, biases in zip(sub_conds_out, conds_final, counts_final, biases_final, strict=True):
            slot, target = (latent.narrow(self.dim, 0, self.lead) for latent in (out, final))
            if self.fuse_method.name == ContextFuseMethods.RELATIVE:  # kept as a running mean, never divided
                biases[0] += 1
                target += (slot - target) / biases[0]
            else:
                target += slot
                counts.narrow(self.dim, 0, self.lead).add_(1)
        of_video = [biases[self.lead :] for biases in biases_final]
        super().combine_context_window_results(
            self._video(x_in),
            [out.narrow(self.dim, window.before, out.shape[self.dim] - window.before) for out in sub_conds_out],
            sub_conds,
            window.video,
            window_idx,
            total_windows,
            timestep,
            [self._video(final) for final in conds_final],
            [self._video(counts) for counts in counts_final],
            of_video,
        )
        for biases, changed in zip(biases_final, of_video, strict=True):
            biases[self.lead :] = changed

    def _apply_freenoise(self, noise: torch.Tensor, conds: Any, seed: int) -> torch.Tensor:
        """Core's shuffling of noise, in place, without the slot."""
        super()._apply_freenoise(self._video(noise), conds, seed)
        return noise


def keep_slot(model: Any, lead: int) -> None:
    """Let the context windows of a MODEL, if it has any, keep the first `lead` latent frames. Changes the MODEL.

    Raises UserError for windows of another pack, whose frames are not known here.
    """
    handler = model.model_options.get(HANDLER)
    if handler is None or isinstance(handler, SlotContextHandler) or getattr(handler, "dim", TIME) != TIME:
        return
    if type(handler) is not IndexListContextHandler:
        raise UserError(
            f"The context windows of this model are a {type(handler).__name__}, which would forget the reference images"
            f" after the first window: use core's context windows, or none."
        )
    model.model_options[HANDLER] = SlotContextHandler(handler, lead)


def check_windows(model: Any, spans: int) -> None:
    """Raise UserError for context windows of a MODEL that take several entries of a prompt for one window each, where
    conditions with ranges make several of one."""
    handler = getattr(model, "model_options", {}).get(HANDLER)
    if spans > 1 and getattr(handler, "split_conds_to_windows", False):
        raise UserError(
            "The context windows split the prompts over the windows (split_conds_to_windows), but conditions with a "
            "start or end make several of one prompt: turn that off, or let every condition hold from 0 to 1."
        )


def tell_window(model: Any, passes: Mapping[str, Conditioning]) -> Mapping[str, Conditioning]:
    """Return the passes with the length of the windows of a MODEL, if it has any, for the estimate of memory.

    Core estimates before it cuts what is read beside the noise: a long source video counted whole would leave hardly
    any weight on the GPU.
    """
    handler = model.model_options.get(HANDLER)
    if handler is None or getattr(handler, "dim", TIME) != TIME:
        return passes
    length = handler.context_length
    return {
        name: [[text, {**options, WINDOW: length}] for text, options in entries] for name, entries in passes.items()
    }
