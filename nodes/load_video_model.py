"""Load Video Model and Model Family: public video models that conditions can drive, and what a MODEL is."""

from __future__ import annotations

from comfy_api.latest import io

from ..models.families.matrix import FAMILIES
from . import inputs
from .bridge import paths
from .sockets import types

AUTO = "auto"
DTYPES = ["default", "fp8_e4m3fn", "fp8_e4m3fn_fast", "fp8_e5m2"]  # as core's Load Diffusion Model has them


def _family_input() -> io.Combo.Input:
    """The choice of a family; only those that are driven can be chosen."""
    return io.Combo.Input(
        "family",
        options=[AUTO, *(family.id for family in FAMILIES.values() if family.driven and family.id != "fulldit")],
        default=AUTO,
        tooltip=(
            "What the model is. auto reads it from the file. Those of plain Wan, Phantom and Bernini-R are alike "
            "inside, so auto goes by the file's name: choose here if you renamed it."
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
                "Loads a public video model (Bernini-R, VACE, Phantom, ReCamMaster, OmniCamera, SCAIL-2, Wan and Wan "
                "Fun) and says what it is, which conditions it takes and which files belong to it. Unlike ComfyUI's "
                "Load Diffusion Model it also reads files of diffusers and models in several parts."
            ),
            search_aliases=["Wan", "VACE", "Phantom", "Bernini", "diffusion model loader"],
            inputs=[
                io.Combo.Input(
                    "model_name",
                    options=paths.video_model_names(),
                    tooltip=(
                        "A file of ComfyUI's folder models/diffusion_models. Of a model in parts, any part. "
                        "docs/models.md of this pack says what to download."
                    ),
                ),
                _family_input(),
                io.Combo.Input(
                    "weight_dtype",
                    options=DTYPES,
                    default=DTYPES[0],
                    advanced=True,
                    optional=True,
                    tooltip=(
                        "Number format in memory. default keeps the file's; fp8 needs half the memory of fp16 and is "
                        "less exact."
                    ),
                ),
            ],
            outputs=[
                io.Model.Output(
                    tooltip="For Conditions and FullDiT Sampler, and for all of ComfyUI's own nodes that take a MODEL."
                ),
                io.String.Output(
                    display_name="about",
                    tooltip="What it is, what it takes, and the files it needs. The node shows it too.",
                ),
            ],
            has_intermediate_output=True,
        )

    @classmethod
    def validate_inputs(cls, model_name: str | None) -> bool | str:
        """Refuse a file that is missing before anything runs; None where it comes from another node."""
        return model_name is None or inputs.validity(lambda: paths.video_model_file(model_name))

    @classmethod
    def execute(cls, model_name: str, family: str = AUTO, weight_dtype: str = DTYPES[0]) -> io.NodeOutput:
        from .bridge.video_models import about, load_video_model

        model = load_video_model(
            str(paths.video_model_file(model_name)), None if family == AUTO else family, weight_dtype
        )
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
                "Says what the MODEL of another loader is (ComfyUI's own, GGUF) and which conditions it takes. Choose "
                "the family here where the file does not tell: plain Wan, Phantom and Bernini-R are alike inside."
            ),
            search_aliases=["GGUF", "model type", "which model"],
            inputs=[
                io.Model.Input("model", tooltip="From any loader. After Load Video Model this node is not needed."),
                _family_input(),
            ],
            outputs=[
                io.Model.Output(tooltip="The same model, with what you said about it."),
                io.String.Output(
                    display_name="about",
                    tooltip="What it is, what it takes, and the files it needs. The node shows it too.",
                ),
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
