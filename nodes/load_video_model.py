"""Load Video Model and Model Family: public video models that conditions can drive, and what a MODEL is."""

from __future__ import annotations

import folder_paths
from comfy_api.latest import io

from ..models.families.matrix import FAMILIES
from .sockets import types

AUTO = "auto"
FOLDER = "diffusion_models"
DTYPES = ["default", "fp8_e4m3fn", "fp8_e4m3fn_fast", "fp8_e5m2"]  # as core's Load Diffusion Model has them


def _family_input() -> io.Combo.Input:
    """The choice of a family; only those that are driven can be chosen."""
    return io.Combo.Input(
        "family",
        options=[AUTO, *(family.id for family in FAMILIES.values() if family.driven and family.id != "fulldit")],
        default=AUTO,
        tooltip=(
            "What the model is. auto finds it by the file; plain Wan, Phantom and Bernini-R have the same keys, and "
            "are told by the file's name or by you."
        ),
    )


class FullDiTLoadVideoModel(io.ComfyNode):
    """A public video model, and what it takes."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="FullDiTLoadVideoModel",
            display_name="Load Video Model (FullDiT)",
            category="FullDiT",
            description=(
                "Loads a public video model, as ComfyUI's Load Diffusion Model does, also from diffusers files and in "
                "several parts, and says what it is, which conditions it takes and which files belong to it."
            ),
            search_aliases=["Wan", "VACE", "Phantom", "Bernini", "diffusion model loader"],
            inputs=[
                io.Combo.Input(
                    "model_name",
                    options=folder_paths.get_filename_list(FOLDER),
                    tooltip="A file of ComfyUI's folder models/diffusion_models. Of a model in parts, any part.",
                ),
                _family_input(),
                io.Combo.Input(
                    "weight_dtype",
                    options=DTYPES,
                    default=DTYPES[0],
                    advanced=True,
                    optional=True,
                    tooltip="Number format in memory. default keeps the file's.",
                ),
            ],
            outputs=[
                io.Model.Output(tooltip="For Conditions and FullDiT Sampler, and for all of ComfyUI's own nodes."),
                io.String.Output(display_name="about", tooltip="What it is, what it takes, and the files it needs."),
            ],
            has_intermediate_output=True,
        )

    @classmethod
    def execute(cls, model_name: str, family: str = AUTO, weight_dtype: str = DTYPES[0]) -> io.NodeOutput:
        from .bridge.video_models import about, load_video_model

        path = folder_paths.get_full_path_or_raise(FOLDER, model_name)
        model = load_video_model(path, None if family == AUTO else family, weight_dtype)
        text = about(model)
        return io.NodeOutput(model, text, ui={"text": [text]})


class FullDiTModelFamily(io.ComfyNode):
    """What a MODEL of any loader is, or is said to be."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="FullDiTModelFamily",
            display_name="Model Family (FullDiT)",
            category="FullDiT",
            description=(
                "Says what the MODEL of any loader is (ComfyUI's own, GGUF, MultiGPU) and which conditions it takes. "
                "Choose the family where files do not tell: plain Wan, Phantom and Bernini-R."
            ),
            search_aliases=["GGUF", "model type", "which model"],
            inputs=[io.Model.Input("model", tooltip="From any loader."), _family_input()],
            outputs=[
                io.Model.Output(tooltip="The same model, with what you said about it."),
                io.String.Output(display_name="about", tooltip="What it is, what it takes, and the files it needs."),
            ],
            has_intermediate_output=True,
        )

    @classmethod
    def execute(cls, model: types.HostModel, family: str = AUTO) -> io.NodeOutput:
        from .bridge.families import choose_family
        from .bridge.video_models import about

        if family != AUTO:
            model = choose_family(model, family)
        text = about(model)
        return io.NodeOutput(model, text, ui={"text": [text]})
