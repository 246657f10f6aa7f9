"""The families that this pack drives: FullDiT itself, and public models that take references, depth or a source video.

The sentences are read by people who make videos: what becomes of what they gave, what the strength does, what the range
does. The numbers are the authors' own.
"""

from __future__ import annotations

from dataclasses import replace

from . import model_files as files
from .family import Family, Settings, Support, Variant

# What start and end do, unless a family says otherwise.
SPAN = "It takes part from start to end of the sampling; outside of that the model does not see it."
ON_OR_OFF = "Only 0 (without) and 1 (with): the model knows nothing in between, so other values count as 1."
SMALL = "about 8 GB"
LARGE = "about 24 GB with 8-bit weights"

FULLDIT = Family(
    id="fulldit",
    name="FullDiT",
    takes={
        "camera": Support(
            "native",
            "The path becomes one token per latent frame, so the camera moves as the path says.",
            "How strongly the video listens to the path: 0 not at all, 1 as in training.",
            SPAN,
        ),
        "identity": Support(
            "native",
            "Each reference becomes tokens of its own, up to as many as the checkpoint has slots (3).",
            "One strength per identity: 0 not at all, 1 as in training.",
            SPAN,
        ),
        "mask": Support(
            "native",
            "The mask videos become a map that says who is where; each slot of it is tied to its reference.",
            "The strength of the identity that the mask belongs to.",
            SPAN,
        ),
        "depth": Support(
            "native",
            "The depth clip becomes tokens that lie on the frames of the video.",
            "How strongly the video listens to the depth: 0 not at all, 1 as in training.",
            SPAN,
        ),
        "source": Support("refused", "It makes a video from nothing but text and conditions; it does not change one."),
    },
    variants=(
        Variant(
            "miniature",
            dim=192,
            layers=6,
            settings=Settings(20, 3.0, {"text": 3.0}, sampler="euler", width=96, height=64, frames=17, fps=8.0),
            memory="under 1 GB",
        ),
    ),
    most_identities=3,
    source="https://arxiv.org/abs/2503.19907",
    notes=(
        "The only model here that takes a camera path, several identities with their places, and depth together.",
        "The miniature comes with this pack and knows its own small world. FullDiT weights of Wan's size are not"
        " public: they have to be trained.",
        "The settings are the checkpoint's own; a checkpoint that you trained brings others.",
    ),
)

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
            "refused", "It takes no camera path. Depth along Camera makes a depth clip of the path, which it does take."
        ),
        "identity": Support("refused", "It takes no reference images."),
        "mask": Support("refused", "It does not know who is where."),
        "depth": _DEPTH_BY_LORA,
        "source": Support("refused", "It makes a new video; it does not change one."),
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

_ALONG = "Depth along Camera makes a depth clip of the path"

BERNINI_R = Family(
    id="bernini-r",
    name="Bernini-R",
    takes={
        "camera": Support(
            "refused", f"It takes no camera path. {_ALONG}, which it reads as a video to start from, untrained."
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
            " video is given.",
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
    unverified="A depth clip as the source video; streams and the depth LoRA together.",
)

_VACE_STRENGTH = "One strength for everything that it is given: where strengths differ, the largest counts."
_VACE_TEXT = {"text": 5.0}

VACE = Family(
    id="vace",
    name="VACE",
    takes={
        "camera": Support("refused", f"It takes no camera path. {_ALONG}, which it follows as depth."),
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
            " Without a source video it cannot be told who is where, and masks are refused.",
            _VACE_STRENGTH,
            SPAN,
        ),
        "depth": Support(
            "native", "The depth clip is its control video: the new video has these shapes.", _VACE_STRENGTH, SPAN
        ),
        "source": Support(
            "part",
            "Only together with mask videos of identities: what they cover is painted anew, the rest is kept.",
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
    source="https://github.com/ali-vilab/VACE",
    notes=(
        "With Depth along Camera it covers camera, identities and depth in one run.",
        "The 14B model also makes 832x480.",
    ),
    unverified="Several references on one canvas: whether they are kept apart.",
)

DRIVEN = (FULLDIT, BERNINI_R, VACE, PHANTOM, WAN_DEPTH_LORA, WAN_T2V)
