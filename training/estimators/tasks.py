"""One task per estimator: how a batch is drawn from the bank, and the loss on it."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor

from ...models.estimators.camera import CameraNet, compose
from ...models.estimators.identity import IdentityNet, crop, on_gray
from ...models.estimators.perception import Perception
from .estimator_clips import degrade

Bank = dict[str, Tensor]


def pick(count: int, below: int, generator: torch.Generator) -> Tensor:
    """Return `count` indices, each below `below`."""
    return torch.randint(below, (count,), generator=generator)


def shuffle_colors(images: Tensor, generator: torch.Generator) -> Tensor:
    """Return images (..., 3, H, W) with the channels of the whole batch permuted: objects are not to be known by the
    colors of a world."""
    return images[..., torch.randperm(3, generator=generator), :, :]


def perception_loss(net: Perception, bank: Bank, batch: int, generator: torch.Generator) -> dict[str, Tensor]:
    """Return the errors of depth as a condition has it (L1, and L1 of its gradients for sharp edges), of ratios of
    disparity, and of objects."""
    stills = bank["frames"].shape[1]
    clips = pick(max(1, batch // stills), len(bank["frames"]), generator)
    images = bank["frames"][clips].float() / 255
    images = torch.cat([degrade(clip, generator) for clip in images])
    truth = bank["disparity"][clips].float().flatten(0, 1)
    objects = (bank["identity"][clips] >= 0).float().flatten(0, 1)
    if torch.rand((), generator=generator) < 0.5:
        images, truth, objects = images.flip(-1), truth.flip(-1), objects.flip(-1)
    seen = net(images.contiguous(memory_format=torch.channels_last), clips=len(clips))

    def over_mean(disparity: Tensor) -> Tensor:
        clip = rearrange(disparity, "(n k) h w -> n k h w", k=stills)
        ratios: Tensor = clip / clip.mean((1, 2, 3), keepdim=True).clamp(min=1e-3)
        return ratios

    target = normalized(rearrange(truth, "(n k) h w -> n k h w", k=stills))
    error = seen.depth - rearrange(target, "n k h w -> (n k) h w")
    edges = (error[:, 1:] - error[:, :-1]).abs().mean() + (error[..., 1:] - error[..., :-1]).abs().mean()
    return {
        "depth": error.abs().mean() * 8,
        "edges": edges * 4,
        "ratios": (over_mean(seen.disparity) - over_mean(truth)).abs().mean(),
        "scale": (seen.disparity - truth).abs().mean() * 0.2,
        "objects": F.binary_cross_entropy_with_logits(seen.objects, objects),
    }


def normalized(disparity: Tensor, low: float = 0.02, high: float = 0.98) -> Tensor:
    """Return clips (N, F, H, W) as control/depth normalizes them: quantiles of each clip to 0 and 1."""
    bounds = torch.quantile(disparity.flatten(1), torch.tensor([low, high]), dim=1)
    bottom, top = rearrange(bounds, "q n -> q n 1 1 1")
    return torch.clamp((disparity - bottom) / (top - bottom).clamp(min=1e-4), 0, 1)


def degraded_masks(masks: Tensor, generator: torch.Generator) -> Tensor:
    """Return masks (N, H, W) moved by up to two pixels, grown or shrunk by one, as generated objects miss theirs."""
    moved = []
    for mask in masks:
        down, right, change = torch.randint(-2, 3, (3,), generator=generator).tolist()
        mask = mask.roll((down, right), (0, 1))[None, None].float()
        if change == 2:
            mask = F.max_pool2d(mask, 3, 1, 1)
        elif change == -2:
            mask = -F.max_pool2d(-mask, 3, 1, 1)
        moved.append(mask[0, 0])
    return torch.stack(moved)


def identity_loss(net: IdentityNet, bank: Bank, batch: int, generator: torch.Generator) -> dict[str, Tensor]:
    """Return the contrast over `batch` objects: the region of a frame against all references of the batch, and back."""
    if "seen" not in bank:  # (clip, still, slot) of every object with enough pixels to be known
        visible = (bank["identity"][:, :, None] == torch.arange(3)[:, None, None]).sum((-1, -2))
        bank["seen"] = (visible >= 24).nonzero()
    rows = bank["seen"][pick(batch, len(bank["seen"]), generator)]
    # A slot twice in a batch would be its own wrong answer.
    keys = rows[:, 0] * 3 + rows[:, 2]
    order = keys.argsort(stable=True)
    first = torch.ones_like(keys, dtype=torch.bool)
    first[1:] = keys[order][1:] != keys[order][:-1]
    clips, stills, slots = rows[order[first]].unbind(1)
    frames = bank["frames"][clips, stills].float() / 255
    frames = torch.cat([degrade(frame[None], generator) for frame in frames])
    masks = degraded_masks((bank["identity"][clips, stills] == slots[:, None, None]).float(), generator)
    references = bank["references"][clips, slots].float() / 255
    reference_masks = bank["reference_masks"][clips, slots].float() / 255
    if torch.rand((), generator=generator) < 0.3:
        frames, masks = frames.flip(-1), masks.flip(-1)
    crops = torch.cat([crop(frames, masks), crop(on_gray(references, reference_masks), reference_masks)])
    seen, known = net(crops.contiguous(memory_format=torch.channels_last)).chunk(2)
    logits = seen @ known.T * net.log_scale.exp().clamp(max=50)
    target = torch.arange(len(seen))
    return {"contrast": (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2}


def camera_batch(bank: Bank, batch: int, generator: torch.Generator) -> tuple[Tensor, ...]:
    """Return images, flow, disparity of the stills, focal lengths and true poses; mirrored or run backwards in part."""
    clips = pick(batch, len(bank["small"]), generator)
    images = shuffle_colors(bank["small"][clips].float() / 255, generator)
    flow = bank["flow"][clips].float()
    poses = bank["poses"][clips]
    disparity = bank["seen_disparity"][clips].float()
    focal = bank["focal"][clips, 0]
    if torch.rand((), generator=generator) < 0.5:
        images, disparity = images.flip(-1), disparity.flip(-1)
        flow = flow.flip(-1) * torch.tensor([-1.0, 1.0])[:, None, None]
        mirror = torch.tensor([-1.0, 1.0, 1.0])
        poses = poses * mirror[:, None] * torch.cat([mirror, torch.ones(1)])
    if torch.rand((), generator=generator) < 0.3:
        # Backwards: the last frame is the first, its depth the unit. Motion back is nearly minus the motion there.
        images, disparity, flow = images.flip(1), disparity.flip(1), -flow.flip(1)
        back = poses[:, -1:, :, :3].transpose(-1, -2)
        positions = (back @ (poses[..., 3:] - poses[:, -1:, :, 3:])) / bank["units"][clips, -1][:, None, None, None]
        poses = torch.cat([back @ poses[..., :3], positions], -1).flip(1)
        focal = bank["focal"][clips, -1]
    return images, flow, disparity, focal, poses


def camera_loss(net: CameraNet, bank: Bank, batch: int, generator: torch.Generator) -> dict[str, Tensor]:
    """Return the metrics themselves: angle and distance of every frame's pose, summed over the clip; and the error of
    every step."""
    *seen, poses = camera_batch(bank, batch, generator)
    steps = net(*seen)
    result = compose(steps)
    # Frobenius norm of the difference: sqrt(2) times the angle for small angles, with a slope at zero.
    turn = ((result[..., :3] - poses[..., :3]).square().sum((-1, -2)) + 1e-5).sqrt()[:, 1:].sum(1).mean()
    place = ((result[..., 3] - poses[..., 3]).square().sum(-1) + 1e-5).sqrt()[:, 1:].sum(1).mean()
    return {"turn": turn, "place": place, "steps": (steps - true_steps(poses)).abs().sum((1, 2)).mean()}


def true_steps(poses: Tensor) -> Tensor:
    """Return the movement (N, T - 1, 6) from each pose (N, T, 3, 4) to the next, as `CameraNet` estimates it.

    Three numbers of rotation (the axial vector of the matrix: the axis times the sine of the angle), three of position.
    """
    before = poses[:, :-1, :, :3].transpose(-1, -2)
    turns = before @ poses[:, 1:, :, :3]
    moves = (before @ (poses[:, 1:, :, 3:] - poses[:, :-1, :, 3:]))[..., 0]
    axial = [turns[..., i, j] - turns[..., j, i] for i, j in ((2, 1), (0, 2), (1, 0))]
    return torch.cat([torch.stack(axial, -1) / 2, moves], -1)


LOSSES: dict[str, Callable[..., dict[str, Tensor]]] = {
    "perception": perception_loss,
    "identity": identity_loss,
    "camera": camera_loss,
}
