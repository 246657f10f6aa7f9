"""Families that are recognized and that this pack does not drive: what ComfyUI makes of them, and what to use instead.

What is said about ComfyUI was tried with its version 0.33.
"""

from __future__ import annotations

from collections.abc import Mapping

from .family import FACETS, Family, ModelFile, Support
from .model_files import UNI3C

_DROPPED = "ComfyUI gives no error"
_PATH = (
    "Use ReCamMaster for a source video, FullDiT, or VACE with a source video and its depth, or with a depth clip from"
    " Depth along Camera or Render along Camera"
)
_PEOPLE = "For identities use Bernini-R or Phantom"


def _row(
    id: str, name: str, sentence: str, reads: Mapping[str, str], source: str = "", files: tuple[ModelFile, ...] = ()
) -> Family:
    """Return a family that nothing here drives. reads: what the model itself reads, by facet, in words."""
    takes = {
        facet: Support(
            "refused",
            f"The model itself reads {reads[facet]}, but this pack does not drive it."
            if facet in reads
            else f"{name} does not read it.",
        )
        for facet in FACETS
    }
    return Family(id, name, takes, driven=False, sentence=sentence, source=source, files=files)


UNDRIVEN = (
    _row(
        "camclonemaster",
        "CamCloneMaster",
        "ComfyUI loads it as image-to-video, but none of its nodes can give it the video whose camera it copies, so"
        f" there is no camera control. Take the path from that video with Camera from Video. {_PATH}.",
        {"camera": "a camera movement from an example video", "source": "a video to be filmed anew"},
        "https://huggingface.co/KwaiVGI/CamCloneMaster-Wan2.1",
    ),
    _row(
        "lingbot-world",
        "LingBot-World",
        f"{_DROPPED}: it loads this as a Wan model with a start image and leaves the camera layers out, so a camera"
        f" path does nothing. {_PATH}.",
        {"camera": "a camera path, together with a start image"},
        "https://huggingface.co/robbyant/lingbot-world-base-cam",
    ),
    _row(
        "stand-in",
        "Stand-In",
        "It is published as a pickle, which is never opened here. Converted, it is no LoRA: ComfyUI's loaders accept"
        f" none of its keys, so it does nothing there. {_PEOPLE}.",
        {"identity": "one face"},
        "https://huggingface.co/BowenXue/Stand-In",
    ),
    _row(
        "steadydancer",
        "SteadyDancer",
        f"{_DROPPED}: it loads this as image-to-video and leaves the pose layers out. Use SCAIL-2, or"
        " Wan-Animate with ComfyUI's own nodes.",
        {"identity": "one person, as a start image", "source": "a video whose poses it follows"},
        "https://huggingface.co/MCG-NJU/SteadyDancer-14B",
    ),
    _row(
        "bindweave",
        "BindWeave",
        f"{_DROPPED}: it loads this as image-to-video and leaves the subjects out. {_PEOPLE}.",
        {"identity": "up to 4 references"},
        "https://huggingface.co/ByteDance/BindWeave",
    ),
    _row(
        "wan-i2v",
        "Wan I2V",
        "ComfyUI runs it with WanImageToVideo. It continues a start image and reads no camera, identity, mask or depth:"
        f" take one of the models that do. {_PEOPLE}, for depth VACE.",
        {},
        "https://github.com/Wan-Video/Wan2.1",
    ),
    _row(
        "humo",
        "HuMo",
        f"ComfyUI runs it with WanHuMoImageToVideo and shows it the last reference only. {_PEOPLE}.",
        {"identity": "reference images, with speech"},
        "https://huggingface.co/bytedance-research/HuMo",
    ),
    _row(
        "animate",
        "Wan-Animate",
        "ComfyUI runs it with WanAnimateToVideo (Animate-2 with WanAnimate2ToVideo). It needs a video of a person"
        " who moves, which Conditions does not hold.",
        {"identity": "one person", "source": "a video whose movements it follows"},
        "https://huggingface.co/Wan-AI/Wan2.2-Animate-14B",
    ),
    _row(
        "scail",
        "SCAIL",
        "ComfyUI runs it with WanSCAILToVideo. It needs a video of poses, which Conditions does not hold.",
        {"identity": "one person", "source": "a video whose poses it follows"},
    ),
    _row(
        "uni3c",
        "Uni3C",
        "It is a control net for the 14B models, not a model: ComfyUI loads it with ModelPatchLoader and"
        " WanUni3CControlnetApply (newer than ComfyUI 0.28), and it needs a video that is rendered along the camera"
        f" path, as Render along Camera makes it. {_PATH}.",
        {"camera": "a video rendered along the camera path"},
        "https://huggingface.co/ewrfcas/Uni3C",
        (UNI3C,),
    ),
    _row(
        "s2v",
        "Wan S2V",
        "ComfyUI runs it with WanSoundImageToVideo. It makes people speak to a sound, which Conditions does not hold."
        f" {_PEOPLE}.",
        {"identity": "a reference image"},
        "https://huggingface.co/Wan-AI/Wan2.2-S2V-14B",
    ),
    _row(
        "wan-dancer",
        "WanDancer",
        "ComfyUI runs it with WanDancerVideo. It makes people dance to music, which Conditions does not hold.",
        {},
    ),
    _row(
        "ltx",
        "LTX",
        "ComfyUI runs it with LTXVImgToVideo for a first image and LTXVAddGuide for guides. With one of Lightricks'"
        " LoRAs (IC-LoRA, whose factor GetICLoRAParameters reads) such a guide is a depth clip, which Depth for Other"
        " Models makes (union control), or a sheet of references (Ingredients). It takes no camera path, only LoRAs"
        " of single movements. Companies above a size that its license names pay for it.",
        {
            "identity": "a sheet of references, with a LoRA",
            "depth": "a depth clip, with a LoRA",
            "source": "a video to start from",
        },
        "https://huggingface.co/Lightricks/LTX-2",
    ),
    _row(
        "minimax-h3",
        "MiniMax H3",
        "ComfyUI runs it with MiniMaxH3ReferenceToVideo, which takes up to 9 reference images and 3 videos,"
        " MiniMaxH3ImageToVideo and MiniMaxH3AddGuide. Depth by its control net needs MiniMaxH3FunControlNetApply,"
        " which ComfyUI 0.33 does not have yet. It takes no camera path. Its license excludes some territories.",
        {
            "identity": "up to 9 reference images",
            "depth": "a depth clip, with a control net",
            "source": "up to 3 reference videos",
        },
        "https://huggingface.co/Comfy-Org/MiniMax-H3",
    ),
    _row(
        "causal-wan",
        "Causal Wan",
        "ComfyUI runs it with SamplerARVideo, which makes a video piece by piece. It reads none of the conditions: use"
        " Bernini-R, VACE or Phantom.",
        {},
    ),
    _row(
        "flow-rvs",
        "FlowRVS",
        "ComfyUI runs it as a flow from one video to another instead of from noise. It reads none of the conditions:"
        " use Bernini-R, VACE or Phantom.",
        {},
    ),
)
