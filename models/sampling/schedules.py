"""Sampling schedules: at which times t the network is evaluated, from 1 (noise) down to 0 (data)."""

from __future__ import annotations

from collections.abc import Callable

import torch

from ...control.errors import UserError

SHIFT = 3.0  # Wan 2.1 samples 480p at 3 and 720p at 5; the embedded model is trained around 3


def shifted_time(t: float, shift: float) -> float:
    """Return t moved toward the noise end: s t / (1 + (s - 1) t). 0 and 1 stay (Esser et al. 2403.03206, eq. 23)."""
    return shift * t / (1 + (shift - 1) * t)


def unshifted_time(t: float, shift: float) -> float:
    """Return what `shifted_time` makes t of: t / (s - (s - 1) t)."""
    return t / (shift - (shift - 1) * t)


def percent_to_time(percent: float, shift: float = SHIFT) -> float:
    """Return the time at which `percent` (0 to 1) of a shifted schedule is done: ComfyUI's `percent_to_sigma`."""
    return shifted_time(1 - min(max(percent, 0.0), 1.0), shift)


def linear(steps: int, shift: float = SHIFT) -> list[float]:
    """Return equal steps from 1 to 0; `shift` is not used."""
    return [1 - i / steps for i in range(steps + 1)]


def shifted(steps: int, shift: float = SHIFT) -> list[float]:
    """Return equal steps, moved toward the noise end by `shift`: what Wan and ComfyUI's `simple` scheduler do."""
    return [shifted_time(t, shift) for t in linear(steps)]


def linear_quadratic(steps: int, shift: float = SHIFT, linear_share: float = 0.025) -> list[float]:
    """Return steps of which half take the first `linear_share` of the way, equal and small; the rest grow by squares.

    Movie Gen (2410.13720, section 3.4.2). The quadratic part takes over with the slope of the linear part and ends at
    0: after j of its Q steps the way done is r + s j + a j^2 with r = linear_share, s = r / N, a = (1 - r - s Q) / Q^2.
    """
    if steps == 1:
        return [1.0, 0.0]
    first = steps // 2
    rest = steps - first
    slope = linear_share / first
    bend = (1 - linear_share - slope * rest) / rest**2
    done = [slope * i for i in range(first)]
    done += [linear_share + slope * j + bend * j * j for j in range(rest)]
    return [1 - share for share in (*done, 1.0)]


SCHEDULES: dict[str, Callable[..., list[float]]] = {
    "linear": linear,
    "shifted": shifted,
    "linear_quadratic": linear_quadratic,
}


def schedule(name: str, steps: int, shift: float = SHIFT) -> torch.Tensor:
    """Return times (steps + 1,) float32 from 1 to 0. Raises UserError for an unknown name, no steps or shift <= 0."""
    if name not in SCHEDULES:
        raise UserError(f"There is no schedule called {name!r}. Choose one of: {', '.join(SCHEDULES)}.")
    if steps < 1:
        raise UserError(f"Sampling needs at least 1 step, not {steps}.")
    if shift <= 0:
        raise UserError(f"The shift must be above 0, not {shift}. 1 means no shift.")
    return torch.tensor(SCHEDULES[name](steps, shift), dtype=torch.float32)
