"""A condition in a few lines: the mean brightness of every frame. One class, one entry, one node; nothing else.

What a package of conditions looks like to all the rest. `registered()` adds it, and takes it away again.
"""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np


def define(package: str) -> type:
    """Register class and entry in the pack under the name by which it was imported; return the class."""
    control, fitting, streams, registry, condition_streams = (
        importlib.import_module(f"{package}.{name}")
        for name in (
            "control.condition",
            "control.fit",
            "models.conditioning.streams",
            "models.conditioning.registry",
            "models.conditioning.condition_streams",
        )
    )

    @control.register
    @dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
    class BrightnessCondition(control.Condition):
        """The mean of every frame, (F,) in 0..1."""

        name = "brightness"
        metavar = "VALUE"
        help = "the mean brightness of the video, 0..1"

        values: np.ndarray

        def validate(self, video):
            super().validate(video)
            control.check_frames(len(self.values), video, "the brightness")

        def fit(self, video, fit):
            chosen, warnings = fitting.fit_indices(len(self.values), video.frames, fit.time, "the brightness")
            return dataclasses.replace(self, values=self.values[chosen]), warnings

        def digest(self):
            return control.digest_of(self.strength, self.start, self.end, self.values)

        @classmethod
        def of_clip(cls, clip):
            return cls(values=clip.frames.mean((1, 2, 3)))

        @classmethod
        def load(cls, specs, video, fit, strength=1.0, **options):
            return cls(values=np.full(video.frames, float(specs[-1])), strength=strength), []

    def encode(condition, encoder):
        """A number per frame, those of a latent frame together; the first latent frame is one frame, held."""
        import torch

        step = encoder.geometry.temporal
        values = np.concatenate([np.repeat(condition.values[:1], step - 1), condition.values])
        numbers = torch.from_numpy(values.reshape(1, -1, step).copy()).float()
        weights = {"strength": condition.strength, "start": condition.start, "end": condition.end}
        return [condition_streams.Stream("brightness", encoder.vector(numbers), **weights)]

    registry.register_entry(
        registry.ConditionEntry(BrightnessCondition, (streams.StreamType("brightness", "vector", features=1),), encode)
    )
    return BrightnessCondition


def define_node(package: str, condition: type) -> type:
    """Return the node that gives the condition."""
    from comfy_api.latest import io

    types = importlib.import_module(f"{package}.nodes.sockets.types")

    class Brightness(io.ComfyNode):
        """A mean brightness for the whole video."""

        @classmethod
        def define_schema(cls):
            return io.Schema(
                node_id="Brightness",
                inputs=[io.Float.Input("value"), io.Int.Input("frames")],
                outputs=[types.Condition.Output(display_name="condition")],
            )

        @classmethod
        def execute(cls, value, frames):
            return io.NodeOutput(condition(values=np.full(frames, value)))

    return Brightness


@contextmanager
def registered(package: str) -> Iterator[type]:
    """Register the condition, and leave the registries as they were."""
    control = importlib.import_module(f"{package}.control.condition")
    streams = importlib.import_module(f"{package}.models.conditioning.streams")
    registry = importlib.import_module(f"{package}.models.conditioning.registry")
    registries = (control.CONDITIONS, registry.ENTRIES, streams.STREAMS, streams.CONDITION_OF)
    before = [dict(table) for table in registries]
    try:
        yield define(package)
    finally:
        for table, entries in zip(registries, before, strict=True):
            table.clear()
            table.update(entries)
