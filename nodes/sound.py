"""The Sound node: the loudness and the beats of an AUDIO as a condition."""

from __future__ import annotations

from comfy_api.latest import io

from ..control.conditions import SoundCondition
from ..control.sound import at_frames
from . import inputs
from .page.messages import image_and_text
from .sockets.arrays import to_samples
from .sockets.types import Condition, TensorDict

BARS = 128  # of what the node shows


class FullDiTSound(io.ComfyNode):
    """What something in the video moves to."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="FullDiTSound",
            display_name="Sound (FullDiT)",
            category="FullDiT",
            description=(
                "The loudness and the beats of a sound as a condition, one value per frame: what something in the "
                "video moves to. For checkpoints that were trained with it."
            ),
            search_aliases=["audio", "music", "beat", "envelope", "audio reactive"],
            inputs=[
                io.Audio.Input("audio", tooltip="The sound; a length of its own is refused or fitted in Conditions."),
                *inputs.weight("the sound"),
            ],
            outputs=[
                Condition.Output(display_name="condition", tooltip="For Conditions: a socket under 'conditions'.")
            ],
            has_intermediate_output=True,
        )

    @classmethod
    def execute(cls, audio: TensorDict, strength: float = 1.0, start: float = 0.0, end: float = 1.0) -> io.NodeOutput:
        from ..view.sound_plot import draw_loudness

        samples, rate = to_samples(audio)
        condition = SoundCondition.of_samples(samples, rate, strength=strength, start=start, end=end)
        report = f"{condition.seconds:.2f} s. {' '.join(condition.warnings())}".strip()
        bars = at_frames(condition.values, condition.rate, BARS, BARS / condition.seconds)
        return io.NodeOutput(condition, ui=image_and_text(draw_loudness(bars, 60, 2 * BARS)[0], report, cls))
