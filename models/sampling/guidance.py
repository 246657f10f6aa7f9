"""Guidance over any number of passes: one base prediction and a sum of scaled differences.

    x0 = passes[base] + sum of scale * f(passes[plus] - passes[minus])

f is the identity, or adaptive projected guidance (Sadat et al., arXiv 2410.02416, algorithm 1, as Bernini's authors use
it). Classifier-free guidance, the chains of InstructPix2Pix (arXiv 2211.09800, eq. 3), Phantom and Bernini and our own
condition scales are all of this form. The weights of the passes sum to 1, so predictions of the clean latent and
velocities give the same step.

Shapes: B batch, C channels, T latent frames, h, w.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch

TOLERANCE = 1e-9  # a weight below is rounding: its pass is not run


@dataclass(frozen=True)
class Projection:
    """Adaptive projected guidance: how a difference is tamed before it is scaled.

    norm: the most that the length of the difference may be, over (C, h, w) of each latent frame; parallel: the share of
    its part along the prediction that is kept; momentum: the share of the last step's difference that is added.
    """

    norm: float = 50.0
    parallel: float = 0.5
    momentum: float = 0.0


@dataclass(frozen=True)
class Term:
    """One difference of two passes, by their names, and its scale. name: what it guides, such as 'text'."""

    scale: float
    plus: str
    minus: str
    projection: Projection | None = None
    name: str = ""


@dataclass(frozen=True)
class Guidance:
    """The whole formula: the pass that it starts from, and the terms."""

    base: str
    terms: tuple[Term, ...] = ()

    @property
    def weights(self) -> dict[str, float]:
        """The weight of each pass in the linear part, in the order of their first mention; rounding is cut to 0."""
        weights = {self.base: 1.0}
        for term in self.terms:
            if term.projection is None:
                weights[term.plus] = weights.get(term.plus, 0.0) + term.scale
                weights[term.minus] = weights.get(term.minus, 0.0) - term.scale
        return {name: weight if abs(weight) > TOLERANCE else 0.0 for name, weight in weights.items()}

    @property
    def text(self) -> Term | None:
        """The term that guides by the text, if there is one."""
        return next((term for term in self.terms if term.name == "text"), None)

    def with_text(self, scale: float) -> Guidance:
        """Return the same formula with another scale of the text."""
        return replace(
            self, terms=tuple(replace(term, scale=scale) if term is self.text else term for term in self.terms)
        )

    @property
    def projected(self) -> tuple[Term, ...]:
        """The terms with a projection whose scale is not 0."""
        return tuple(term for term in self.terms if term.projection is not None and term.scale)

    def scaled(self, factor: float) -> Guidance:
        """Return the same formula with every scale multiplied."""
        return replace(self, terms=tuple(replace(term, scale=term.scale * factor) for term in self.terms))

    @property
    def passes(self) -> tuple[str, ...]:
        """The passes that have to be run; one of weight 0 has not."""
        names = [name for name, weight in self.weights.items() if weight]
        for term in self.projected:
            names += [term.plus, term.minus]
        return tuple(dict.fromkeys(names))


class GuidedPrediction:
    """The formula with its memory: one momentum buffer per projected difference, kept over the steps of one run.

    The formula may change on the way (another network takes over): the buffers stay with their passes.
    """

    def __init__(self) -> None:
        self._momentum: dict[tuple[str, str], torch.Tensor] = {}

    def __call__(self, guidance: Guidance, predictions: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Return the guided prediction of the clean latent (B, C, T, h, w) from those of `guidance.passes`."""
        parts = [weight * predictions[name] for name, weight in guidance.weights.items() if weight]
        for term in guidance.projected:
            assert term.projection is not None  # by the definition of `projected`
            parts.append(term.scale * self._projected(term, term.projection, predictions))
        return torch.stack(parts).sum(0) if len(parts) > 1 else parts[0]

    def _projected(self, term: Term, projection: Projection, predictions: Mapping[str, torch.Tensor]) -> torch.Tensor:
        plus, passes = predictions[term.plus], (term.plus, term.minus)
        exact = torch.float32 if plus.device.type == "mps" else torch.float64  # Apple's GPUs have no float64
        difference = (plus - predictions[term.minus]).to(exact)
        if projection.momentum:
            if passes in self._momentum:
                difference = difference + projection.momentum * self._momentum[passes]
            self._momentum[passes] = difference
        return project(difference, plus.to(exact), projection).to(plus.dtype)


def project(difference: torch.Tensor, prediction: torch.Tensor, projection: Projection) -> torch.Tensor:
    """Return a difference (B, C, T, h, w) shortened to the norm, with its part along the prediction scaled down.

    Lengths and products are over (C, h, w), for each latent frame by itself.
    """
    axes = (1, 3, 4)
    length = difference.pow(2).sum(axes, keepdim=True).sqrt()
    difference = difference * (projection.norm / length.clamp_min(1e-12)).clamp_max(1)
    squared = prediction.pow(2).sum(axes, keepdim=True).clamp_min(1e-24)
    along = (difference * prediction).sum(axes, keepdim=True) / squared * prediction
    return difference - along + projection.parallel * along
