"""What a language model is asked, so that a short prompt becomes a caption as video models are trained with.

FullDiT is trained with structured captions as MiraData has them (Ju et al., arXiv 2407.06358): a short and a dense
description, the main object, the background, the camera and the style. Public models take one paragraph. What the
conditions already decide is put into the request in words, so that the caption does not contradict them: the camera's
movement, and which reference image is what, by the names `image0`, `image1`, ...
"""

from __future__ import annotations

import re
from enum import Enum

from .camera.describe import describe_camera
from .camera_condition import CameraCondition
from .conditions import Conditions
from .depth_condition import DepthCondition
from .identity.slots import DEFAULT_NAMES
from .identity_condition import IdentityCondition
from .source_condition import SourceCondition


class CaptionForm(str, Enum):
    """How the caption is laid out: in MiraData's six parts, or as one paragraph."""

    STRUCTURED = "structured"
    PARAGRAPH = "paragraph"


PARTS = {
    "Short": "one sentence with everything that matters.",
    "Dense": "what happens from the first moment to the last, in the order of time, in three to five sentences.",
    "Main object": "look, material, clothing, pose and movement of the main subject.",
    "Background": "the place, what stands where, the light, the weather.",
    "Camera": "the shot size, the angle, and the movement of the camera.",
    "Style": "the look of the video: realistic, animated, film stock, colors.",
}
_RULES = (
    "Keep everything that the prompt states, and invent no further subject.",
    "Describe only what can be seen, in plain words and the present tense.",
    "Write English, and answer with the caption alone: no greeting, no comment, no Markdown.",
)


def enhancement_request(
    prompt: str, conditions: Conditions | None = None, form: CaptionForm = CaptionForm.STRUCTURED
) -> str:
    """Return the text to ask a language model for the caption of a video with this prompt under these conditions."""
    facts = [] if conditions is None else _facts(conditions)
    lines = ["Rewrite the prompt below as the caption of one short video.", "", *(f"- {rule}" for rule in _RULES)]
    if facts:
        lines += ["", "These are given and decided; the caption must agree with them:", *(f"- {f}" for f in facts)]
    if form is CaptionForm.STRUCTURED:
        lines += ["", "Write six parts, each on a line of its own that begins with its name:"]
        lines += [f"{name}: {text}" for name, text in PARTS.items()]
    else:
        lines += ["", "Write one paragraph of 80 to 150 words."]
    said = prompt.strip() or "(none: describe a fitting scene)"
    return "\n".join([*lines, "", f"Prompt: {said}"])


def _facts(conditions: Conditions) -> list[str]:
    """Return what conditions decide, in sentences."""
    video = conditions.video
    facts = [f"The video lasts {video.frames / conditions.fps:.2g} seconds."]
    camera = conditions.get(CameraCondition)
    if camera is not None and camera.active:
        facts.append(f"{describe_camera(camera.trajectory)} Say so in the caption.")
    identities = conditions.get(IdentityCondition)
    for number, identity in enumerate(identities.identities if identities is not None else ()):
        if identity.strength:
            is_named = re.sub(r" \d+$", "", identity.name) not in DEFAULT_NAMES
            is_what = f" is {identity.name}" if is_named else " is one of the subjects"
            facts.append(f"The reference image{number}{is_what}. Call it 'image{number}' wherever it appears.")
    depth = conditions.get(DepthCondition)
    if depth is not None and depth.active:
        facts.append("A depth clip decides the layout: do not say where things stand unless the prompt does.")
    source = conditions.get(SourceCondition)
    if source is not None and source.active:
        facts.append("The video is made from a source video: describe the result, not the source.")
    return facts
