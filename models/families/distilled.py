"""Step-distilled LoRAs: how a model is sampled with one on it. Plain data, beside the matrix.

A distilled network has its guidance inside, so every scale is 1 and one pass per step is run; the shift and the number
of steps are those that it was distilled for.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from .family import Settings


@dataclass(frozen=True)
class Distilled:
    """One distillation. lora: the file or files to load on the model; models: which, in words; loses: what is lost."""

    id: str
    name: str
    lora: str
    models: str
    steps: int
    shift: float
    sampler: str
    scheduler: str
    loses: str

    def settings(self, own: Settings) -> Settings:
        """Return a model's settings with this distillation on it."""
        scales = dict.fromkeys(own.scales, 1.0)
        return replace(
            own,
            steps=self.steps,
            shift=self.shift,
            sampler=self.sampler,
            scheduler=self.scheduler,
            scales=scales,
            low_noise_factor=1.0,
        )


_NEGATIVE = "The negative prompt and all guidance scales, also those of references."

DISTILLED: dict[str, Distilled] = {
    one.id: one
    for one in (
        Distilled(
            "lightx2v-4",
            "lightx2v, 4 steps",
            "lightx2v/Wan2.1-Distill-Loras: wan2.1_t2v_14b_lora_rank64_lightx2v_4step",
            "Wan 2.1 14B and what is made of it (VACE 14B, Phantom 14B)",
            4,
            5.0,
            "euler",
            "simple",
            _NEGATIVE,
        ),
        Distilled(
            "lightx2v-a14b",
            "lightx2v for A14B, 2 + 2 steps",
            "Comfy-Org/Wan_2.2_ComfyUI_Repackaged: wan2.2_t2v_lightx2v_4steps_lora_v1.1_{high,low}_noise, one for each"
            " expert",
            "Wan 2.2 A14B, Bernini-R A14B",
            4,
            5.0,
            "euler",
            "simple",
            _NEGATIVE,
        ),
        Distilled(
            "causvid",
            "CausVid, 4 steps",
            "Kijai/WanVideo_comfy: Wan21_CausVid_bidirect2_T2V_1_3B_lora_rank32, or Wan21_CausVid_14B_T2V_lora_rank32",
            "Wan 2.1 1.3B and 14B and what is made of them; on VACE at a LoRA strength of 0.3 to 0.7",
            4,
            8.0,
            "uni_pc",
            "simple",
            f"{_NEGATIVE} Movement is smaller.",
        ),
    )
}
