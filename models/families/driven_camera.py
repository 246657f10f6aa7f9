"""The families that this pack drives by a camera path, and Wan Fun's two kinds.

The sentences are read by people who make videos; the numbers are the authors' own, or those of ComfyUI's templates.
"""

from __future__ import annotations

from . import model_files as files
from .driven import LARGE, ON_OR_OFF, SMALL, SPAN
from .family import Family, Settings, Support, Variant

RECAMMASTER = Family(
    id="recammaster",
    name="ReCamMaster",
    takes={
        "camera": Support(
            "native",
            "The source video is seen from this path, which begins at the camera of its first frame.",
            ON_OR_OFF,
            "Outside of start and end the camera stays where the source's is.",
        ),
        "identity": Support("refused", "It takes no reference images: who is in the video comes from the source."),
        "mask": Support("refused", "It does not know who is where."),
        "depth": Support("refused", "It takes no depth."),
        "source": Support(
            "native",
            "The video that is shown from the new path. It needs one, and a camera path.",
            ON_OR_OFF,
            "It takes part in all of the sampling.",
        ),
    },
    variants=(
        Variant(
            "1.3B",
            1536,
            30,
            Settings(50, 5.0, {"text": 5.0}, fps=15.0, negative=files.NEGATIVE),
            (files.RECAMMASTER, *files.SHARED),
            SMALL,
        ),
    ),
    source="https://github.com/KlingTeam/ReCamMaster",
    notes=(
        "Describe in the prompt what the source shows.",
        "Its camera is in meters. A path without a length in meters counts a subject distance as 3 m, which is this"
        " pack's choice: scale the path where your subject is nearer or farther.",
    ),
    unverified="How far a camera may go before what it sees is invented.",
)

_START = "Its first frame is the start image, which the new video begins with; one image is enough."

FUN_CAMERA = Family(
    id="fun-camera",
    name="Wan Fun Camera",
    takes={
        "camera": Support(
            "native",
            "The path becomes rays for every pixel, which move the camera over the start image. It needs one.",
            ON_OR_OFF,
            SPAN,
        ),
        "identity": Support("refused", "It takes no reference images: who is in the video comes from the start image."),
        "mask": Support("refused", "It does not know who is where."),
        "depth": Support("refused", "It takes no depth."),
        "source": Support("part", _START, ON_OR_OFF, SPAN),
    },
    variants=(
        Variant(
            "2.1 1.3B",
            1536,
            30,
            Settings(20, 8.0, {"text": 6.0}, negative=files.NEGATIVE),
            (files.FUN_CAMERA_1_3B, *files.SHARED, files.CLIP_VISION),
            SMALL,
        ),
        Variant(
            "2.1 14B",
            5120,
            40,
            Settings(20, 8.0, {"text": 6.0}, negative=files.NEGATIVE),
            (files.FUN_CAMERA_14B, *files.SHARED, files.CLIP_VISION),
            LARGE,
        ),
        Variant(
            "2.2 A14B",
            5120,
            40,
            Settings(20, 8.0, {"text": 3.5}, sampler="euler", negative=files.NEGATIVE, boundary=0.9),
            (*files.FUN_CAMERA_A14B, *files.SHARED),
            LARGE,
        ),
    ),
    source="https://huggingface.co/alibaba-pai",
    notes=(
        "Distances of the path are as they are; the presets of ComfyUI's own node move by 1.5 at speed 1.",
        "ComfyUI does not recognize the version of 5B.",
    ),
    unverified="What unit of distance it was trained with.",
)

FUN_CONTROL = Family(
    id="fun-control",
    name="Wan Fun Control",
    takes={
        "camera": Support(
            "refused", "It takes no camera path. Depth along Camera makes a depth clip of the path, which it does take."
        ),
        "identity": Support(
            "part",
            "One reference image, padded with white, where the file has a layer for it (V1.1 and A14B).",
            ON_OR_OFF,
            SPAN,
        ),
        "mask": Support("refused", "It does not know who is where."),
        "depth": Support(
            "native", "The depth clip is its control video: the new video has these shapes.", ON_OR_OFF, SPAN
        ),
        "source": Support("part", _START, ON_OR_OFF, SPAN),
    },
    variants=(
        Variant(
            "2.1 1.3B",
            1536,
            30,
            Settings(20, 5.0, {"text": 6.0}, negative=files.NEGATIVE),
            (files.FUN_CONTROL_1_3B, *files.SHARED, files.CLIP_VISION),
            SMALL,
        ),
        Variant(
            "2.2 A14B",
            5120,
            40,
            Settings(20, 8.0, {"text": 3.5}, sampler="euler", negative=files.NEGATIVE, boundary=0.9),
            (*files.FUN_CONTROL_A14B, *files.SHARED),
            LARGE,
        ),
    ),
    most_identities=1,
    source="https://huggingface.co/alibaba-pai",
    notes=("It was trained on several kinds of control videos; depth is one of them.",),
)

DRIVEN_CAMERA = (RECAMMASTER, FUN_CAMERA, FUN_CONTROL)
