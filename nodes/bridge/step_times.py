"""How long the rest of a run takes, told after every step from the steps that are done."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median

TOO_SHORT = 10.0  # seconds: a run that is over sooner needs no estimate


class StepTimes:
    """The clock of one run of `total` steps. The first step also loads the model, so later ones count where there are.

    clock: gives seconds. then: what follows the last step, in words.
    """

    def __init__(self, total: int, clock: Callable[[], float] = time.monotonic, then: str = ", then decoding"):
        self.total, self.clock, self.then = total, clock, then
        self.began = self.latest = clock()
        self.steps: list[float] = []

    def after(self, done: int) -> str:
        """Return the progress after `done` steps in words."""
        now = self.clock()
        self.steps.append(now - self.latest)
        self.latest = now
        step = median(self.steps[1:]) if len(self.steps) > 1 else self.steps[0]
        passed, left = now - self.began, step * (self.total - done)
        if done >= self.total:
            return f"{done} steps in {duration(passed)}."
        if passed + left < TOO_SHORT:
            return f"Step {done} of {self.total}."
        about = "at most" if len(self.steps) == 1 else "about"
        return f"Step {done} of {self.total}, {duration(step)} each: {about} {duration(left)} left{self.then}."


def duration(seconds: float) -> str:
    """Return a length of time in words: '0.4 s', '42 s', '3 min 20 s', '2 h 5 min'."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 120:
        return f"{whole} s"
    minutes, seconds_left = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {seconds_left} s" if seconds_left else f"{minutes} min"
    hours, minutes_left = divmod(minutes, 60)
    return f"{hours} h {minutes_left} min" if minutes_left else f"{hours} h"
