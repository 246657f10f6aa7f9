"""Which driver takes a MODEL, and what is known of it."""

from __future__ import annotations

from typing import Any

from ...control.errors import UserError
from ...models.families.family import Family, Variant
from ...models.families.matrix import FAMILIES
from ...models.geometry import WAN_2_1, WAN_2_2_5B
from ..bridge.base_model import FullDiTModel
from ..bridge.families import family_of, in_channels_of
from .bernini import BerniniDriver
from .fulldit import FullDiTDriver
from .fun import FunCameraDriver, FunControlDriver
from .omnicamera import OmniCameraDriver
from .phantom import PhantomDriver
from .plan import Driver, ModelFacts, second_of
from .recammaster import ReCamMasterDriver
from .scail import ScailDriver
from .uni3c import has_uni3c
from .vace import VaceDriver
from .wan import DepthLoraDriver, WanDriver

DRIVERS: dict[str, Driver] = {
    driver.family: driver
    for driver in (
        FullDiTDriver(),
        WanDriver(),
        DepthLoraDriver(),
        PhantomDriver(),
        BerniniDriver(),
        VaceDriver(),
        ReCamMasterDriver(),
        OmniCameraDriver(),
        FunCameraDriver(),
        FunControlDriver(),
        ScailDriver(),
    )
}


def facts_of(model: Any) -> ModelFacts:
    """Return what is known of a MODEL. Raises UserError as `family_of` does."""
    family, sentence = family_of(model)
    inner = model.model
    if isinstance(inner, FullDiTModel):
        config = inner.fulldit
        return ModelFacts(
            family, None, sentence, config.in_dim, config.text_dim, geometry=config.geometry, config=config
        )
    network = inner.diffusion_model
    channels = inner.latent_format.latent_channels
    return ModelFacts(
        family,
        _variant(family, network.dim, paired=second_of(model) is not None),
        sentence,
        in_channels_of(model),
        getattr(network, "text_dim", 4096),
        getattr(network, "ref_conv", None) is not None,
        has_uni3c(model),
        WAN_2_2_5B if channels == WAN_2_2_5B.channels else WAN_2_1,
    )


def _variant(family: Family, dim: int, paired: bool) -> Variant | None:
    """The size of a model, by its width; of a pair of experts, among the sizes that are pairs."""
    pairs = [one for one in family.variants if one.settings.boundary] if paired else []
    if pairs:
        return min(pairs, key=lambda one: abs(one.dim - dim))
    return family.variant(dim) if family.variants else None


def driver_of(facts: ModelFacts) -> Driver:
    """Return the driver of a family. Raises UserError for one that is known and not driven."""
    driver = DRIVERS.get(facts.family.id)
    if driver is None:
        driven = ", ".join(FAMILIES[name].name for name in DRIVERS)
        raise UserError(f"This MODEL is {facts.family.name}. {facts.family.sentence} Models that are driven: {driven}.")
    return driver
