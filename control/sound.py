"""Sound as numbers: how loud it is from moment to moment, out of samples and out of files, and a tone of a loudness."""

from __future__ import annotations

import math
import os
import wave
from pathlib import Path
from typing import Any

import numpy as np

from .errors import UserError
from .files import atomic_path, existing
from .libraries import pyav

RATE = 200.0  # loudness values per second, before they are fitted to a video
_WINDOW = 0.02  # seconds that a value looks at
_SILENCE = 1e-4  # of full scale: what is quieter all along is silence
MOST_SECONDS = 3600.0
_TONE = 220.0  # Hz
_TONE_RATE = 16000


def loudness(samples: np.ndarray, rate: float) -> np.ndarray:
    """Return the loudness (N,), RATE values a second, of samples (S,) or (channels, S) at `rate` per second.

    It is the root of the mean square over 20 ms, of all channels, in shares of the loudest moment: 0..1, and 0 for
    silence. Value k is that of the time k / RATE. Raises UserError for no samples, NaN, and more than an hour.
    """
    samples = np.atleast_2d(np.asarray(samples, np.float64))
    if samples.ndim != 2 or not samples.size or not rate > 0:
        raise UserError(
            f"the sound has samples of shape {samples.shape} at {rate} a second; (channels, samples) was expected"
        )
    if not np.isfinite(samples).all():
        raise UserError("the sound holds NaN or infinity: give another one")
    if samples.shape[1] / rate > MOST_SECONDS:
        raise UserError(f"the sound lasts {samples.shape[1] / rate:.0f} s; at most {MOST_SECONDS:.0f} s: cut it first")
    total = np.concatenate([[0.0], np.cumsum((samples**2).mean(0))])
    times = np.arange(max(1, round(samples.shape[1] / rate * RATE))) / RATE
    low, high = (((times + side * _WINDOW / 2) * rate).round().astype(int).clip(0, len(total) - 1) for side in (-1, 1))
    values = np.sqrt((total[high] - total[low]).clip(0) / np.maximum(high - low, 1))
    loudest = values.max()
    shares: np.ndarray = values / loudest if loudest > _SILENCE else np.zeros_like(values)
    return shares.astype(np.float32)


def at_frames(values: np.ndarray, rate: float, frames: int, fps: float) -> np.ndarray:
    """Return the loudness (frames,) at the times k / fps, of values (N,) at `rate` a second; silence past the end.

    Where values come faster than frames, each frame has the root of the mean square around its time.
    """
    total = np.concatenate([[0.0], np.cumsum(values.astype(np.float64) ** 2)])
    places, spread = np.arange(frames) / fps * rate, max(rate / fps, 1.0)

    def integral(x: np.ndarray) -> np.ndarray:
        summed: np.ndarray = np.interp(x, np.arange(len(total)), total)
        return summed

    # Value k covers k - 1/2 to k + 1/2; before the first frame there is nothing.
    low, high = (places + 0.5 - spread / 2).clip(0), places + 0.5 + spread / 2
    mean: np.ndarray = (integral(high) - integral(low)) / (high - low)
    result: np.ndarray = np.sqrt(mean.clip(0)).clip(0, 1).astype(np.float32)
    return result


def tone(values: np.ndarray, fps: float) -> np.ndarray:
    """Return samples (S,), 16000 a second, of a tone that is as loud as values (F,) in 0..1 say, F / fps seconds."""
    times = np.arange(math.ceil(len(values) / fps * _TONE_RATE)) / _TONE_RATE
    swell = np.interp(times * fps, np.arange(len(values)), values)
    result: np.ndarray = (0.8 * swell * np.sin(2 * np.pi * _TONE * times)).astype(np.float32)
    return result


def write_tone(path: str | os.PathLike[str], values: np.ndarray, fps: float) -> None:
    """Write `tone` as a WAV file of 16 bits."""
    data = np.round(tone(values, fps) * 32767).astype("<i2").tobytes()
    with atomic_path(Path(path)) as temporary, wave.open(str(temporary), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(_TONE_RATE)
        file.writeframes(data)


def read_sound(path: str | os.PathLike[str]) -> tuple[np.ndarray, float]:
    """Return samples (channels, S) and their rate of a sound file, or of the sound of a video.

    Raises UserError for a missing or foreign file, and for a video without sound.
    """
    av, path = pyav(), existing(path, "sound")
    try:
        with av.open(str(path), metadata_errors="replace") as container:
            if not container.streams.audio:
                raise UserError(f"'{path}' has no sound: give a sound file, or a video with sound")
            return _decode(av, container), _TONE_RATE
    except (av.error.FFmpegError, OSError) as error:
        raise UserError(f"'{path}' cannot be read as a sound ({error.__class__.__name__})") from error


def _decode(av: Any, container: Any) -> np.ndarray:
    """Return all samples (1, S) of an open container in one channel, _TONE_RATE a second: loudness needs no more."""
    resampler = av.AudioResampler(format="flt", layout="mono", rate=_TONE_RATE)
    pieces: list[np.ndarray] = []
    count = 0
    for frame in container.decode(audio=0):
        for piece in resampler.resample(frame):
            pieces.append(piece.to_ndarray().reshape(1, -1))
            count += pieces[-1].shape[1]
        if count > MOST_SECONDS * _TONE_RATE:
            raise UserError(f"the sound lasts more than {MOST_SECONDS:.0f} s: cut it first")
    pieces += [piece.to_ndarray().reshape(1, -1) for piece in resampler.resample(None)]
    if not count:
        raise UserError("the sound has no samples: give another one")
    return np.concatenate(pieces, 1)
