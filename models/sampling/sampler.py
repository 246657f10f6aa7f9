"""From noise to a latent: guided velocity, Euler and Heun.

The network enters as a callable with `prefill`, so this file knows no architecture. ComfyUI samples with its own
samplers; this is the same walk for use outside it (a test in `tests/comfyui` compares the two).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Protocol

import torch

from ...control.errors import UserError
from ..conditioning.condition_streams import ConditionStreams
from ..conditioning.registry import ENTRIES
from .kept import Kept, kept_of
from .schedules import SHIFT, percent_to_time, schedule

if TYPE_CHECKING:
    from ..conditioning.kv_cache import ConditionKVCache
    from ..conditioning.timed_text import Text

Callback = Callable[[int, torch.Tensor], object]
Velocity = Callable[[torch.Tensor, float], torch.Tensor]


class VelocityModel(Protocol):
    """What is asked of a network: the velocity, and what it keeps of conditions."""

    def __call__(
        self,
        x: torch.Tensor,
        timestep: torch.Tensor,
        context: Text,
        conditions: ConditionStreams | None = None,
        kv_cache: ConditionKVCache | None = None,
    ) -> torch.Tensor:
        """Return the velocity (B, C, T, h, w) of x at 1000 t, (B,) or (B, T)."""

    def prefill(self, conditions: ConditionStreams) -> ConditionKVCache:
        """Return what every pass needs of the conditions."""


class GuidedVelocity:
    """The velocity under classifier-free guidance, as a function of (x, t).

    Without scales of their own all conditions are guided together with the text:
        v = v(nothing) + guidance (v(text, all conditions) - v(nothing)).
    `condition_guidance` gives conditions scales of their own. They leave the joint term and are added one after the
    other, each against the prediction without it, at the price of one more pass per condition:
        v += scale_c (v(text, conditions so far, c) - v(text, conditions so far)).
    The branch `nothing` carries the null context and no condition token at all, as it was trained.

    A stream is part of a pass while the time lies in its range: `start` and `end` are shares of the sampling, turned to
    times by `percent_to_time`, both ends included, as ComfyUI does. What `prefill` gives for a set of streams is kept
    as long as this object lives: it depends on neither t nor the text.

    `kept`, None at first, is what of x is there already (kept.py).
    """

    def __init__(
        self,
        model: VelocityModel,
        context: Text,
        null_context: torch.Tensor,
        conditions: ConditionStreams | None = None,
        *,
        guidance: float,
        condition_guidance: Mapping[str, float] | None = None,
        shift: float = SHIFT,
    ):
        self.model = model
        self.context = context
        self.null_context = null_context
        self.conditions = conditions
        self.guidance = float(guidance)
        self.scales = dict(condition_guidance or {})
        self.shift = shift
        self.kept: Kept | None = None
        self.passes = 0  # network passes so far, for reports
        self._kv_caches: dict[tuple[int, ...], tuple[ConditionStreams, ConditionKVCache]] = {}
        present = conditions.names if conditions is not None else ()
        for name in self.scales:
            if name not in present:
                raise UserError(
                    f"Guidance is set for {name!r}, but this condition is not present (present: "
                    f"{', '.join(present) or 'none'}). Give the condition, or leave its guidance out."
                )

    def forget(self) -> None:
        """Let go of what was kept of the conditions; it is computed again where it is needed."""
        self._kv_caches.clear()

    def active(self, t: float) -> tuple[int, ...]:
        """Return the indices of the streams that take part at time t."""
        if self.conditions is None:
            return ()
        indices = []
        for index, stream in enumerate(self.conditions.streams):
            first = float("inf") if stream.start <= 0 else percent_to_time(stream.start, self.shift)
            last = 0.0 if stream.end >= 1 else percent_to_time(stream.end, self.shift)
            if last - 1e-6 <= t <= first + 1e-6:
                indices.append(index)
        return tuple(indices)

    def _predict(self, x: torch.Tensor, t: float, context: Text, indices: tuple[int, ...]) -> torch.Tensor:
        """Run one pass with these streams."""
        self.passes += 1
        timestep = torch.full((x.shape[0],), 1000.0 * t, device=x.device, dtype=torch.float32)
        if self.kept is not None:
            timestep = self.kept.times(timestep)
        x = x.to(context.dtype)
        if not indices or self.conditions is None:
            return self.model(x, timestep, context).float()
        if indices not in self._kv_caches:
            streams = self.conditions.subset(indices)
            self._kv_caches[indices] = streams, self.model.prefill(streams)
        streams, kv_cache = self._kv_caches[indices]
        return self.model(x, timestep, context, streams, kv_cache=kv_cache).float()

    def __call__(self, x: torch.Tensor, t: float) -> torch.Tensor:
        """Return the velocity, float32, of x (B, C, T, h, w) float32 at time t."""
        active = self.active(t)
        streams = self.conditions.streams if self.conditions is not None else ()
        names = {index: streams[index].condition for index in active}
        chained = [name for name in ENTRIES if name in self.scales and name in names.values()]
        joint = tuple(index for index in active if names[index] not in chained)

        v = self._predict(x, t, self.context, joint)
        total = v
        if self.guidance != 1.0:
            nothing = self._predict(x, t, self.null_context, ())
            total = nothing + self.guidance * (v - nothing)
        for name in chained:
            joint = tuple(sorted(joint + tuple(index for index in active if names[index] == name)))
            more = self._predict(x, t, self.context, joint)
            total = total + self.scales[name] * (more - v)
            v = more
        return total if self.kept is None else self.kept.lead(total, x, t)


class ExpertsVelocity:
    """The velocity of a pair of networks: `high` from the time `boundary` up, `low` below. What one keeps of the
    conditions goes when the other takes over. `kept` is that of both."""

    def __init__(self, high: GuidedVelocity, low: GuidedVelocity, boundary: float):
        self.high, self.low, self.boundary = high, low, boundary
        self.kept: Kept | None = None

    def __call__(self, x: torch.Tensor, t: float) -> torch.Tensor:
        """Return the velocity, float32, of x (B, C, T, h, w) float32 at time t."""
        runs, rests = (self.high, self.low) if t >= self.boundary - 1e-6 else (self.low, self.high)
        rests.forget()
        runs.kept = self.kept
        return runs(x, t)


def euler(velocity: Velocity, x: torch.Tensor, times: torch.Tensor, callback: Callback | None = None) -> torch.Tensor:
    """Walk with one pass a step (first order). `callback(step, denoised)` runs after every step."""
    for step, (t, after) in enumerate(zip(times[:-1].tolist(), times[1:].tolist(), strict=True)):
        v = velocity(x, t)
        denoised = x - t * v
        x = x + (after - t) * v
        if callback is not None:
            callback(step, denoised)
    return x


def heun(velocity: Velocity, x: torch.Tensor, times: torch.Tensor, callback: Callback | None = None) -> torch.Tensor:
    """Walk by an Euler step and the mean of the slopes at both ends (second order); the last step is Euler's."""
    for step, (t, after) in enumerate(zip(times[:-1].tolist(), times[1:].tolist(), strict=True)):
        v = velocity(x, t)
        denoised = x - t * v
        if after > 0:
            v = (v + velocity(x + (after - t) * v, after)) / 2
        x = x + (after - t) * v
        if callback is not None:
            callback(step, denoised)
    return x


