"""The families that this pack drives by a camera path, Wan Fun's two kinds, and SCAIL-2.

The sentences are read by people who make videos; the numbers are the authors' own, or those of ComfyUI's templates.
"""

from __future__ import annotations

from . import model_files as files
from .family import Family, Settings, Support, Variant
from .supports import LARGE, NO_CONTROL, NO_KNOWN, ON_OR_OFF, RENDERED_SPAN, SMALL, SPAN

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
        "known": NO_KNOWN,
        "control": NO_CONTROL,
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
        "Memory-V2V is made from it: a file that has ReCamMaster's layers and others runs as ReCamMaster, without its"
        " memory of earlier videos, and says which weights are not used. How Memory-V2V names them was not seen here.",
        "Its camera is in meters. A path without a length in meters counts a subject distance as 3 m, which is this"
        " pack's choice: scale the path where your subject is nearer or farther.",
    ),
    unverified="How far a camera may go before what it sees is invented.",
)

_UE_NEGATIVE = f"{files.NEGATIVE}，[UE5 virtual scene dummy, the movements are stiff and fake]"

OMNICAMERA = Family(
    id="omnicamera",
    name="OmniCamera",
    takes={
        "camera": Support(
            "native",
            "The camera moves along this path, over a source video or in a new one. Without a path it does what the"
            " prompt says.",
            ON_OR_OFF,
            SPAN,
        ),
        "identity": Support(
            "refused", "It takes no reference images: who is in the video comes from the text or source."
        ),
        "mask": Support("refused", "It does not know who is where."),
        "depth": Support("refused", "It takes no depth."),
        "source": Support(
            "native",
            "The video that is shown anew; without one it makes a new video from the text.",
            ON_OR_OFF,
            "It takes part in all of the sampling.",
        ),
        "known": NO_KNOWN,
        "control": NO_CONTROL,
    },
    variants=(
        Variant(
            "5B",
            3072,
            30,
            Settings(
                50,
                5.0,
                {"camera": 3.0, "text": 5.0},
                sampler="euler",
                width=1248,
                height=704,
                frames=41,
                negative=_UE_NEGATIVE,
            ),
            (files.TI2V_5B, files.TEXT_ENCODER, files.TEXT_ENCODER_FP16, files.VAE_5B),
            "about 16 GB",
        ),
    ),
    source="https://github.com/Yukun66/OmniCamera",
    notes=(
        f"Its authors publish an early checkpoint of a part of the weights as a pickle, {files.OMNICAMERA_PICKLE},"
        f" which is never loaded here. Convert it once outside of ComfyUI: `{files.PICKLE_TO_SAFETENSORS}`. Put the"
        " result into diffusion_models, beside wan2.2_ti2v_5B_fp16.safetensors, and choose it in Load Video Model,"
        " which puts it onto that file. The license of the weights was not seen; the code is Apache-2.0.",
        "With a path three passes per step: without it, with it, and with the negative prompt, as its authors sample.",
        "Its camera is in meters, as ReCamMaster's.",
        "Of its nine modes, the four of text or path with text or video are driven here. A first image and a camera"
        " copied from an example video are not: take the path from such a video with Camera from Video.",
    ),
    unverified="The names of the keys in the published file, which its authors' code counts (624) but does not list.",
)

_START = "Its first frame is the start image, which the new video begins with; one image is enough."
_NO_OTHER_FRAMES = Support("refused", "It takes a start image alone: the first frame of the source video.")

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
        "known": _NO_OTHER_FRAMES,
        "control": NO_CONTROL,
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
            "rendered",
            "The depth of the source video, rendered along the path, is its control video, and the path begins with the"
            " source's first frame as the start image. It needs a source video and its depth.",
            ON_OR_OFF,
            RENDERED_SPAN,
        ),
        "identity": Support(
            "part",
            "One reference image, padded with white, where the file has a layer for it (V1.1 and A14B).",
            ON_OR_OFF,
            SPAN,
        ),
        "mask": Support("refused", "It does not know who is where."),
        "depth": Support(
            "native",
            "The depth clip is its control video: the new video has these shapes. With a source video and a camera path"
            " it is the depth of the source, for the render.",
            ON_OR_OFF,
            SPAN,
        ),
        "source": Support("part", _START, ON_OR_OFF, SPAN),
        "known": _NO_OTHER_FRAMES,
        "control": Support(
            "native",
            "It is the control video, in the place of a depth clip: give one of them.",
            ON_OR_OFF,
            SPAN,
        ),
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
    control_kinds=("canny", "mlsd", "pose"),
    source="https://huggingface.co/alibaba-pai",
    notes=("It was trained on several kinds of control videos; depth is one of them.",),
)

SCAIL_2 = Family(
    id="scail-2",
    name="SCAIL-2",
    takes={
        "camera": Support("refused", "It takes no camera path: the camera is that of the source video."),
        "identity": Support(
            "native",
            "Up to 6 people or animals, each with a mask video of whom it replaces. Their first images share one"
            " canvas; give each a mask of the subject, else the whole image counts.",
            ON_OR_OFF,
            SPAN,
        ),
        "mask": Support(
            "native",
            "Who is where: a color of its own for each identity, in its reference and in the source video.",
            "The strength of the identity that the mask belongs to.",
            SPAN,
        ),
        "depth": Support("refused", "It takes no depth."),
        "source": Support(
            "native",
            "The video whose people or animals are replaced: they move as it shows, and what no mask covers stays.",
            "Scales what the model sees of it: 0 not at all, 1 as in training.",
            SPAN,
        ),
        "known": NO_KNOWN,
        "control": NO_CONTROL,
    },
    variants=(
        Variant(
            "14B",
            5120,
            40,
            Settings(40, 5.0, {"text": 5.0}, sampler="euler", width=896, height=512, negative=files.NEGATIVE),
            (*files.SCAIL_2, *files.SHARED, files.CLIP_VISION),
            LARGE,
        ),
    ),
    most_identities=6,
    source="https://github.com/zai-org/SCAIL-2",
    notes=(
        "ComfyUI's WanSCAILToVideo makes what it reads, in its mode of replacement. Its mode of animation, in which a"
        " reference moves in its own scene, and the chunks of longer videos are not driven: use that node itself.",
        "It also reads CLIP vision features of the reference: connect clip_vision to the FullDiT Sampler.",
        "Width and height are multiples of 32. Long, detailed prompts work best.",
        "The authors' repository names Apache-2.0, the page of the weights was not seen, and copies of them by others"
        " name other licenses: look before commercial use.",
    ),
    unverified="More than one image of an identity, which its authors call experimental.",
)

DRIVEN_CAMERA = (RECAMMASTER, OMNICAMERA, FUN_CAMERA, FUN_CONTROL, SCAIL_2)
