"""Known frames and regions as a condition: what of the new video is there already."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from .annotated_clip import AnnotatedClip
from .checked_frames import checked_frames
from .condition import Condition, VideoSize, check_sides, digest_of, register
from .errors import UserError
from .fit import Fit, SpaceFit, TimeFit, fit_indices, fit_size
from .frame_spans import parse_frames
from .identity.slots import check_range
from .known_frames_draw import draw_known
from .known_frames_files import join_weights, parse_known, read_known
from .ranges import format_ranges, name_frames
from .strength import check_strength

NAME, MASK = "the clip of known frames", "the mask of the known frames"
UNKNOWN = 0.5  # gray: what stands where nothing is known
MOST_NOISE = 2.0  # standard deviation, where a pixel goes from -1 to 1: hardly anything is left of the images


@register
@dataclass(frozen=True, eq=False, kw_only=True)
class KnownFramesCondition(Condition):
    """Frames of the new video, or regions of them, that are known: start and end image, a clip to go on from, what is
    kept around a region to be painted anew, what an image is to be continued beyond.

    images: (N, H, W, 3), 0..1. mask: (N, H, W), 0..1, or (1, H, W) for all of them, 1 where an image is known; None is
    everywhere. at: the frames of the video at which the images stand, in their order (`frame_spans.py`); 'first' or
    'last' alone are as many as there are images. noise: standard deviation of the noise that is added to the images
    before the VAE, where a pixel goes from -1 to 1 (EasyAnimate V5 adds 0.0563): above 0, the video may depart from
    them. seed: of that noise. Raises UserError for other shapes, NaN, and values far outside 0..1.
    """

    name: ClassVar[str] = "known"
    order: ClassVar[int] = 50
    metavar: ClassVar[str] = "FILE[,frames=F][,mask=FILE]"
    help: ClassVar[str] = (
        "frames of the video that are known: an image, image folder or video; frames=first (default), last, 0-8 or 0,16"
        " says where they stand, mask=FILE what of them is known (white), take=last:9 which frames of the file are"
        " taken, noise=0.05 how far the video may depart from them; give the option again for more"
    )
    repeatable: ClassVar[bool] = True

    images: np.ndarray
    mask: np.ndarray | None = None
    at: str = "first"
    noise: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "images", checked_frames(self.images, NAME))
        if self.mask is not None:
            object.__setattr__(self, "mask", _checked_mask(np.asarray(self.mask, np.float32)))
        if not 0 <= self.noise <= MOST_NOISE:
            raise UserError(f"the noise on the known frames is {self.noise}; 0 to {MOST_NOISE:g} was expected")

    def validate(self, video: VideoSize) -> None:
        """Raise UserError unless every image has its frame in the video and the video's size, and so has the mask."""
        check_strength(self.strength, self.start, self.end, "the known frames")
        check_sides(self.images.shape[1:3], video, NAME)
        places = self.places(video.frames)
        if len(places) != len(self.images):
            raise UserError(_too_many(len(self.images), places))
        beyond = places[(places < 0) | (places >= video.frames)]
        if len(beyond):
            raise UserError(_beyond(np.sort(beyond), video.frames))
        if self.mask is not None:
            if len(self.mask) not in (1, len(self.images)):
                raise UserError(_other_length(len(self.mask), len(self.images)))
            check_sides(self.mask.shape[1:3], video, MASK)

    def fit(self, video: VideoSize, fit: Fit) -> tuple[KnownFramesCondition, list[str]]:
        """Bring images and mask to the video's size, and the images to the frames that are named for them.

        What is padded is not known, so that padding is outpainting. Frames beyond the video are left out where another
        length is not refused.
        """
        places, chosen, said = self._placed(video, fit.time)
        mask = self.mask if self.mask is not None else np.ones((1, *self.images.shape[1:3]), np.float32)
        if len(mask) not in (1, len(self.images)):
            if fit.time is TimeFit.REFUSE:
                raise UserError(_other_length(len(mask), len(self.images)))
            masks, more = fit_indices(len(mask), len(self.images), fit.time, MASK)
            mask, said = mask[masks], [*said, *more]
        mask = _like_images(mask, self.images, fit.space)
        order = np.argsort(places, kind="stable")
        images, more = fit_size(self.images[chosen[order]], video.height, video.width, fit.space, NAME)
        mask = mask if len(mask) == 1 else mask[chosen[order]]
        mask = fit_size(mask, video.height, video.width, fit.space, MASK)[0].clip(0, 1)
        at = format_ranges(places[order])
        whole = None if mask.min() == 1 else mask
        return dataclasses.replace(self, images=images, mask=whole, at=at), [*said, *more]

    def _placed(self, video: VideoSize, fit: TimeFit) -> tuple[np.ndarray, np.ndarray, list[str]]:
        """Return frames of the video (M,), which image stands at each (M,), and what was done for that."""
        places, chosen = self.places(video.frames), np.arange(len(self.images))
        said: list[str] = []
        if len(places) != len(chosen):
            if fit is TimeFit.REFUSE:
                raise UserError(_too_many(len(chosen), places))
            chosen, said = fit_indices(len(chosen), len(places), fit, NAME)
        inside = (places >= 0) & (places < video.frames)
        if not inside.all():
            beyond = np.sort(places[~inside])
            if fit is TimeFit.REFUSE or not inside.any():
                raise UserError(_beyond(beyond, video.frames))
            said.append(f"The known {_named(beyond)} lie beyond the video and were left out.")
        return places[inside], chosen[inside], said

    def places(self, frames: int) -> np.ndarray:
        """Return the frames (N,) of a video of `frames` frames at which the images stand; some may lie beyond it."""
        return parse_frames(self.at, frames, len(self.images))

    def region(self, video: VideoSize) -> np.ndarray:
        """Return what is known of every frame of the video (F, H, W), 0..1; of a fitted condition."""
        known = np.zeros((video.frames, video.height, video.width), np.float32)
        known[self.places(video.frames)] = 1 if self.mask is None else self.mask
        return known

    def shown(self, video: VideoSize) -> np.ndarray:
        """Return the video (F, H, W, 3) of what is known, gray elsewhere, with its noise; of a fitted condition.

        The noise is on what is known alone, as EasyAnimate has it.
        """
        frames = np.full((video.frames, video.height, video.width, 3), UNKNOWN, np.float32)
        images = self.images
        if self.noise:
            drawn = np.random.default_rng(self.seed).standard_normal(images.shape, np.float32)
            images = images + self.noise / 2 * drawn  # a pixel of 0..1 is half as long as one of -1..1
        known = 1.0 if self.mask is None else self.mask[..., None]
        frames[self.places(video.frames)] = UNKNOWN + (images - UNKNOWN) * known
        return frames

    def digest(self) -> str:
        """Return the hash of the images, where they stand, the mask and the noise."""
        noise = (self.noise, self.seed) if self.noise else None
        return digest_of(self.strength, self.start, self.end, self.images, self.mask, self.at, noise)

    def warnings(self) -> list[str]:
        """Return a sentence about a mask that is empty."""
        empty = self.mask is not None and not self.mask.max() > 0
        return [*super().warnings(), *(["The mask of the known frames is black: nothing is known."] if empty else [])]

    @classmethod
    def of_clip(cls, clip: AnnotatedClip) -> KnownFramesCondition:
        """Return frames or regions of the clip, drawn by its seed (`known_frames_draw.py`)."""
        masks = [one.mask_video for one in clip.identities if one.mask_video is not None]
        drawn = draw_known(np.random.default_rng([clip.seed, 50]), clip.frames.shape[:3], masks)
        return cls(
            images=clip.frames[drawn.places],
            mask=drawn.mask,
            at=format_ranges(drawn.places),
            noise=drawn.noise,
            seed=clip.seed,
        )

    @classmethod
    def load(
        cls, specs: Sequence[str], video: VideoSize, fit: Fit, strength: float = 1.0, **options: str
    ) -> tuple[KnownFramesCondition, list[str]]:
        """Read known frames from one or more specifications (`known_frames_files.py`), each fitted by itself."""
        parts, warnings = [], []
        parsed = [parse_known(spec) for spec in specs]
        weights: dict[str, Any] = {"strength": strength, **join_weights(parsed)}
        for spec in parsed:
            images, mask, said = read_known(spec)
            part, more = cls(images=images, mask=mask, at=spec.frames, **weights).fit(video, fit)
            parts.append(part)
            warnings += [*said, *more]
        if len(parts) == 1:
            return parts[0], warnings
        masks = None
        if any(part.mask is not None for part in parts):
            masks = np.concatenate([part.region(video)[part.places(video.frames)] for part in parts])
        at = ",".join(part.at for part in parts)
        return cls(images=np.concatenate([part.images for part in parts]), mask=masks, at=at, **weights), warnings


