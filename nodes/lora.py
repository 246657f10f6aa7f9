"""Load LoRA: a LoRA file of any trainer onto a MODEL."""

from __future__ import annotations

from comfy_api.latest import io

from . import inputs
from .bridge import paths


class FullDiTLoadLora(io.ComfyNode):
    """A LoRA for Wan or FullDiT, whatever its keys look like."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="FullDiTLoadLora",
            display_name="Load LoRA (FullDiT)",
            category="FullDiT",
            description=(
                "Puts a LoRA file on a Wan or FullDiT model, whichever program wrote it: also those of diffusers, "
                "DiffSynth, SimpleTuner, PEFT and LyCORIS, whose keys ComfyUI's own loader ignores without an error. "
                "A file of which nothing fits is refused."
            ),
            search_aliases=["LoRA loader", "lightx2v", "distillation", "control LoRA", "LyCORIS", "LoKr"],
            inputs=[
                io.Model.Input("model", tooltip="A Wan model from ComfyUI's loaders, or a FullDiT."),
                io.Combo.Input(
                    "lora", options=paths.lora_names(), tooltip="A safetensors file from ComfyUI's folder models/loras."
                ),
                io.Float.Input(
                    "strength",
                    default=1.0,
                    min=-10.0,
                    max=10.0,
                    step=0.01,
                    round=0.001,
                    tooltip="How much of the LoRA is added. 0 leaves it out, negative values subtract it.",
                ),
            ],
            outputs=[
                io.Model.Output(tooltip="The model with the LoRA, for samplers and further LoRAs."),
                io.String.Output(
                    display_name="report",
                    tooltip=(
                        "How many of the file's keys were applied, how they are written, and what was left out. The "
                        "node shows it too."
                    ),
                ),
            ],
            has_intermediate_output=True,  # its text is sent again where its result was kept
        )

    @classmethod
    def validate_inputs(cls, lora: str | None) -> bool | str:
        """Refuse a file that is missing before anything runs; None where it comes from another node."""
        return lora is None or inputs.validity(lambda: paths.lora_file(lora))

    @classmethod
    def execute(cls, model: object, lora: str, strength: float) -> io.NodeOutput:
        from .bridge.lora import load_lora

        patched, report = load_lora(model, paths.lora_file(lora), strength)
        return io.NodeOutput(patched, report, ui={"text": [report]})
