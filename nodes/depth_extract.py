"""Extract Depth: depth of a video from an estimator, other nodes' geometry, a renderer's files, or a rendered scene."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from comfy_api.latest import io

from ..control.camera import CameraTrajectory
from ..control.depth.conventions import CONVENTIONS
from . import folders
from .bridge.depth_anything import model_names
from .downstream import check_length
from .page.depth_preview import show_depth
from .sockets.arrays import to_gray_images
from .sockets.types import AnyGeometry, Camera, Depth, DynamicChoice, ImageTensor, MetaBatch

if TYPE_CHECKING:
    from .sockets.meta_batch import MetaBatchManager

ESTIMATED = ("embedded", "depth_anything_v2")  # the sources whose depth has a frame for each image, and takes long
KINDS = ["auto", "disparity", "inverted", "depth"]


def _int(name: str, default: int, low: int, high: int, tooltip: str, step: int = 1) -> io.Int.Input:
    return io.Int.Input(name, default=default, min=low, max=high, step=step, tooltip=tooltip)


def _float(name: str, default: float, low: float, high: float, step: float, tooltip: str) -> io.Float.Input:
    return io.Float.Input(name, default=default, min=low, max=high, step=step, round=1e-5, tooltip=tooltip)


def _sources() -> list[io.DynamicCombo.Option]:
    """Return the entries of `source`, each with its own inputs: the keywords of the function in depth_sources.py."""
    option = io.DynamicCombo.Option
    return [
        option("embedded", []),
        option(
            "depth_anything_v2",
            [
                io.Combo.Input(
                    "model",
                    options=model_names(),
                    default="Small",
                    tooltip="Small: Apache-2.0. Base and Large: CC-BY-NC-4.0, not for commercial use.",
                ),
                io.Combo.Input(
                    "download",
                    options=["no", "ask", "yes"],
                    default="no",
                    tooltip="If the model's files are missing. no: nothing is downloaded. ask: an error shows "
                    "size, license and SHA-256. yes: they are downloaded (Small alone: it is pinned).",
                ),
            ],
        ),
        option(
            "geometry",
            [
                AnyGeometry.Input("geometry", tooltip="From core's Run Depth Anything 3 or Run MoGe Inference."),
                _float(
                    "confidence",
                    0.0,
                    0.0,
                    1.0,
                    0.05,
                    "Depth Anything 3: values below this confidence count as unknown.",
                ),
            ],
        ),
        option(
            "depth_video",
            [
                io.Image.Input("depth", tooltip="Depth images of another node or a video, one per frame."),
                io.Combo.Input(
                    "kind",
                    options=KINDS,
                    default="auto",
                    tooltip="disparity: near is bright. inverted: near is dark. depth: distances. auto: detected.",
                ),
            ],
        ),
        option(
            "files",
            [
                io.Combo.Input(
                    "files",
                    options=folders.depth_sequences(),
                    tooltip="A folder of EXR, PNG, PGM or PFM files, or one of them, in ComfyUI's input folder.",
                ),
                io.Combo.Input(
                    "convention",
                    options=list(CONVENTIONS),
                    default="metres",
                    tooltip="The meaning of the numbers in the files. The help page explains each.",
                ),
                io.String.Input(
                    "channel",
                    default="",
                    tooltip="The EXR channel, of several parts part.channel. Empty: the one that looks like depth.",
                ),
                _float("fov", 50.0, 1.0, 170.0, 1.0, "Horizontal field of view in degrees, for distances along rays."),
                _int("start", 0, 0, 1_000_000, "The first file to take, counted from 0."),
                _int("count", 0, 0, 1_000_000, "How many files to take. 0: all."),
                _int("longest", 1280, 0, 8192, "Files with a longer side than this are scaled down. 0: never.", 16),
                io.Float.Input(
                    "per_meter",
                    default=0.0,
                    min=0.0,
                    max=1e6,
                    step=1.0,
                    optional=True,  # prompts that were saved before it existed lack it
                    tooltip="Steps of the numbers per meter (TUM and ICL-NUIM: 5000). 0: as the convention says.",
                ),
            ],
        ),
        option(
            "world",
            [
                _int("scene", 0, 0, 2**31 - 1, "The number of the procedural scene; every number is another scene."),
                _int("frames", 17, 1, 1025, "Length of the clip.", 4),
                _int("width", 96, 16, 2048, "Width in pixels.", 16),
                _int("height", 64, 16, 2048, "Height in pixels.", 16),
            ],
        ),
    ]


def _ranges() -> list[io.DynamicCombo.Option]:
    """Return the entries of `range`, each with its own inputs: the fields of control.depth.extract.Span."""
    low = "Values below this quantile become 0 (far)."
    high = "Values above this quantile become 1 (near)."
    quantiles = [_float("low", 0.02, 0.0, 0.49, 0.01, low), _float("high", 0.98, 0.51, 1.0, 0.01, high)]
    option = io.DynamicCombo.Option
    return [
        option("clip", quantiles),
        option("frame", quantiles),
        option(
            "fixed",
            [
                _float("near", 1.0, -1e6, 1e6, 0.1, "This value becomes 1, in the source's unit (meters if known)."),
                _float("far", 10.0, -1e6, 1e6, 0.1, "This value becomes 0."),
            ],
        ),
    ]


class FullDiTExtractDepth(io.ComfyNode):
    """Depth for Conditions and for other models, steady and normalized over the whole clip."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="FullDiTExtractDepth",
            display_name="Extract Depth from Video (FullDiT)",
            category="FullDiT/depth",
            description=(
                "For a video that has no depth yet: depth without flicker from an estimator, Depth Anything 3 or MoGe "
                "geometry, a depth video, a renderer's EXR or PNG files, or a procedural scene."
            ),
            search_aliases=["depth estimation", "Depth Anything", "MoGe", "EXR depth", "z pass", "depth video"],
            inputs=[
                io.DynamicCombo.Input(
                    "source",
                    options=_sources(),
                    tooltip="The source of depth. embedded needs no download and is for the demo.",
                ),
                io.Image.Input(
                    "images",
                    optional=True,
                    tooltip="The video. Estimators read it; depth from other sources is stabilized with it.",
                ),
                io.DynamicCombo.Input(
                    "range",
                    options=_ranges(),
                    tooltip="clip: one range for all frames. frame: one for each, which flickers. fixed: near and far.",
                ),
                io.Boolean.Input(
                    "stabilise",
                    default=True,
                    tooltip="Remove changes from frame to frame that have no cause in the images.",
                ),
                Camera.Input(
                    "camera", optional=True, tooltip="The video's camera path, if known, for better stabilization."
                ),
                MetaBatch.Input(
                    "meta_batch",
                    optional=True,
                    tooltip="VideoHelperSuite's Meta Batch Manager: a long clip in pieces gives the depth of one clip.",
                ),
                io.Boolean.Input(
                    "fill",
                    default=True,
                    advanced=True,
                    optional=True,
                    tooltip="On: unknown values take the nearest known one. Off: they become far.",
                ),
            ],
            outputs=[
                Depth.Output(display_name="depth", tooltip="For Conditions and the other depth nodes."),
                io.Image.Output(display_name="preview", tooltip="The same as images: near is bright."),
                io.String.Output(display_name="report", tooltip="What was done, what is uncertain, and the recipe."),
            ],
            hidden=[io.Hidden.unique_id, io.Hidden.prompt],
            has_intermediate_output=True,  # its text is sent again where its result was kept
        )

    @classmethod
    def fingerprint_inputs(cls, source: DynamicChoice | None = None, **_: Any) -> str:
        """Return another text when the files of the source changed, so that the node runs again."""
        if isinstance(source, dict) and source.get("source") == "files":
            return folders.depth_sequence_fingerprint(str(source.get("files") or ""))
        return ""

    @classmethod
    def execute(
        cls,
        source: DynamicChoice,
        range: DynamicChoice,
        stabilise: bool = True,
        images: ImageTensor | None = None,
        camera: CameraTrajectory | None = None,
        meta_batch: MetaBatchManager | None = None,
        fill: bool = True,
    ) -> io.NodeOutput:
        from .sockets.depth_clip import extract_depth

        if images is not None and meta_batch is None and source.get("source") in ESTIMATED:
            check_length(cls, len(images), "the video")
        hidden = getattr(cls, "hidden", None)  # not there where the node runs outside a graph
        result = extract_depth(
            source,
            range,
            stabilize=stabilise,
            images=images,
            camera=camera,
            fill=fill,
            meta_batch=meta_batch,
            node_id="" if hidden is None else str(hidden.unique_id),
        )
        values, report = result.clip.values, result.report
        return io.NodeOutput(result.clip, to_gray_images(values), report, ui=show_depth(values, report, cls))
