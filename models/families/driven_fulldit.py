"""FullDiT itself as a family: what the embedded checkpoint takes. Others take what they were trained with."""

from __future__ import annotations

from .family import Family, Settings, Support, Variant
from .supports import SPAN

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
        "source": Support(
            "native",
            "The video becomes tokens that lie on those of the new one, which shows the same scene from the camera path"
            " that is given. The checkpoint for few steps does not take it.",
            "How strongly the video listens to the source: 0 not at all, 1 as in training.",
            SPAN,
        ),
        "known": Support(
            "native",
            "The known frames and regions become tokens that lie on those of the video, and it makes the rest. What is"
            " known is kept as the VAE has it, not pixel by pixel. The checkpoint for few steps does not take it.",
            "How strongly the video listens to what is known: 0 not at all, 1 as in training.",
            SPAN,
        ),
        "control": Support(
            "native",
            "Each control video becomes tokens that lie on those of the video, also two kinds at once. Poses are those"
            " of the miniature's own figures. The checkpoint for few steps takes none.",
            "One strength per control video: 0 not at all, 1 as in training.",
            SPAN,
        ),
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
        "The only model here that takes a camera path, several identities with their places, and depth together, and"
        " known frames, a source video, control videos and a sound (the node Sound) beside them.",
        "The miniature comes with this pack and knows its own small world. FullDiT weights of Wan's size are not"
        " public: they have to be trained.",
        "The settings are the checkpoint's own; a checkpoint that you trained brings others.",
    ),
)
