"""The families that this pack drives: FullDiT itself, and public models that take references, depth or a source video.

The sentences are read by people who make videos: what becomes of what they gave, what the strength does, what the range
does. The numbers are the authors' own.
"""

from __future__ import annotations

from dataclasses import replace

from . import model_files as files
from .driven_fulldit import FULLDIT
from .family import Family, Settings, Support, Variant
from .supports import LARGE, NO_CONTROL, NO_KNOWN, RENDERED_SPAN, SMALL, SPAN

_T2V_1_3B = Settings(steps=50, shift=8.0, scales={"text": 6.0}, negative=files.NEGATIVE)

_DEPTH_BY_LORA = Support(
    "native",
    "The depth clip goes in beside the noise, pixel for pixel, as the LoRA was trained to read it.",
    "Here only 0 (without) and 1 (with). How strong it is, is the strength of the LoRA in its loader.",
    SPAN,
)

WAN_T2V = Family(
    id="wan-t2v",
    name="Wan T2V",
    takes={
        facet: Support("refused", f"Plain Wan reads text only{rest}.")
        for facet, rest in {
            "camera": "; it takes no camera path",
            "identity": "; it takes no reference images",
            "mask": "; it does not know who is where",
            "depth": ". With the depth control LoRA on the 1.3B model it takes depth",
            "source": "; it does not change a video",
            "known": "; it takes no known frames",
            "control": "; it takes no control videos",
        }.items()
    },
    variants=(
        Variant("2.1 1.3B", 1536, 30, _T2V_1_3B, (files.T2V_1_3B, *files.SHARED), SMALL),
        Variant(
            "2.1 14B",
            5120,
            40,
            Settings(50, 5.0, {"text": 5.0}, width=1280, height=720, negative=files.NEGATIVE),
            (*files.T2V_14B, *files.SHARED),
            LARGE,
        ),
        Variant(
            "2.2 A14B",
            5120,
            40,
            Settings(
                40,
                12.0,
                {"text": 4.0},
                width=1280,
                height=720,
                negative=files.NEGATIVE,
                boundary=0.875,
                low_noise_factor=0.75,
            ),
            (*files.T2V_A14B, *files.SHARED),
            LARGE,
        ),
        Variant(
            "2.2 TI2V 5B",
            3072,
            30,
            Settings(50, 5.0, {"text": 5.0}, width=1280, height=704, frames=121, fps=24.0, negative=files.NEGATIVE),
            (files.TI2V_5B, files.TEXT_ENCODER, files.TEXT_ENCODER_FP16, files.VAE_5B),
            "about 16 GB",
        ),
    ),
    source="https://github.com/Wan-Video/Wan2.1",
    notes=("Its keys are those of Phantom and of Bernini-R: a file cannot say which of the three it is.",),
    with_depth_lora={"depth": _DEPTH_BY_LORA},
)

WAN_DEPTH_LORA = Family(
    id="wan-depth-lora",
    name="Wan T2V 1.3B with the depth LoRA",
    takes={
        "camera": Support(
            "refused",
            "It takes no camera path. Depth along Camera and Render along Camera make a depth clip of the path, which"
            " it does take.",
        ),
        "identity": Support("refused", "It takes no reference images."),
        "mask": Support("refused", "It does not know who is where."),
        "depth": _DEPTH_BY_LORA,
        "source": Support("refused", "It makes a new video; it does not change one."),
        "known": NO_KNOWN,
        "control": NO_CONTROL,
    },
    variants=(
        Variant(
            "1.3B",
            1536,
            30,
            _T2V_1_3B,
            (files.T2V_1_3B, files.DEPTH_LORA, *files.SHARED),
            SMALL,
        ),
    ),
    source="https://huggingface.co/spacepxl/Wan2.1-control-loras",
    notes=(
        "A LoRA of 378 MB on plain Wan T2V 1.3B, by spacepxl. Load it with ComfyUI's own LoRA loader.",
        "It was trained on clips of 9 to 13 frames; longer ones are new to it.",
        "With the same mechanism other controls can be trained (there is one for tiles): the weights do not say which"
        " control they read, so load the one for depth.",
    ),
    with_depth_lora={"depth": _DEPTH_BY_LORA},
    unverified="What it does with clips of more than 13 frames.",
)

