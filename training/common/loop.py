"""How far a run is: steps, samples and time; how much of its budget that is; what is due; whether to go on."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ...control.errors import UserError


class Loop:
    """The counts of one run, whose budget is `steps` or `minutes`, whichever is used up first (None: no bound).

    clock: what counts as time, in seconds; by default that of the clock on the wall.
    """

    def __init__(
        self, steps: int | None, minutes: float | None, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self.budget_steps, self.budget_minutes, self.clock = steps, minutes, clock
        self.step = self.samples = 0
        self.seconds = 0.0
        self.stop_requested = False
        self._ticked = clock()
        self._resumed_at = 0.0
        self._done: dict[str, float] = {}

    @property
    def minutes(self) -> float:
        return self.seconds / 60

    @property
    def progress(self) -> float:
        """Share of the budget that is used up, 0 to 1."""
        by_steps = self.step / self.budget_steps if self.budget_steps else 0.0
        by_time = self.minutes / self.budget_minutes if self.budget_minutes else 0.0
        return min(1.0, max(by_steps, by_time))

    @contextmanager
    def running(self) -> Iterator[None]:
        """Let time count, and take SIGTERM as the wish to stop after the present step."""
        self._ticked, self._resumed_at = self.clock(), self.seconds
        self._done.clear()
        if threading.current_thread() is not threading.main_thread():  # which alone may handle signals
            yield
            return
        previous = signal.signal(signal.SIGTERM, lambda *_: self.request_stop())
        try:
            yield
        finally:
            signal.signal(signal.SIGTERM, previous or signal.SIG_DFL)

    def request_stop(self) -> None:
        """End the run after the present step."""
        self.stop_requested = True

    def goes_on(self, until: int | None = None) -> bool:
        """Whether another step is to be made: the budget lasts, nobody asked to stop, `until` steps are not reached."""
        return self.progress < 1 and not self.stop_requested and (until is None or self.step < until)

    def count(self, samples: int) -> None:
        """Count one step on `samples` samples."""
        self.step += 1
        self.samples += samples

    def tick(self) -> None:
        """Add the time since the last tick."""
        now = self.clock()
        self.seconds += now - self._ticked
        self._ticked = now

    def due(self, name: str, minutes: float) -> bool:
        """Whether `minutes` have passed since this was last true for `name`, or since the run was taken up."""
        if self.seconds - self._done.get(name, self._resumed_at) < 60 * minutes:
            return False
        self._done[name] = self.seconds
        return True

    def raise_if_stopped(self) -> None:
        """Raise UserError where the run was stopped before its end: nothing may be built on its result."""
        if self.stop_requested and self.progress < 1:
            raise UserError(f"The training was stopped at step {self.step}. Run the same command again to go on.")

    def state(self) -> dict[str, float]:
        """Return what `load` needs to go on counting."""
        return {"step": self.step, "samples": self.samples, "seconds": self.seconds}

    def load(self, state: dict[str, float]) -> None:
        """Go on counting where `state` was taken."""
        self.step, self.samples, self.seconds = int(state["step"]), int(state["samples"]), state["seconds"]
