"""Story: prompts with time spans as one CONDITIONING."""

from __future__ import annotations

from dataclasses import replace

from comfy_api.latest import io

from ..control.conditions import Conditions
from ..control.fit import TimeFit
from ..control.story import parse_story
from .sockets import types

EXAMPLE = "fade 0.5s\n0-1s: a red ball rolls over the grass\n1s-end: the ball lies still"


class FullDiTStory(io.ComfyNode):
    """One text after the other, each read by the frames of its time."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="FullDiTStory",
            display_name="Story (FullDiT)",
            category="FullDiT",
            description=(
                "Prompts with time spans: every frame of the video reads the text of its time, and where two meet they "
                "may cross-fade. For FullDiT checkpoints; public models read one text for the whole clip and refuse it."
            ),
            search_aliases=["prompt schedule", "prompt travel", "multi prompt", "timeline", "several prompts"],
            inputs=[
                io.Clip.Input("clip", tooltip="From Load FullDiT."),
                types.Conditions.Input(
                    "conditions", tooltip="From Conditions: the length and frame rate of the video."
                ),
                io.String.Input(
                    "story",
                    multiline=True,
                    default=EXAMPLE,
                    tooltip=(
                        "One span a line, as start-end: text, in seconds. The last may end with 'end'. A first line "
                        "such as 'fade 0.5s' cross-fades over so long."
                    ),
                ),
                io.Combo.Input(
                    "fit_time",
                    options=[fit.value for fit in TimeFit],
                    default=TimeFit.REFUSE.value,
                    tooltip=(
                        "For gaps, overlaps and spans beyond the video. refuse: stop with an error. resample: stretch "
                        "the times to the video. hold: a text holds until the next begins, overlaps cross-fade."
                    ),
                ),
            ],
            outputs=[
                io.Conditioning.Output(
                    display_name="conditioning", tooltip="For the positive input of Apply Conditions."
                )
            ],
            has_intermediate_output=True,  # its text is sent again where its result was kept
        )

    @classmethod
    def execute(
        cls, clip: types.HostClip, conditions: Conditions, story: str, fit_time: str = TimeFit.REFUSE.value
    ) -> io.NodeOutput:
        from .bridge.story import encode_story

        video = replace(conditions.video, fps=conditions.fps)
        told, notes = parse_story(story).fitted(video, TimeFit(fit_time))
        lines = [f"{span.start:.3g}-{span.end:.3g} s: {span.text}" for span in told.spans]
        return io.NodeOutput(encode_story(clip, told, video), ui={"text": ["\n".join([*lines, *notes])]})