PHANTOM = Family(
    id="phantom",
    name="Phantom",
    takes={
        "camera": Support("refused", "It takes no camera path."),
        "identity": Support(
            "native",
            "Up to 4 reference images, each whole and centered on white in the size of the video. Describe each one in"
            " the prompt, in their order.",
            "Scales how much the references count against the text (5.0 x strength), for all of them alike: where"
            " strengths differ, the largest counts.",
            SPAN,
        ),
        "mask": Support("refused", "It does not know who is where: say it in the prompt."),
        "depth": Support("refused", "It takes no depth. On the 1.3B model the depth control LoRA adds it."),
        "source": Support("refused", "It makes a new video; it does not change one."),
        "known": NO_KNOWN,
        "control": NO_CONTROL,
    },
    variants=(
        Variant(
            "1.3B",
            1536,
            30,
            Settings(50, 5.0, {"identity": 5.0, "text": 7.5}, negative=files.NEGATIVE),
            (files.PHANTOM_1_3B, *files.SHARED),
            SMALL,
        ),
        Variant(
            "14B",
            5120,
            40,
            Settings(50, 5.0, {"identity": 5.0, "text": 7.5}, frames=121, fps=24.0, negative=files.NEGATIVE),
            (*files.PHANTOM_14B, *files.SHARED),
            LARGE,
        ),
    ),
    most_identities=4,
    source="https://github.com/Phantom-video/Phantom",
    notes=(
        "Three passes per step: without references, with them, and with them and the prompt.",
        "Wide videos come out steadier than tall ones. The authors sample 40 to 50 steps.",
    ),
    with_depth_lora={
        "depth": replace(
            _DEPTH_BY_LORA,
            how="part",
            sentence="The depth clip goes in beside the noise. Phantom and the depth LoRA were not trained together, so"
            " look at the result.",
        )
    },
    unverified="References and the depth LoRA together.",
)

BERNINI_R = Family(
    id="bernini-r",
    name="Bernini-R",
    takes={
        "camera": Support(
            "rendered",
            "The source video is rendered along the path and is then the video to change, whose black holes the prompt"
            " asks it to fill. It needs a source video and its depth, and was not trained for this.",
            "As that of the source video, whose own does not count.",
            RENDERED_SPAN,
        ),
        "identity": Support(
            "native",
            "Up to 8 reference images, each a token stream of its own. The prompt calls them image0, image1, ...; those"
            " that it does not name are added to it.",
            "Scales how much the references count (4.5 x strength), for all of them alike: where strengths differ, the"
            " largest counts.",
            SPAN,
        ),
        "mask": Support("refused", "It cannot be told who is where: say it in the prompt."),
        "depth": Support(
            "part",
            "The depth clip is shown to it as the video to start from, which it was not trained for; only if no source"
            " video is given. With a source video and a camera path it is the depth of the source, for the render.",
            "As that of the source video.",
            SPAN,
        ),
        "source": Support(
            "native",
            "The video to change: what the prompt does not mention stays as it is.",
            "Scales how much the source counts (1.25 x strength) when references are given too. A source alone is there"
            " or not: 0 or 1, and other values count as 1.",
            SPAN,
        ),
        "known": NO_KNOWN,
        "control": NO_CONTROL,
    },
    variants=(
        Variant(
            "1.3B",
            1536,
            30,
            Settings(40, 3.0, {"source": 1.25, "identity": 4.5, "text": 4.0}, width=848, negative=files.NEGATIVE),
            (files.BERNINI_1_3B, *files.SHARED),
            SMALL,
        ),
        Variant(
            "A14B",
            5120,
            40,
            Settings(
                40,
                3.0,
                {"source": 1.25, "identity": 4.5, "text": 4.0},
                width=848,
                negative=files.NEGATIVE,
                boundary=0.875,
                low_noise_factor=0.8,
            ),
            (*files.BERNINI_A14B, *files.SHARED),
            LARGE,
        ),
    ),
    most_identities=8,
    source="https://github.com/bytedance/Bernini",
    notes=(
        "Two to four passes per step, depending on what is given.",
        "The 1.3B model is close to the large one in simple edits (style, captions, small areas) and weaker at people.",
        "Each task has a sentence of its own before the prompt; it is added for you.",
    ),
    with_depth_lora={
        "depth": replace(
            _DEPTH_BY_LORA,
            how="part",
            sentence="The depth clip goes in beside the noise. Bernini-R and the depth LoRA were not trained together,"
            " so look at the result.",
        )
    },
    unverified="A render with holes, or a depth clip, as the source video; streams and the depth LoRA together.",
)

