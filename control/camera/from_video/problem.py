"""The tracked points of a video as the problem to solve, and the choice of the frames and tracks to solve first."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .tracks import Tracks

# Side of the cells of which each gives its longest tracks in turn, in pixels of an image 672 wide.
_CELL = 90
_MIN_VIEWS = 3


@dataclass
class Problem:
    """The tracks of a video, and what is known of its lens.

    tracks (N, F, 2): positions in pixels from the middle of the image (NaN: not tracked). focal: in pixels, a guess
    unless focal_known. pixel: a pixel of an image 672 wide in pixels of this one, the unit of all thresholds. images:
    gray, of the working size, one per frame.
    """

    tracks: np.ndarray
    focal: float
    focal_known: bool
    pixel: float
    images: list[np.ndarray]

    @classmethod
    def from_tracks(cls, tracks: Tracks, images: list[np.ndarray], focal: float, focal_known: bool) -> Problem:
        """focal: in widths of the image."""
        width, height = tracks.size
        middle = np.array([width / 2, height / 2])
        return cls(tracks.xy - middle, focal * width, focal_known, max(width, height) / 672, images)

    @property
    def frames(self) -> int:
        """The number of frames."""
        return int(self.tracks.shape[1])

    def visibility(self) -> np.ndarray:
        """Return whether each track is seen in each frame, (N, F) bool."""
        visible: np.ndarray = np.isfinite(self.tracks[:, :, 0])
        return visible

    def in_both(self, first: int, second: int) -> np.ndarray:
        """Return the numbers (n,) of the tracks seen in both frames."""
        visible = self.visibility()
        return np.flatnonzero(visible[:, first] & visible[:, second])


@dataclass
class Observations:
    """camera_index, point_index (M,): numbers in the chosen frames and tracks; xy (M, 2): pixels from the middle."""

    camera_index: np.ndarray
    point_index: np.ndarray
    xy: np.ndarray

    def weights(self) -> np.ndarray:
        """Return the same weight in every direction for all observations: (M, 2, 2)."""
        return np.tile(np.eye(2), (len(self.xy), 1, 1))


def observations(problem: Problem, frames: np.ndarray, tracks: np.ndarray) -> Observations:
    """Return all positions of the chosen tracks (n,) in the chosen frames (k,)."""
    point, camera = np.nonzero(problem.visibility()[np.ix_(tracks, frames)])
    return Observations(camera, point, problem.tracks[tracks[point], frames[camera]])


def choose_keyframes(problem: Problem, count: int) -> np.ndarray:
    """Return up to `count` frames, first and last included, evenly spread over the motion of the image."""
    if problem.frames <= count:
        return np.arange(problem.frames)
    motion = np.zeros(problem.frames)
    for frame in range(1, problem.frames):
        both = problem.in_both(frame - 1, frame)
        if len(both):
            flow = problem.tracks[both, frame] - problem.tracks[both, frame - 1]
            motion[frame] = np.median(np.linalg.norm(flow, axis=1))
    # A frame in which nothing moves still counts a little, so that long holds are not skipped altogether.
    motion[1:] += 0.3 * motion.mean() + 1e-3
    traveled = np.cumsum(motion)
    wanted = np.linspace(0, traveled[-1], count)
    return np.unique(np.clip(np.searchsorted(traveled, wanted - 1e-9), 0, problem.frames - 1))


def choose_tracks(problem: Problem, frames: np.ndarray, limit: int) -> np.ndarray:
    """Return up to `limit` tracks seen in at least three of the frames: the longest of every part of the image."""
    visible = problem.visibility()[:, frames]
    length = visible.sum(1)
    mean = np.where(visible[..., None], problem.tracks[:, frames], 0).sum(1) / np.maximum(length, 1)[:, None]
    usable = np.flatnonzero(length >= min(_MIN_VIEWS, len(frames)))
    column, row = np.floor(mean[usable] / (_CELL * problem.pixel)).astype(int).T
    cell = column * 1000 + row
    order = np.lexsort((usable, -length[usable], cell))
    starts_cell = np.r_[True, cell[order][1:] != cell[order][:-1]]
    number = np.arange(len(order))
    rank_in_cell = number - np.maximum.accumulate(np.where(starts_cell, number, 0))
    # Round after round, each part of the image gives its next longest track.
    turn = np.lexsort((-length[usable[order]], rank_in_cell))
    return np.sort(usable[order[turn[:limit]]])
