"""Fit Video: a video at the size, length and rate of a model or of Conditions, and what that cost."""

from __future__ import annotations

from comfy_api.latest import io

from ..control.conditions import Conditions, VideoSize
from ..control.errors import UserError
from ..control.fit import SpaceFit
from ..control.fit_video import TimeMode, first_frame, fit_video, longest_length
from ..models.geometry import WAN_2_1
from .followed import Followed, follow
from .progress import progress
from .sockets import types
from .sockets.arrays import to_images, to_masks, to_tensor


def _own(id: str, most: int, what: str) -> io.Int.Input:
    tooltip = f"{what} 0: that of the connected conditions or model, else the video's own, made to fit."
    return io.Int.Input(id, default=0, min=0, max=most, tooltip=tooltip)


class FullDiTFitVideo(io.ComfyNode):
    """A video that fits what it is for."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="FullDiTFitVideo",
            display_name="Fit Video (FullDiT)",
            category="FullDiT",
            description=(
                "Brings a video, and masks with it, to the size, length and frame rate of a model or of Conditions: "
                "crops, pads or stretches, keeps the speed or the whole clip, and says what that cost."
            ),
            search_aliases=["resize video", "crop video", "frame rate", "resample", "letterbox", "trim"],
            inputs=[
                io.Image.Input("images", tooltip="The video, one image per frame."),
                io.Float.Input(
                    "source_fps",
                    default=24.0,
                    min=0.1,
                    max=240.0,
                    step=0.5,
                    tooltip="Frames per second of the video that comes in, as Load Video says it.",
                ),
                io.Combo.Input(
                    "fit_space",
                    options=[fit.value for fit in SpaceFit],
                    default=SpaceFit.CROP.value,
                    tooltip=(
                        "For other proportions. crop: cut the edges off. pad: add black edges. stretch: distort. "
                        "refuse: stop with an error."
                    ),
                ),
                io.Combo.Input(
                    "time",
                    options=[mode.value for mode in TimeMode],
                    default=TimeMode.SPEED.value,
                    tooltip=(
                        "keep_speed: frames are chosen by their time; what is too long is cut. whole_clip: everything "
                        "is kept, faster or slower. frame_by_frame: frame 1 stays frame 1."
                    ),
                ),
                io.Float.Input(
                    "start",
                    default=0.0,
                    min=0.0,
                    max=36000.0,
                    step=0.1,
                    tooltip="The second of the video at which the result begins.",
                ),
                _own("frames", 1025, "Length of the result."),
                _own("width", 8192, "Width of the result."),
                _own("height", 8192, "Height of the result."),
                io.Float.Input(
                    "fps",
                    default=0.0,
                    min=0.0,
                    max=240.0,
                    step=0.5,
                    tooltip=(
                        "Frames per second of the result. 0: that of the connected conditions or model, else the "
                        "video's own."
                    ),
                ),
                io.Model.Input("model", optional=True, tooltip="The model that the video is for."),
                types.Conditions.Input(
                    "conditions",
                    optional=True,
                    tooltip="The conditions that the video is for; they go first.",
                ),
                io.Mask.Input("masks", optional=True, tooltip="Masks of the video, one per frame, fitted with it."),
            ],
            outputs=[
                io.Image.Output(display_name="images", tooltip="The fitted video."),
                io.Mask.Output(display_name="masks", tooltip="The fitted masks; black where none are connected."),
                io.Int.Output(display_name="width", tooltip="Width of the result."),
                io.Int.Output(display_name="height", tooltip="Height of the result."),
                io.Int.Output(display_name="frames", tooltip="Length of the result."),
                io.Float.Output(display_name="fps", tooltip="Frames per second of the result, for Video Combine."),
                io.String.Output(display_name="report", tooltip="What was done, what was cut off, what was made up."),
            ],
            has_intermediate_output=True,
        )

    @classmethod
    def execute(
        cls,
        images: types.ImageTensor,
        source_fps: float,
        fit_space: str,
        time: str,
        start: float = 0.0,
        frames: int = 0,
        width: int = 0,
        height: int = 0,
        fps: float = 0.0,
        model: types.HostModel | None = None,
        conditions: Conditions | None = None,
        masks: types.MaskTensor | None = None,
    ) -> io.NodeOutput:
        import numpy as np

        clip = to_images(images, "the video")
        given = None if masks is None else to_masks(masks, "the masks")
        followed, mode = follow(model, conditions), TimeMode(time)
        asked = (frames, height, width)
        size = _target(clip.shape[:3], source_fps, asked, fps, followed, mode, start)
        with progress(size.frames) as step:
            fitted = fit_video(clip, source_fps, size, SpaceFit(fit_space), mode, start, given, step)
        report = "\n".join([*followed.lines(), *fitted.report])
        shown = fitted.masks if fitted.masks is not None else np.zeros(fitted.frames.shape[:3], np.float32)
        return io.NodeOutput(
            to_tensor(fitted.frames),
            to_tensor(shown),
            size.width,
            size.height,
            size.frames,
            size.fps,
            report,
            ui={**(followed.message() or {}), "text": [report]},
        )


def _target(
    shape: tuple[int, ...],
    source_fps: float,
    asked: tuple[int, int, int],
    fps: float,
    followed: Followed,
    mode: TimeMode,
    start: float,
) -> VideoSize:
    """Return the size of the result: the numbers that were asked for, else those of what is connected, else the video's
    own at the nearest size that models take. asked: frames, height, width; 0 for none."""
    frames, height, width = shape
    if followed.video is not None:
        own = followed.video
    else:
        rate = fps or source_fps
        left = frames - first_frame(frames, source_fps, start)
        length = WAN_2_1.nearest_frames(longest_length(left, source_fps, rate, mode))[0]
        own = WAN_2_1.nearest_size(VideoSize(length, height, width, rate))
    count, high, wide = asked
    size = VideoSize(count or own.frames, high or own.height, wide or own.width, fps or own.fps)
    if followed.who == "the conditions" and size != own:
        raise UserError(
            f"The conditions are for {own} at {own.fps:g} fps, but {size} at {size.fps:g} fps are asked for here: set "
            f"frames, width, height and fps to 0, or take the conditions away."
        )
    return size