def _checked_mask(mask: np.ndarray) -> np.ndarray:
    """Return a mask (N, H, W). Raises UserError for another shape, NaN and values outside 0..1."""
    if mask.ndim != 3 or min(mask.shape) < 1:
        raise UserError(f"{MASK} has shape {mask.shape}; (frames, height, width) was expected")
    check_range(mask, MASK)
    return mask


def _like_images(mask: np.ndarray, images: np.ndarray, fit: SpaceFit) -> np.ndarray:
    """Return a mask (N, H, W) in the proportions of the images. Raises UserError for others, unless it is stretched."""
    (height, width), (own_height, own_width) = images.shape[1:3], mask.shape[1:3]
    if (height, width) == (own_height, own_width):
        return mask
    try:
        return fit_size(mask, height, width, SpaceFit.STRETCH if fit is SpaceFit.STRETCH else SpaceFit.REFUSE, MASK)[0]
    except UserError as error:
        raise UserError(
            f"{MASK} is {own_width}x{own_height} (width x height), the images {width}x{height}: give a mask of their"
            f" size, or set `fit_space` to stretch"
        ) from error


def _too_many(count: int, places: np.ndarray) -> str:
    return (
        f"{count} known image{'s were' if count > 1 else ' was'} given for {name_frames(np.sort(places))}: give one"
        f" image per frame, or set `fit_time` to resample or hold"
    )


def _beyond(beyond: np.ndarray, frames: int) -> str:
    return (
        f"the known {_named(beyond)} lie beyond the video, whose frames are 0 to {frames - 1}: name others, or set"
        f" `fit_time` to hold to leave them out"
    )


def _named(beyond: np.ndarray) -> str:
    """Return places beyond the video in words; those of 'last' may lie before its first frame."""
    return name_frames(beyond) if beyond.min() >= 0 else f"images of {len(beyond)} frames before its first"


def _other_length(masks: int, images: int) -> str:
    return (
        f"{MASK} has {masks} frames, but there are {images} images: give one mask, one per image, or set `fit_time` to"
        f" resample or hold"
    )
