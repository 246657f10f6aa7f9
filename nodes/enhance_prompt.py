"""Enhance Prompt: what a language model is asked, so that a short prompt becomes a caption."""

from __future__ import annotations

from comfy_api.latest import io

from ..control.conditions import Conditions
from ..control.enhance import CaptionForm, enhancement_request
from .sockets import types


class FullDiTEnhancePrompt(io.ComfyNode):
    """The instruction for ComfyUI's Generate Text."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="FullDiTEnhancePrompt",
            display_name="Enhance Prompt (FullDiT)",
            category="FullDiT",
            description=(
                "Writes the instruction with which ComfyUI's Generate Text turns a short prompt into a full caption. "
                "It tells the language model what the conditions decide: the camera's movement in words, and the "
                "reference images by the names image0, image1 and so on."
            ),
            search_aliases=["prompt enhancer", "caption", "LLM", "rewrite prompt", "structured caption"],
            inputs=[
                io.String.Input(
                    "prompt",
                    multiline=True,
                    dynamic_prompts=True,
                    default="",
                    tooltip="What the video shows, in a few words.",
                ),
                io.Combo.Input(
                    "form",
                    options=[form.value for form in CaptionForm],
                    default=CaptionForm.STRUCTURED.value,
                    tooltip=(
                        "structured: six parts (short, dense, main object, background, camera, style), as FullDiT is "
                        "trained. paragraph: one paragraph, as public models take it."
                    ),
                ),
                types.Conditions.Input(
                    "conditions", optional=True, tooltip="From Conditions: what the caption has to agree with."
                ),
            ],
            outputs=[
                io.String.Output(display_name="request", tooltip="For the prompt of Generate Text. The node shows it."),
            ],
            has_intermediate_output=True,  # its text is sent again where its result was kept
        )

    @classmethod
    def execute(cls, prompt: str, form: str, conditions: Conditions | None = None) -> io.NodeOutput:
        text = enhancement_request(prompt, conditions, CaptionForm(form))
        return io.NodeOutput(text, ui={"text": [text]})
