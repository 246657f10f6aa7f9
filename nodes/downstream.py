"""What the graph wants of a slow node's result, read from the prompt before any work: the length of the video.

A prompt is what the page sends: nodes by their ids, with `class_type` and `inputs`; a link is [id, output].
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from ..control.errors import UserError
from ..control.fit import TimeFit
from .followed import EMBEDDED, checkpoint_video

Prompt = Mapping[str, Any]
CONDITIONS, LOAD = "FullDiTConditions", "FullDiTLoad"


def check_length(node: Any, frames: int, what: str) -> None:
    """Raise UserError where a result of `frames` frames goes to Conditions that would refuse it.

    node: the class that the host calls, with the hidden inputs `unique_id` and `prompt`. what: the name of the result.
    A length that only a run can tell is not checked.
    """
    hidden = getattr(node, "hidden", None)
    prompt, own = getattr(hidden, "prompt", None), getattr(hidden, "unique_id", None)
    if not isinstance(prompt, Mapping) or own is None:
        return
    for id, inputs in _consumers(prompt, str(own)):
        if inputs.get("spread") is True or inputs.get("fit_time", TimeFit.REFUSE.value) != TimeFit.REFUSE.value:
            continue
        wanted = _length(prompt, inputs)
        if wanted is not None and wanted != frames:
            raise UserError(
                f"{what} has {frames} frames, but the node Conditions ({id}) is for {wanted}: set its `fit_time` to "
                f"resample or hold, its `frames` to {frames}, or put Fit Video before this node."
            )


def _consumers(prompt: Prompt, own: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the Conditions that the first output of a node is connected to, with their inputs."""
    for id, node in prompt.items():
        inputs = node.get("inputs", {}) if isinstance(node, Mapping) else {}
        if node.get("class_type") == CONDITIONS and any(_is_link(value, own, 0) for value in inputs.values()):
            yield id, inputs


def _is_link(value: Any, own: str, output: int) -> bool:
    return isinstance(value, (list, tuple)) and len(value) == 2 and str(value[0]) == own and value[1] == output


def _length(prompt: Prompt, inputs: Mapping[str, Any]) -> int | None:
    """Return the frames of Conditions with these inputs; None where only a run can tell."""
    frames = inputs.get("frames")
    if isinstance(frames, (list, tuple)):
        return None
    if frames:
        return int(frames)
    if inputs.get("model") is not None:
        return _model_length(prompt, inputs["model"])
    if inputs.get("source_video") is not None:
        return None
    return checkpoint_video(EMBEDDED).frames


def _model_length(prompt: Prompt, link: Any) -> int | None:
    """Return the length of the clips of the FullDiT checkpoint behind a MODEL; None where something else is."""
    for _ in range(len(prompt)):
        node = prompt.get(str(link[0])) if isinstance(link, (list, tuple)) and link else None
        if node is None:
            return None
        inputs = node.get("inputs", {})
        if node.get("class_type") == LOAD:
            with suppress(UserError):  # the loader itself says what is wrong with its file
                return checkpoint_video(str(inputs.get("checkpoint"))).frames
            return None
        link = inputs.get("model")  # a LoRA loader and the like
    return None
