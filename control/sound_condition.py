"""Sound as a condition: the loudness and the beats that something in the video moves to."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from .annotated_clip import AnnotatedClip
from .condition import Condition, VideoSize, check_frames, digest_of, register
from .errors import UserError
from .fit import Fit, TimeFit
from .sound import RATE, at_frames, loudness, read_sound


@register
@dataclass(frozen=True, eq=False, kw_only=True)
class SoundCondition(Condition):
    """The loudness of a sound, (N,) in 0..1, `rate` values per second: for a video, one value per frame.

    Raises UserError for another shape, NaN, and values outside 0..1.
    """

    name: ClassVar[str] = "sound"
    order: ClassVar[int] = 70
    help: ClassVar[str] = "a sound file, or a video with sound, whose loudness and beats the video moves to"

    values: np.ndarray
    rate: float

    def __post_init__(self) -> None:
        values = np.asarray(self.values, np.float32)
        if values.ndim != 1 or not len(values):
            raise UserError(f"the loudness has shape {values.shape}; one number per moment was expected")
        if not (np.isfinite(values).all() and values.min() >= 0 and values.max() <= 1):
            raise UserError("the loudness holds values outside 0..1: give it in shares of the loudest moment")
        if not self.rate > 0:
            raise UserError(f"the loudness has {self.rate} values a second; a number above 0 was expected")
        object.__setattr__(self, "values", values)

    @classmethod
    def of_samples(cls, samples: np.ndarray, rate: float, **weights: float) -> SoundCondition:
        """Return the condition of samples (S,) or (channels, S) at `rate` a second."""
        return cls(
            values=loudness(samples, rate),
            rate=RATE,
            strength=weights.get("strength", 1.0),
            start=weights.get("start", 0.0),
            end=weights.get("end", 1.0),
        )

    @property
    def seconds(self) -> float:
        """How long the sound lasts."""
        return len(self.values) / self.rate

    @property
    def features(self) -> np.ndarray:
        """What a network reads of every value, (N, 2): the loudness, and by how much it has risen since the last."""
        rise = np.diff(self.values, prepend=self.values[:1]).clip(0)
        return np.stack([self.values, rise], -1)

    def validate(self, video: VideoSize) -> None:
        """Raise UserError unless there is one value per frame."""
        super().validate(video)
        check_frames(len(self.values), video, "the sound's loudness")

    def fit(self, video: VideoSize, fit: Fit) -> tuple[SoundCondition, list[str]]:
        """Bring the sound to the frames of the video; another length in seconds is refused, stretched, or cut.

        A sound that ends within a frame of the video's end has its length.
        """
        if len(self.values) == video.frames and self.rate == video.fps:
            return self, []
        lasts, rate, warnings = video.frames / video.fps, self.rate, []
        if abs(self.seconds - lasts) * video.fps > 1:
            both = f"the sound lasts {self.seconds:.2f} s, the video {lasts:.2f} s"
            if fit.time is TimeFit.REFUSE:
                raise UserError(
                    f"{both}: set `fit_time` to hold to cut it (or have silence after its end), to resample to stretch"
                    f" it, or cut it to the video's length"
                )
            if fit.time is TimeFit.RESAMPLE:
                rate = len(self.values) / lasts
                done = "it was stretched"
            else:
                done = "it was cut" if self.seconds > lasts else "silence follows it"
            warnings.append(f"{both[:1].upper()}{both[1:]}: {done}.")
        values = at_frames(self.values, rate, video.frames, video.fps)
        return dataclasses.replace(self, values=values, rate=video.fps), warnings

    def digest(self) -> str:
        """Return the hash of the loudness."""
        return digest_of(self.strength, self.start, self.end, self.values, self.rate)

    def warnings(self) -> list[str]:
        """Return sentences about a sound that is silent, or equally loud all the time."""
        warnings = super().warnings()
        if not self.values.any():
            warnings.append("The sound is silent, so nothing moves to it.")
        elif np.ptp(self.values) < 0.02:
            warnings.append("The sound is equally loud all the time, so nothing moves to it.")
        return warnings

    @classmethod
    def of_clip(cls, clip: AnnotatedClip) -> SoundCondition | None:
        """Return the clip's sound, or None where it has none."""
        return None if clip.loudness is None else cls(values=clip.loudness, rate=clip.fps)

    @classmethod
    def load(
        cls, specs: Sequence[str], video: VideoSize, fit: Fit, strength: float = 1.0, **options: str
    ) -> tuple[SoundCondition, list[str]]:
        """Read a sound from a file."""
        samples, rate = read_sound(specs[-1])
        return cls.of_samples(samples, rate, strength=strength), []
