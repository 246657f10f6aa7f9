"""The same seed with each condition taken away: what every one of them does to the clip."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ...control.ablations import ablations
from ...control.conditions import Conditions, IdentityCondition
from ...control.errors import UserError
from ..sockets.arrays import to_array
from .clip_cache import ClipCache
from .run import SamplingOptions, accept, sample

RESULT = "all conditions"
_clips = ClipCache()


@dataclass(frozen=True, eq=False)
class Compared:
    """clips: (F, H, W, 3) by title, the whole set first. report: lines."""

    clips: dict[str, np.ndarray]
    report: tuple[str, ...]


def compare(
    model: Any,
    clip: Any,
    vae: Any,
    conditions: Conditions,
    prompt: str,
    negative: str,
    options: SamplingOptions,
    made: np.ndarray | None = None,
    tell: Callable[[str], object] = lambda _: None,
) -> Compared:
    """Return the clip of all conditions, of all but each, and of none, with the same noise.

    made: the clip of all of them where it was made already. A clip that was made before from the same is taken from
    memory. What a model cannot make without a condition is said instead. Raises UserError before the first step, as
    `sample` does.
    """
    taken = accept(model, conditions, options.leave_out).conditions
    if made is not None and len(made) != taken.video.frames:
        raise UserError(
            f"The connected images are {len(made)} frames, but the conditions are for {taken.video.frames}: connect "
            f"the video that was made from these conditions, or nothing."
        )
    sets = ablations(taken.names, RESULT)
    clips: dict[str, np.ndarray] = {} if made is None else {RESULT: made}
    report = [] if made is None else [f"{RESULT}: the images that are connected."]
    for number, (title, names) in enumerate(sets.items(), 1):
        if title in clips:
            continue

        def tell_one(text: str, title: str = title, number: int = number) -> None:
            tell(f"{number} of {len(sets)}: {title}\n{text}")

        part = taken.only(names)
        scales = {name: scale for name, scale in options.scales.items() if name in names}
        own = replace(options, scales=options.scales if title == RESULT else scales)
        key, owners = _key(part, prompt, negative, own), [model, clip, vae]
        if options.clip_vision is not None:
            owners.append(options.clip_vision)
        found = _clips.get(owners, key)
        if found is not None:
            clips[title] = found
            report.append(f"{title}: as before, since nothing in it changed.")
            continue
        try:
            latent, _ = sample(model, clip, vae, part, prompt, negative, own, tell_one)
        except UserError as error:
            if title == RESULT:
                raise
            report.append(f"{title}: the model makes nothing. {error}")
            continue
        clips[title] = decode(vae, latent)
        _clips.put(owners, key, clips[title])
        report.append(f"{title}: made.")
    return Compared(clips, tuple(report))


def decode(vae: Any, latent: dict[str, Any]) -> np.ndarray:
    """Return the frames (F, H, W, 3) of a LATENT of one clip."""
    images = to_array(vae.decode(latent["samples"]), "the decoded video")
    return np.ascontiguousarray(images.reshape(-1, *images.shape[-3:])[..., :3].clip(0, 1))


def _key(conditions: Conditions, prompt: str, negative: str, options: SamplingOptions) -> Hashable:
    """Return all that decides a clip beside its model, text encoder and VAE: names of identities may be in prompts."""
    identity = conditions.get(IdentityCondition)
    names = () if identity is None else tuple(one.name for one in identity.identities)
    scales = tuple(sorted(options.scales.items()))
    plain = replace(options, preview=True, clip_vision=None, scales={})
    return (conditions.digest(), names, prompt, negative, scales, repr(plain))