_VACE_STRENGTH = "One strength for everything that it is given: where strengths differ, the largest counts."
_VACE_TEXT = {"text": 5.0}

VACE = Family(
    id="vace",
    name="VACE",
    takes={
        "camera": Support(
            "rendered",
            "The source video is rendered along the path: what the camera sees of it is kept, its holes and what masks"
            " of identities cover are painted anew. It needs a source video and its depth.",
            _VACE_STRENGTH,
            RENDERED_SPAN,
        ),
        "identity": Support(
            "part",
            "All references share one white canvas of the size of the video. Up to 4 have a good size on it; from 5 on"
            " each is small.",
            _VACE_STRENGTH,
            "Outside of start and end the canvas is empty white.",
        ),
        "mask": Support(
            "part",
            "Only together with a source video: what any of the mask videos covers is painted anew, the rest stays."
            " Without a source video it cannot be told who is where, and masks are refused. With a camera path they are"
            " masks of the new video, as the camera sees it.",
            _VACE_STRENGTH,
            SPAN,
        ),
        "depth": Support(
            "native",
            "The depth clip is its control video: the new video has these shapes. With a source video and a camera path"
            " it is the depth of the source, for the render.",
            _VACE_STRENGTH,
            SPAN,
        ),
        "source": Support(
            "part",
            "Together with mask videos of identities: what they cover is painted anew, the rest is kept. Together with"
            " a camera path and its depth: it is seen from that path. Not alone.",
            _VACE_STRENGTH,
            SPAN,
        ),
        "known": Support(
            "native",
            "The known frames and regions stand in its control video, and it makes the rest: between a first and a last"
            " frame, behind a clip, inside or around a region.",
            _VACE_STRENGTH,
            SPAN,
        ),
        "control": Support(
            "native",
            "It is the control video, in the place of a depth clip: give one of them. With a source video and masks it"
            " says what is painted inside of the masks.",
            _VACE_STRENGTH,
            SPAN,
        ),
    },
    variants=(
        Variant(
            "1.3B",
            1536,
            30,
            Settings(50, 16.0, _VACE_TEXT, negative=files.NEGATIVE),
            (files.VACE_1_3B, *files.SHARED),
            SMALL,
        ),
        Variant(
            "14B",
            5120,
            40,
            Settings(50, 16.0, _VACE_TEXT, width=1280, height=720, negative=files.NEGATIVE),
            (files.VACE_14B, *files.SHARED),
            "more than 24 GB, or offloading",
        ),
    ),
    most_identities=8,
    control_kinds=("scribble", "pose", "flow", "boxes"),
    source="https://github.com/ali-vilab/VACE",
    notes=(
        "With a source video, its depth and a camera path, or with a depth clip from Depth along Camera or Render along"
        " Camera, it covers camera, identities and depth in one run.",
        "The 14B model also makes 832x480.",
    ),
    unverified="Several references on one canvas: whether they are kept apart; holes of a render: what it makes of"
    " them.",
)

DRIVEN = (FULLDIT, BERNINI_R, VACE, PHANTOM, WAN_DEPTH_LORA, WAN_T2V)
