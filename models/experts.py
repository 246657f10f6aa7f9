"""Whether two models are the experts of one pair: one for high noise, one for low."""

from __future__ import annotations

from ..control.errors import UserError
from .config import FullDiTConfig


def check_experts(high: FullDiTConfig, low: FullDiTConfig) -> None:
    """Raise UserError unless two models are the high-noise and the low-noise expert of one pair."""
    for place, config in (("high", high), ("low", low)):
        if not config.expert:
            raise UserError(
                f"The {place}-noise model takes conditions at all times, so it is not one of a pair of experts: use it "
                f"by itself, or take the condition file that was trained for the {place}-noise expert."
            )
    if (high.expert, low.expert) != ("high-noise", "low-noise"):
        raise UserError(
            f"The condition file of the high-noise model is that of a {high.expert} expert, and that of the low-noise "
            f"model of a {low.expert} one: exchange the models, or choose the files of both."
        )
    if high.times[0] > low.times[1]:
        raise UserError(
            f"The high-noise expert was trained down to the time {high.times[0]:g} and the low-noise one up to "
            f"{low.times[1]:g}: nothing takes the times between. Choose condition files of one pair."
        )
    if high.encoding_key != low.encoding_key or high.vae_fingerprint != low.vae_fingerprint:
        raise UserError(
            f"The experts read other conditions (high noise: {', '.join(high.streams)}; low noise: "
            f"{', '.join(low.streams)}), cut otherwise or of another VAE. Choose condition files of one pair."
        )
