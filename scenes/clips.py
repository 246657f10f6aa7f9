"""Clips of the world as batches of tensors.

Shapes: B clips, T frames, H x W pixels, three identity slots. Every clip depends on its seed, the size and the
options alone: not on the batch it is in, nor on what was rendered before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from ..control.errors import UserError
from ..control.identity.slots import SLOTS
from . import captions
from .references import reference
from .trace import FAR, Tracer
from .world import HELD_OUT_SEED, SceneSpec, WorldOptions, make_scene

if TYPE_CHECKING:
    from ..control.camera.trajectory import CameraTrajectory
    from ..control.conditions import Conditions
    from ..control.identity.slots import Identity

FPS = 8.0
__all__ = ["FAR", "FPS", "HELD_OUT_SEED", "Clips", "render"]


@dataclass
class Clips:
    """A batch of rendered scenes with everything exact that a model may be given or judged by.

    video (B,3,T,H,W) in [0,1]; depth (B,T,H,W) metric z in world units (sky: `FAR`); identity (B,T,H,W) int64, slot
    or -1; references (B,3,3,H,W) by slot, on gray 0.5; reference_masks (B,3,H,W); present (B,3) bool;
    c2w (B,T,3,4) in world units; intrinsics (B,T,4), fx fy cx cy by width and height.
    """

    video: Tensor
    depth: Tensor
    identity: Tensor
    references: Tensor
    reference_masks: Tensor
    present: Tensor
    c2w: Tensor
    intrinsics: Tensor
    captions: list[str]
    plain_captions: list[str]
    scenes: list[SceneSpec]
    fps: float = FPS

    def __len__(self) -> int:
        return self.video.shape[0]

    def to(self, device: torch.device | str) -> Clips:
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return Clips(**{k: v.to(device) if isinstance(v, Tensor) else v for k, v in values.items()})

    # ---- what a model is given, in batches ------------------------------------------------------------------------

    def units(self) -> Tensor:
        """Median depth of each clip's first frame (B,), the unit of every translation."""
        return self.depth[:, 0].flatten(1).median(dim=1).values

    def trajectories(self) -> tuple[Tensor, Tensor]:
        """c2w relative to the first frame in units of its median depth (B,T,3,4), and intrinsics (B,T,4); float32."""
        c2w = self.c2w.double()
        rotation, position = c2w[..., :3], c2w[..., 3]
        back = rotation[:, :1].transpose(-1, -2)
        moved = (back @ (position - position[:, :1])[..., None]) / self.units().double()[:, None, None, None]
        return torch.cat([back @ rotation, moved], -1).float(), self.intrinsics

    def identity_maps(self) -> Tensor:
        """(B,3,T,H,W): slot k painted in channel k, black elsewhere."""
        return torch.stack([(self.identity == k).float() for k in range(SLOTS)], dim=1)

    def disparity(self) -> Tensor:
        """(B,1,T,H,W), near 1 and far 0 over the whole clip, as control/depth normalizes a clip of exact depth."""
        from ..control.depth.normalize import normalize_depth

        values = [normalize_depth(clip.cpu().numpy(), kind="depth").values for clip in self.depth]
        return torch.as_tensor(np.stack(values), dtype=torch.float32, device=self.depth.device)[:, None]

    # ---- what a user would give -----------------------------------------------------------------------------------

    def conditions(self, index: int) -> Conditions:
        """Return the conditions that describe clip `index` exactly, as the nodes and the command line build them."""
        from ..control.conditions import (
            CameraCondition,
            Condition,
            Conditions,
            DepthCondition,
            IdentityCondition,
            VideoSize,
        )
        from ..control.depth.normalize import normalize_depth

        depth = normalize_depth(self.depth[index].cpu().numpy(), kind="depth")
        items: list[Condition] = [CameraCondition(trajectory=self.camera(index)), DepthCondition(clip=depth)]
        identities = self.identities(index)
        if identities:
            items.append(IdentityCondition(identities=identities))
        frames, height, width = self.video.shape[2:]
        return Conditions(VideoSize(frames, height, width, self.fps), tuple(items))

    def camera(self, index: int) -> CameraTrajectory:
        """Return the exact camera path of clip `index`."""
        from ..control.camera.trajectory import CameraTrajectory

        c2w, intrinsics = self.trajectories()
        return CameraTrajectory(c2w[index].cpu().numpy(), intrinsics[index].cpu().numpy(), fps=self.fps)

    def identities(self, index: int) -> tuple[Identity, ...]:
        """Return who is in clip `index`, slot by slot, with reference, its mask and a mask video."""
        from ..control.identity.slots import Identity

        identities = []
        for slot in self.present[index].nonzero().squeeze(1).tolist():
            thing = self.scenes[index].things[slot]
            identities.append(
                Identity(
                    name=f"{thing.colors[0]} and {thing.colors[1]} {thing.solid}",
                    images=(self.references[index, slot].permute(1, 2, 0).cpu().numpy(),),
                    mask=self.reference_masks[index, slot].cpu().numpy(),
                    track=(self.identity[index] == slot).float().cpu().numpy(),
                )
            )
        return tuple(identities)


@torch.no_grad()
def render(
    seeds: Sequence[int],
    frames: int = 17,
    height: int = 64,
    width: int = 96,
    device: torch.device | str = "cpu",
    options: WorldOptions | None = None,
) -> Clips:
    """Renders the scenes of `seeds`. Training uses seeds below `HELD_OUT_SEED`, evaluation seeds from it on."""
    options = options or WorldOptions()
    if not len(seeds):
        raise UserError("render got no seeds; expected at least one.")
    if min(frames, height, width) < 1:
        raise UserError(f"render got {frames} frames of {height}x{width}; all three must be at least 1.")
    device = torch.device(device)
    rows: dict[str, list] = {name: [] for name in ("video", "depth", "identity", "references", "reference_masks")}
    scenes = [make_scene(seed, frames, width / height, options) for seed in seeds]
    cameras = []
    for scene in scenes:
        tracer = Tracer(scene, device)
        video, depth, slot = tracer.image(height, width, options.supersample)
        images = torch.full((SLOTS, 3, height, width), 0.5, device=device)
        masks = torch.zeros(SLOTS, height, width, device=device)
        for k, thing in enumerate(scene.things):
            images[k], masks[k] = reference(scene, thing, height, width, device)
        for name, value in zip(rows, (video, depth, slot, images, masks), strict=True):
            rows[name].append(value)
        cameras.append((tracer.c2w, tracer.intrinsics))
    present = torch.tensor([[k < len(scene.things) for k in range(SLOTS)] for scene in scenes], device=device)
    return Clips(
        **{name: torch.stack(values) for name, values in rows.items()},
        present=present,
        c2w=torch.stack([c for c, _ in cameras]),
        intrinsics=torch.stack([k for _, k in cameras]),
        captions=[captions.caption(s) for s in scenes],
        plain_captions=[captions.plain_caption(s) for s in scenes],
        scenes=scenes,
    )
