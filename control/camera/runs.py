"""A curve over time as runs: the stretches in which it rises or falls, without its wiggles and rests."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

REST = 0.125  # share of the clip from which on a stop cuts a run in two
TAIL = 0.03  # share of a run that its slow beginning and its slow end may take, as easing makes them


@dataclass(frozen=True)
class Run:
    """A stretch between two times (0..1 of the clip) in which a value changes by `amount` without turning back."""

    start: float
    end: float
    amount: float


def cut_into_runs(values: np.ndarray, threshold: float) -> list[Run]:
    """Return the runs of values (F,) at even times, in order. What turns back by less than `threshold` is a wiggle."""
    turns = _turning_points(np.asarray(values, np.float64), threshold)
    runs = []
    for first, last in zip(turns[:-1], turns[1:], strict=True):
        runs += _split_at_rests(values, first, last, threshold)
    return runs


def overlap(first: Run, second: Run) -> float:
    """Return the share of the shorter of two runs in which both happen, 0 where they do not meet."""
    shared = min(first.end, second.end) - max(first.start, second.start)
    return max(0.0, shared) / max(min(first.end - first.start, second.end - second.start), 1e-9)


def _turning_points(values: np.ndarray, threshold: float) -> list[int]:
    """Return the indices of the ends and of the extremes between which the values go by at least `threshold`."""
    low = high = 0
    direction = 0
    turns = [0]
    for i in range(1, len(values)):
        if values[i] > values[high]:
            high = i
        if values[i] < values[low]:
            low = i
        if direction >= 0 and values[high] - values[i] >= threshold:
            turns += [high] if high != turns[-1] else []
            direction, low = -1, i
            high = i
        elif direction <= 0 and values[i] - values[low] >= threshold:
            turns += [low] if low != turns[-1] else []
            direction, high = 1, i
            low = i
    last = {1: high, -1: low, 0: 0}[direction]
    return turns + ([last] if last != turns[-1] else [])


def _split_at_rests(values: np.ndarray, first: int, last: int, threshold: float) -> list[Run]:
    """Return the runs of a stretch between turns, cut where it rests for long and trimmed of its slow ends."""
    steps = np.abs(np.diff(values[first : last + 1]))
    moving = steps > TAIL * steps.max()
    runs, frames = [], len(values) - 1
    start: int | None = None
    for i, moves in enumerate([*moving, False]):
        if moves and start is None:
            start = i
        rests = not moves and start is not None and not moving[i : i + max(2, int(REST * frames))].any()
        if rests and start is not None:
            part = float(values[first + i] - values[first + start])
            if abs(part) >= threshold:
                runs.append(Run((first + start) / frames, (first + i) / frames, part))
            start = None
    return runs
