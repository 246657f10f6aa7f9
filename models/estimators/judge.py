"""The judge: looks at a clip with the estimators and says how far it is from the controls."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange

from ...control.camera.trajectory import CameraTrajectory
from ...control.conditions import (
    CameraCondition,
    Conditions,
    ControlVideoCondition,
    DepthCondition,
    IdentityCondition,
    KnownFramesCondition,
    SoundCondition,
)
from ...control.control_video.flow import detect_flow
from ...control.identity.slots import GRAY, Identity, lay_on
from ...control.images import resize_clip
from ...control.media import read_image
from . import metrics
from .camera import USUAL_FOCAL, camera_input, compose, still_disparity
from .control_error import MEASURED, own_error
from .estimators_file import Estimators, load_estimators
from .identity import crop, on_gray
from .layers import SIZE, at_size
from .motion import dis_flow
from .region_error import Look
from .scene_likeness import SceneLook, look_at_scene
from .sound_match import sound_match

# Of a control video of each kind, by its name.
OWN_ERRORS = tuple(f"own_error_{kind}" for kind in MEASURED)
METRICS = (
    "rot_err",
    "trans_err",
    "cam_mc",
    "depth_mae",
    "identity_accuracy",
    "mask_iou",
    "known_psnr",
    *OWN_ERRORS,
    "sound_match",
    "smoothness",
    "dynamic_degree",
)
# Which of them say how well each condition is obeyed, and those where more is better.
OF_CONDITION = {
    "camera": ("rot_err", "trans_err", "cam_mc"),
    "identity": ("identity_accuracy", "mask_iou"),
    "depth": ("depth_mae",),
    "known": ("known_psnr",),
    "control": OWN_ERRORS,
    "sound": ("sound_match",),
}
HIGHER_IS_BETTER = ("identity_accuracy", "mask_iou", "known_psnr", "sound_match")
CANDIDATES = 8  # an identity is right when it looks more like its reference than like seven others
LEAST_PIXELS = 24  # of an object, at 64x96, below which nobody could tell what it is
LEAST_CONTRAST = 0.01  # standard deviation of a clip's pixels below which there is nothing to see
LOOKS = 5  # frames in which an identity is looked at
# References of held-out scenes that no benchmark uses, side by side, with their masks as alpha.
OTHER_REFERENCES = Path(__file__).resolve().parents[2] / "assets" / "other_references.png"


@dataclass
class Measured:
    """The figures of one clip that are wanted (None where nothing was asked), and the estimates that failed."""

    values: dict[str, float | None]
    failed: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Seen:
    """A clip (F, H, W, 3) and what the perception estimator sees in it (`Judge.perceive`); whether there is nothing."""

    clip: np.ndarray
    depth: np.ndarray
    objects: np.ndarray
    features: np.ndarray
    disparity: np.ndarray
    lost: bool


@dataclass
class Judge:
    """The estimators on the CPU, and references of other scenes for an identity to be mistaken for."""

    estimators: Estimators
    _others: torch.Tensor | None = None

    @staticmethod
    def path() -> Path:
        """The estimators that are shipped."""
        from ..weights.checkpoint import embedded_path

        return Path(embedded_path("fulldit_mini_estimators"))

    @classmethod
    def load(cls, path: str | Path | None = None) -> Judge:
        """Raises UserError where the file is missing, cut or foreign."""
        return cls(load_estimators(path or cls.path()))

    @classmethod
    def fits(cls, frames: int, height: int, width: int) -> bool:
        """Whether a clip of this size can be measured: the weights are there, and its shape is not far from 3:2."""
        return cls.path().is_file() and frames >= 2 and 0.6 <= width / height / (SIZE[1] / SIZE[0]) <= 1.7

    # ---- what is seen ---------------------------------------------------------------------------------------------

    @torch.no_grad()
    def perceive(self, clip: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """A clip (F, H, W, 3) -> depth as a condition has it (F, 64, 96), objects (F, 64, 96) bool, features (F, C),
        and disparity (F, 64, 96) in inverse units of the world."""
        seen = self.estimators.perception(_images(clip))
        objects = (seen.objects > 0).numpy()
        return seen.depth.clamp(0, 1).numpy(), objects, seen.features.numpy(), seen.disparity.numpy()

    def scene(self, clip: np.ndarray) -> SceneLook:
        """What a clip (F, H, W, 3) shows, wherever the camera is."""
        return look_at_scene(_images(clip), self.estimators.identity)

    @torch.no_grad()
    def camera_path(self, clip: np.ndarray, asked: CameraTrajectory | None = None) -> tuple[np.ndarray, bool]:
        """c2w (F, 3, 4) relative to the first frame in units of its median depth, and whether the estimate failed.

        Of `asked` only the focal length of the first frame is used. A failed estimate is a camera that stands still.
        """
        focal = USUAL_FOCAL if asked is None else float(asked.intrinsics[0, 0])
        if len(clip) < 2 or not np.isfinite(clip).all() or clip.std() < LEAST_CONTRAST:
            return metrics.static_path(len(clip)), True
        images, flow = camera_input(clip)
        disparity = still_disparity(self.estimators.perception, images)
        poses = compose(self.estimators.camera(images[None], flow[None], disparity[None], torch.tensor([focal])))[0]
        if not torch.isfinite(poses).all():
            return metrics.static_path(len(clip)), True
        return poses.double().numpy(), False

    @torch.no_grad()
    def know_reference(self, identity: Identity) -> torch.Tensor:
        """The unit vectors of its reference images, averaged: (64,)."""
        known = []
        for number, image in enumerate(identity.images):
            shown = np.ascontiguousarray(lay_on(image, GRAY))
            pixels = rearrange(torch.from_numpy(shown).float(), "h w c -> 1 c h w")
            mask = torch.ones_like(pixels[:, 0])
            if number == 0 and identity.mask is not None:
                mask = torch.from_numpy(np.ascontiguousarray(identity.mask)).float()[None]
            # Large photographs are made small first, with their proportions: the crop does not smooth.
            shrink = max(SIZE) / max(pixels.shape[-2:])
            if shrink < 1:
                size = [max(1, round(side * shrink)) for side in pixels.shape[-2:]]
                both = torch.cat([pixels, mask[:, None]], 1)
                both = F.interpolate(both, size=size, mode="bilinear", antialias=True, align_corners=False)
                pixels, mask = both[:, :3], both[:, 3]
            known.append(self.estimators.identity(crop(on_gray(pixels, mask), mask)))
        return F.normalize(torch.cat(known).mean(0), dim=0)

    @torch.no_grad()
    def know_region(self, clip: np.ndarray, mask: np.ndarray) -> torch.Tensor | None:
        """The unit vectors of what stands in `mask` (F, 64, 96) bool, from frames where it is large enough: (n, 64)."""
        usable = np.flatnonzero(mask.sum((1, 2)) >= LEAST_PIXELS)
        if not len(usable):
            return None
        frames = np.unique(usable[np.linspace(0, len(usable) - 1, LOOKS).round().astype(int)])
        images = _images(clip[frames])
        seen: torch.Tensor = self.estimators.identity(crop(images, torch.from_numpy(mask[frames]).float()))
        return seen

    def likeness(self, clip: np.ndarray, identities: tuple[Identity, ...]) -> list[np.ndarray | None]:
        """For every identity, how much what stands in its track looks like each candidate: cosines (CANDIDATES,).

        The first candidates are the identities themselves in their order, the rest references of other scenes. None
        where the track is missing or too small.
        """
        known = torch.stack([self.know_reference(identity) for identity in identities])
        known = torch.cat([known, self.others()])[: max(CANDIDATES, len(identities))]
        result = []
        for identity in identities:
            seen = None
            if identity.mask_video is not None:
                seen = self.know_region(clip, _mask(identity.mask_video))
            result.append(None if seen is None else (seen @ known.T).mean(0).numpy())
        return result

    def others(self) -> torch.Tensor:
        """References of other scenes: (CANDIDATES - 1, 64)."""
        if self._others is None:
            tiles = np.split(read_image(OTHER_REFERENCES), CANDIDATES - 1, axis=1)
            known = [self.know_reference(Identity(f"other {number}", (tile,))) for number, tile in enumerate(tiles)]
            self._others = torch.stack(known)
        return self._others

    # ---- how far it is from what was asked ------------------------------------------------------------------------

    def see(self, clip: np.ndarray) -> Seen:
        """Return a clip (F, H, W, 3) in [0, 1] with what the perception estimator sees in it."""
        lost = bool(not np.isfinite(clip).all() or clip.std() < LEAST_CONTRAST)
        clip = np.nan_to_num(clip, nan=0.5, posinf=1, neginf=0)
        return Seen(clip, *self.perceive(clip), lost)

    def measure(self, clip: np.ndarray | Seen, conditions: Conditions, names: Sequence[str] = METRICS) -> Measured:
        """Return figures of a clip (F, H, W, 3) in [0, 1] against all conditions, made with them or not.

        names: which of METRICS; what only the others need is not estimated.
        """
        measured = Measured(dict.fromkeys(names))
        seen = clip if isinstance(clip, Seen) else self.see(clip)
        if "smoothness" in names:
            measured.values["smoothness"] = metrics.smoothness(seen.features)
        if "dynamic_degree" in names:
            measured.values["dynamic_degree"] = metrics.dynamic_degree(dis_flow(seen.clip))
        for condition in conditions.items:
            measure = MEASURES.get(condition.name)
            if measure is not None and set(OF_CONDITION[condition.name]) & set(names):
                measure(self, seen, condition, measured)
        control, camera = conditions.get(ControlVideoCondition), conditions.get(CameraCondition)
        if control is not None and set(OWN_ERRORS) & set(names):
            look = _look(seen, None if camera is None else camera.trajectory)
            for video in control.videos:
                measured.values[f"own_error_{video.kind}"] = own_error(video, seen.clip, look)
        return measured

    def _measure_camera(self, seen: Seen, condition: CameraCondition, measured: Measured) -> None:
        path, failed = self.camera_path(seen.clip, condition.trajectory)
        if seen.lost or failed:
            path = metrics.static_path(len(seen.clip))
            measured.failed.append("camera")
        measured.values.update(metrics.camera_errors(path, condition.trajectory.c2w))

    def _measure_depth(self, seen: Seen, condition: DepthCondition, measured: Measured) -> None:
        depth = seen.depth
        if seen.lost:
            depth = np.zeros_like(depth)
            measured.failed.append("depth")
        measured.values["depth_mae"] = metrics.depth_mae(depth, condition.clip.resized(*SIZE).values)

    def _measure_identity(self, seen: Seen, condition: IdentityCondition, measured: Measured) -> None:
        tracked = tuple(identity for identity in condition.identities if identity.mask_video is not None)
        masks = [_mask(identity.mask_video) for identity in condition.identities if identity.mask_video is not None]
        if not masks:
            return
        measured.values["mask_iou"] = _mean(metrics.mask_ious(seen.objects, np.stack(masks)))
        if "identity_accuracy" not in measured.values:
            return
        likeness = self.likeness(seen.clip, tracked)
        right = [None if one is None else float(one.argmax() == slot) for slot, one in enumerate(likeness)]
        measured.values["identity_accuracy"] = _mean(right)

    def _measure_known(self, seen: Seen, condition: KnownFramesCondition, measured: Measured) -> None:
        measured.values["known_psnr"] = known_psnr(seen.clip, condition)

    def _measure_sound(self, seen: Seen, condition: SoundCondition, measured: Measured) -> None:
        if len(seen.clip) > 1:
            flow = detect_flow(rearrange(_images(seen.clip), "f c h w -> f h w c").numpy())[:-1]
            measured.values["sound_match"] = sound_match(flow, seen.objects, condition.values)

    def agreement(self, clip: np.ndarray, conditions: Conditions) -> dict[str, Any]:
        """Return rounded figures of the conditions that are present, for reports: {} where none is.

        Of a single identity no accuracy is told: it is one look that is right or wrong, and at times right by chance
        where no condition was given at all. Only the mean over many scenes says something (`benchmark.py`).
        """
        names = [name for condition in conditions.names for name in OF_CONDITION.get(condition, ())]
        if sum(identity.mask_video is not None for identity in identities_of(conditions)) < 2:
            names = [name for name in names if name != "identity_accuracy"]
        if not names:
            return {}
        measured = self.measure(clip, conditions, names)
        result: dict[str, Any] = {name: round(value, 4) for name, value in measured.values.items() if value is not None}
        if measured.failed:
            result["failed"] = measured.failed
        return result

    def swapped(self, clip: np.ndarray, identities: tuple[Identity, ...]) -> bool | None:
        """Whether the objects of the first two identities (with references as before an exchange) have changed places.

        None where one of them cannot be seen well enough to tell.
        """
        first, second = self.likeness(clip, identities)[:2]
        if first is None or second is None:
            return None
        return bool(first[1] > first[0] and second[0] > second[1])


# What is measured of each condition, by its name; one without an entry has no figure, or (control videos, of which
# normals need the camera's lens) one of its own in `measure`. Each takes its own class.
MEASURES: dict[str, Callable[[Judge, Seen, Any, Measured], None]] = {
    "camera": Judge._measure_camera,
    "identity": Judge._measure_identity,
    "depth": Judge._measure_depth,
    "known": Judge._measure_known,
    "sound": Judge._measure_sound,
}


def known_psnr(clip: np.ndarray, condition: KnownFramesCondition) -> float | None:
    """Return the PSNR of a clip (F, H, W, 3) in what was known of it, in dB; None where nothing was.

    A clip of another size is resized to that of the known frames.
    """
    images = resize_clip(clip[condition.places(len(clip))], *condition.images.shape[1:3])
    return metrics.masked_psnr(images, condition.images, condition.mask)


def _look(seen: Seen, camera: CameraTrajectory | None) -> Look:
    """What control videos are compared with; without a camera the lens is the usual one."""
    images = rearrange(_images(seen.clip), "f c h w -> f h w c").numpy()
    usual = USUAL_FOCAL * np.array([1, SIZE[1] / SIZE[0]])
    lens = np.tile(usual, (len(seen.clip), 1)) if camera is None else np.asarray(camera.intrinsics)[:, :2]
    return Look(images, seen.objects, seen.depth, seen.disparity, lens)


def identities_of(conditions: Conditions) -> tuple[Identity, ...]:
    """Return the identities of the conditions, none where there is no identity condition."""
    condition = conditions.get(IdentityCondition)
    return () if condition is None else condition.identities


def _images(clip: np.ndarray) -> torch.Tensor:
    """(F, H, W, 3) -> (F, 3, 64, 96)."""
    frames = rearrange(torch.from_numpy(np.ascontiguousarray(clip)).float(), "f h w c -> f c h w")
    return at_size(frames).clamp(0, 1)


def _mask(track: np.ndarray) -> np.ndarray:
    """(F, H, W) -> (F, 64, 96) bool."""
    return (at_size(torch.from_numpy(np.ascontiguousarray(track)).float()[:, None])[:, 0] > 0.5).numpy()


def _mean(values: list[float | None]) -> float | None:
    return metrics.mean_and_error(values)[0]
