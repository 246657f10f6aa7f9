"""Clips of the world as batches of tensors.

Shapes: B clips, T frames, H x W pixels, three identity slots. Every clip depends on its seed, the size and the
options alone: not on the batch it is in, nor on what was rendered before.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from einops import rearrange
from torch import Tensor

from ..control.camera.trajectory import CameraTrajectory, compose, invert
from ..control.control_video.kinds import KINDS
from ..control.errors import UserError
from ..control.identity.slots import SLOTS
from . import captions
from .control_videos import ShownScene, control_videos, draw_kinds
from .references import reference
from .sources import Other, source_scene
from .trace import FAR, Tracer
from .world import HELD_OUT_SEED, SceneSpec, WorldOptions, make_scene

if TYPE_CHECKING:
    from ..control.annotated_clip import AnnotatedClip
    from ..control.conditions import Conditions
    from ..control.control_video import ControlVideo
    from ..control.identity.slots import Identity

# Motion blur: a frame is the mean of this many moments, a sixth of the time between two frames apart (half a shutter).
_MOMENTS, _MOMENTS_A_FRAME = (-1, 0, 1), 6
__all__ = ["FAR", "HELD_OUT_SEED", "Clips", "render"]


@dataclass
class Clips:
    """A batch of rendered scenes with the exact data that a model may be conditioned on or evaluated against.

    video (B,3,T,H,W) in [0,1]; depth (B,T,H,W) metric z in world units (sky: `FAR`); identity (B,T,H,W) int64, slot
    or -1; references (B,3,3,H,W) by slot, on gray 0.5; reference_masks (B,3,H,W); present (B,3) bool;
    c2w (B,T,3,4) in world units; intrinsics (B,T,4), fx fy cx cy by width and height. moments: the scenes with what
    lies between their frames, where those are blurred; options: what was rendered.
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
    fps: float
    moments: list[SceneSpec]
    options: WorldOptions

    def __len__(self) -> int:
        return self.video.shape[0]

    def to(self, device: torch.device | str) -> Clips:
        """Return the clips with their tensors on a device."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        moved: dict[str, Any] = {name: v.to(device) for name, v in values.items() if isinstance(v, Tensor)}
        return replace(self, **moved)

    # ---- conditions as tensors of a batch -------------------------------------------------------------------------

    def trajectories(self) -> tuple[Tensor, Tensor]:
        """Return c2w (B,T,3,4), relative to the first frame in units of its median depth, and intrinsics (B,T,4).

        Both are float32.
        """
        return self._relative(slice(None)), self.intrinsics

    def trajectory(self, index: int) -> CameraTrajectory:
        """Return the same of clip `index` as a path."""
        c2w = self._relative(slice(index, index + 1))[0]
        return CameraTrajectory(c2w.cpu().numpy(), self.intrinsics[index].cpu().numpy(), fps=self.fps)

    def _relative(self, chosen: slice) -> Tensor:
        c2w = self.c2w[chosen].double().cpu().numpy()
        relative = torch.from_numpy(compose(invert(c2w[:, :1]), c2w)).to(self.c2w.device)
        units = self.depth[chosen, 0].flatten(1).median(dim=1).values  # of the first frame
        relative[..., 3] /= units.double()[:, None, None]
        return relative.float()

    def identity_maps(self) -> Tensor:
        """Return (B,3,T,H,W): slot k painted in channel k, black elsewhere."""
        return torch.stack([(self.identity == k).float() for k in range(SLOTS)], dim=1)

    def disparity(self) -> Tensor:
        """Return (B,1,T,H,W), near 1 and far 0 over the whole clip, as control/depth normalizes exact depth."""
        from ..control.depth.normalize import normalize_depth

        values = [normalize_depth(clip.cpu().numpy(), kind="depth").values for clip in self.depth]
        return torch.as_tensor(np.stack(values), dtype=torch.float32, device=self.depth.device)[:, None]

    # ---- conditions as a user gives them --------------------------------------------------------------------------

    def conditions(self, index: int, names: Iterable[str] | None = None, kinds: Container[str] = KINDS) -> Conditions:
        """Return the conditions that describe clip `index` exactly, as the nodes and the command line build them.

        names: of those that are wanted (default: all): a source video is rendered for it, which takes as long as the
        clip. kinds: as `annotated` has it.
        """
        from ..control.conditions import CONDITIONS, Conditions, VideoSize

        frames, height, width = self.video.shape[2:]
        clip = self.annotated(index, kinds)
        wanted = set(CONDITIONS if names is None else names)
        items = (condition.of_clip(clip) for name, condition in CONDITIONS.items() if name in wanted)
        return Conditions(VideoSize(frames, height, width, self.fps), tuple(item for item in items if item is not None))

    def annotated(self, index: int, kinds: Container[str] = KINDS) -> AnnotatedClip:
        """Return clip `index` with all that is known about it, as arrays.

        kinds: of control videos, of which one or two are drawn by its seed (`draw_kinds`).
        """
        from ..control.annotated_clip import AnnotatedClip

        return AnnotatedClip(
            rearrange(self.video[index], "c t h w -> t h w c").cpu().numpy(),
            self.trajectory(index),
            self.identities(index),
            self.depth[index].cpu().numpy(),
            self.fps,
            source=lambda: self.source(index),
            control_videos=self.control_videos(index, draw_kinds(self.scenes[index], kinds)),
            loudness=self.scenes[index].loudness,
            seed=self.scenes[index].seed,
        )

    def source(self, index: int, other: Other | None = None) -> np.ndarray:
        """Return a video (T,H,W,3) that clip `index` could have been made from; other: as `source_scene` has it."""
        height, width = self.video.shape[3:]
        scene = source_scene(self.moments[index], self.options, width / height, other)
        frames: np.ndarray = (
            rearrange(_shoot(scene, height, width, self.video.device, self.options), "c t h w -> t h w c").cpu().numpy()
        )
        return frames

    def control_videos(self, index: int, kinds: Sequence[str]) -> tuple[ControlVideo, ...]:
        """Return the control videos of clip `index` of these kinds."""
        shown = ShownScene(self.scenes[index], self.video[index], self.depth[index], self.identity[index])
        return control_videos(shown, kinds)

    def identities(self, index: int) -> tuple[Identity, ...]:
        """Return who is in clip `index`, slot by slot, with reference, its mask and a mask video."""
        from ..control.identity.slots import Identity

        identities = []
        for slot in self.present[index].nonzero().squeeze(1).tolist():
            item = self.scenes[index].objects[slot]
            identities.append(
                Identity(
                    name=f"{item.colors[0]} and {item.colors[1]} {item.solid}",
                    images=(rearrange(self.references[index, slot], "c h w -> h w c").cpu().numpy(),),
                    mask=self.reference_masks[index, slot].cpu().numpy(),
                    mask_video=(self.identity[index] == slot).float().cpu().numpy(),
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
    """Render the scenes of `seeds`. Training uses seeds below `HELD_OUT_SEED`, evaluation seeds from it on.

    Raises UserError for no seeds and an empty clip.
    """
    options = options or WorldOptions()
    if not len(seeds):
        raise UserError("there are no seeds to render; at least one was expected")
    if min(frames, height, width) < 1:
        raise UserError(f"{frames} frames of {height}x{width} were to be rendered; all three must be at least 1")
    fine = _fine(options)
    moments = [make_scene(seed, (frames - 1) * fine + 1, width / height, options) for seed in seeds]
    scenes = [scene.at(range(0, scene.frames, fine)) for scene in moments]
    clips = [_render_scene(scene, height, width, torch.device(device), options.supersample) for scene in scenes]
    if options.is_soft:
        for clip, scene in zip(clips, moments, strict=True):
            clip["video"] = _blurred(clip["video"], scene, options.supersample)

    def stack(name: str) -> Tensor:
        return torch.stack([clip[name] for clip in clips])

    return Clips(
        video=stack("video"),
        depth=stack("depth"),
        identity=stack("identity"),
        references=stack("references"),
        reference_masks=stack("reference_masks"),
        present=stack("present"),
        c2w=stack("c2w"),
        intrinsics=stack("intrinsics"),
        captions=[captions.caption(scene) for scene in scenes],
        plain_captions=[captions.plain_caption(scene) for scene in scenes],
        scenes=scenes,
        fps=options.fps,
        moments=moments,
        options=options,
    )


def _fine(options: WorldOptions) -> int:
    """How many moments lie between two frames."""
    return _MOMENTS_A_FRAME if options.is_soft else 1


@torch.no_grad()
def _shoot(moments: SceneSpec, height: int, width: int, device: torch.device, options: WorldOptions) -> Tensor:
    """Return the video (3,T,H,W) of a scene alone; `moments` has what lies between its frames."""
    scene = moments.at(range(0, moments.frames, _fine(options)))
    video = Tracer(scene, device).render(height, width, options.supersample)[0]
    return _blurred(video, moments, options.supersample) if options.is_soft else video


def _blurred(video: Tensor, scene: SceneSpec, supersample: bool) -> Tensor:
    """Return the video (3,T,H,W) with motion blur; `scene` has the moments between its frames."""
    sides, (frames, height, width) = [video], video.shape[1:]
    for moment in (moment for moment in _MOMENTS if moment):
        index = (np.arange(frames) * _MOMENTS_A_FRAME + moment).clip(0, scene.frames - 1)
        sides.append(Tracer(scene.at(index), video.device).render(height, width, supersample)[0])
    return torch.stack(sides).mean(0)


def _render_scene(
    scene: SceneSpec, height: int, width: int, device: torch.device, supersample: bool
) -> dict[str, Tensor]:
    """Return the tensors of one clip by the names of `Clips`."""
    tracer = Tracer(scene, device)
    video, depth, slot = tracer.render(height, width, supersample)
    references = torch.full((SLOTS, 3, height, width), 0.5, device=device)
    masks = torch.zeros(SLOTS, height, width, device=device)
    for k, item in enumerate(scene.objects):
        references[k], masks[k] = reference(scene, item, height, width, device)
    return {
        "video": video,
        "depth": depth,
        "identity": slot,
        "references": references,
        "reference_masks": masks,
        "present": torch.arange(SLOTS, device=device) < len(scene.objects),
        "c2w": tracer.c2w,
        "intrinsics": tracer.intrinsics,
    }
