"""Context windows over a latent whose first frames are not video: VACE's reference slot, kept in every window.

Core slices the slot away with the frames before a window, so that every window but the first forgets the identities.
"""

from __future__ import annotations

from typing import Any

import torch
from comfy.context_windows import ContextFuseMethods, IndexListContextHandler, IndexListContextWindow

from ...control.errors import UserError

HANDLER = "context_handler"  # in a MODEL's options, where core's context window nodes put it


class SlotContextHandler(IndexListContextHandler):
    """A handler whose windows are over the video's frames alone; every window starts with the `lead` frames before."""

    def __init__(self, handler: IndexListContextHandler, lead: int):
        self.__dict__.update(handler.__dict__)
        self.lead = lead

    def should_use_context(
        self, model: Any, conds: Any, x_in: torch.Tensor, timestep: torch.Tensor, model_options: dict[str, Any]
    ) -> bool:
        """Whether the video is longer than a window."""
        video = x_in.narrow(self.dim, self.lead, x_in.shape[self.dim] - self.lead)
        return bool(super().should_use_context(model, conds, video, timestep, model_options))

    def get_context_windows(
        self, model: Any, x_in: torch.Tensor, model_options: dict[str, Any]
    ) -> list[IndexListContextWindow]:
        """Return core's windows over the video's frames, each behind the slot."""
        total = x_in.shape[self.dim]
        lead = list(range(self.lead))
        return [
            IndexListContextWindow(
                [*lead, *(index + self.lead for index in indices)],
                dim=self.dim,
                total_frames=total,
                context_overlap=self.context_overlap,
            )
            for indices in self.context_schedule.func(total - self.lead, self, model_options)
        ]

    def combine_context_window_results(
        self,
        x_in: torch.Tensor,
        sub_conds_out: Any,
        sub_conds: Any,
        window: IndexListContextWindow,
        window_idx: int,
        total_windows: int,
        timestep: torch.Tensor,
        conds_final: Any,
        counts_final: Any,
        biases_final: Any,
    ) -> None:
        """Blend the video's frames as core does; the slot is the mean over all windows."""
        for out, final, counts, biases in zip(sub_conds_out, conds_final, counts_final, biases_final, strict=True):
            slot = out.narrow(self.dim, 0, self.lead)
            target = final.narrow(self.dim, 0, self.lead)
            if self.fuse_method.name == ContextFuseMethods.RELATIVE:  # kept as a running mean, never divided
                biases[0] += 1
                target += (slot - target) / biases[0]
            else:
                target += slot
                counts.narrow(self.dim, 0, self.lead).add_(1)
        video = IndexListContextWindow(
            window.index_list[self.lead :],
            dim=self.dim,
            total_frames=window.total_frames,
            context_overlap=window.context_overlap,
        )
        frames = [out.narrow(self.dim, self.lead, out.shape[self.dim] - self.lead) for out in sub_conds_out]
        super().combine_context_window_results(
            x_in,
            frames,
            sub_conds,
            video,
            window_idx,
            total_windows,
            timestep,
            conds_final,
            counts_final,
            biases_final,
        )

    def _apply_freenoise(self, noise: torch.Tensor, conds: Any, seed: int) -> torch.Tensor:
        """Core's shuffling of noise, in place, without the slot."""
        super()._apply_freenoise(noise.narrow(self.dim, self.lead, noise.shape[self.dim] - self.lead), conds, seed)
        return noise


def keep_slot(model: Any, lead: int) -> None:
    """Let the context windows of a MODEL, if it has any, keep the first `lead` latent frames. Changes the MODEL.

    Raises UserError for windows of another pack, whose frames are not known here.
    """
    handler = model.model_options.get(HANDLER)
    if handler is None:
        return
    if type(handler) is not IndexListContextHandler:
        raise UserError(
            f"The context windows of this model are a {type(handler).__name__}, which would forget the reference images"
            f" after the first window: use core's context windows, or none."
        )
    model.model_options[HANDLER] = SlotContextHandler(handler, lead)