Solver = Callable[[Velocity, torch.Tensor, torch.Tensor, Callback | None], torch.Tensor]
SOLVERS: dict[str, Solver] = {"euler": euler, "heun": heun}


@torch.no_grad()
def sample(
    model: VelocityModel,
    noise: torch.Tensor,
    context: Text,
    null_context: torch.Tensor,
    conditions: ConditionStreams | None = None,
    *,
    steps: int,
    guidance: float,
    condition_guidance: Mapping[str, float] | None = None,
    schedule_name: str = "shifted",
    shift: float = SHIFT,
    solver: str = "euler",
    first_frame_pass: float = 0.0,
    callback: Callback | None = None,
    second: VelocityModel | None = None,
    boundary: float = 0.0,
) -> torch.Tensor:
    """Walk from `noise` (B, C, T, h, w) to a latent of the same shape, float32.

    `first_frame_pass` is the share of the steps that settle the first latent frame beforehand: they walk the whole way,
    then the rest of the clip is made once more from the same noise, with that frame clean (`first_frame_steps`). Where
    it is known it is settled already, and all steps are for the rest.
    second: the low-noise expert of a pair, which takes the times below `boundary`.
    The walk is kept in float32; the network computes in the format of `context`. Raises UserError for an unknown
    schedule or solver, and for guidance of a condition that is not present, before the first pass.
    """
    if solver not in SOLVERS:
        raise UserError(f"There is no solver called {solver!r}. Choose one of: {', '.join(SOLVERS)}.")
    x = noise.float()
    kept = kept_of(conditions, x)
    before = 0 if kept.whole[0] else first_frame_steps(steps, first_frame_pass, noise.shape[2])
    times = schedule(schedule_name, steps - before, shift)

    def guided(network: VelocityModel) -> GuidedVelocity:
        return GuidedVelocity(
            network,
            context,
            null_context,
            conditions,
            guidance=guidance,
            condition_guidance=condition_guidance,
            shift=shift,
        )

    first = guided(model)
    velocity = first if second is None else ExpertsVelocity(first, guided(second), boundary)
    velocity.kept = kept
    if before:
        settled = SOLVERS[solver](velocity, kept.begin(x), schedule(schedule_name, before, shift), callback)
        velocity.kept = kept = kept.with_first_frame(settled)
    after = None if callback is None else lambda step, denoised: callback(before + step, denoised)
    return SOLVERS[solver](velocity, kept.begin(x), times, after)


def first_frame_steps(steps: int, first_frame_pass: float, frames: int) -> int:
    """Return how many of `steps` settle the first of `frames` latent frames.

    0 where there is no other frame, or no step left for them. Raises UserError for a share outside 0 to 1.
    """
    if not 0 <= first_frame_pass < 1:
        raise UserError(
            f"The first-frame pass is {first_frame_pass:g}, but it is a share of the steps: from 0 to below 1."
        )
    return max(0, min(round(first_frame_pass * steps), steps - 1)) if frames > 1 else 0
