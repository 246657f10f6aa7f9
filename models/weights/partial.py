"""Checkpoints of a part of a model's weights, put onto the whole."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from ...control.errors import UserError

# Names of what belongs to quantized weights, onto which plain numbers cannot be put.
_SCALES = (".scale_weight", ".weight_scale", ".comfy_quant")


def put_onto(
    base: Mapping[str, torch.Tensor], part: Mapping[str, torch.Tensor], added: tuple[str, ...]
) -> dict[str, torch.Tensor]:
    """Return the weights of a whole model with a part of them replaced, in the base's number format.

    added: what the names of weights hold that the base does not have. Others that it does not have are left out. Raises
    UserError for a base that is quantized, for a weight of another shape, and where nothing belongs to the base.
    """
    if odd := next((name for name in base if name.endswith(_SCALES)), None):
        raise UserError(
            f"The base is quantized (it has '{odd}'), and a part in plain numbers does not go onto it. Take the fp16"
            " file."
        )
    replaced = {name: value for name, value in part.items() if name in base}
    if not replaced:
        raise UserError("The base has none of the part's weights. Take the base that the part was made for.")
    for name, value in replaced.items():
        if base[name].shape != value.shape:
            raise UserError(
                f"'{name}' is {tuple(value.shape)} in the part and {tuple(base[name].shape)} in the base. Take the"
                f" base that the part was made for."
            )
    new = {name: value for name, value in part.items() if any(mark in name for mark in added)}
    kind = next(iter(base.values())).dtype
    return {**base, **{name: value.to(kind) for name, value in (replaced | new).items()}}
