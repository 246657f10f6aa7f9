"""What a config needs, without the devices: its first step on fake tensors, in one of many simulated processes.

Fake tensors have shapes and no content, and the processes of torch's fake group send nothing. So the memory of one
process and what it sends are counted on the network and the optimizers themselves, at their full size. Time is
arithmetic: operations over a share of the peak, bytes over a bandwidth (`Machine`). All of it is computed, none of it
measured: kernels of a GPU need other memory for what they work on than those of a CPU, which are the ones counted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.utils._python_dispatch import TorchDispatchMode

from ...control.errors import UserError
from ...models.backbone.blocks import Block
from ...models.backbone.transformer import FullDiT
from ...models.conditioning.condition_streams import ConditionStreams, Stream
from ...models.conditioning.streams import CONDITION_OF, STREAMS
from ...models.conditioning.text import LENGTH
from ...models.config import FullDiTConfig
from ...models.geometry import Size3
from ..common.ema import trained_state
from ..common.log import rounded
from ..common.optimizers import muon_and_adam
from ..common.precision import autocast
from ..common.sharding import shard
from .batches import Batch, parse_subset
from .cost import forward_cost
from .learner import Learner
from .settings import GeneratorSettings
from .start import config_of, prepare, text_encoder

GIB = 2**30
DEVICE = torch.device("cpu")  # of the fake tensors: those of a GPU need a build of torch that knows GPUs


@dataclass(frozen=True)
class Machine:
    """What time is computed with: H100 or H200 in nodes of eight, with the share of each figure that runs reach."""

    peak_tflops: float = 989.0
    reached: float = 0.40
    in_node_gb: float = 300.0  # per second and device, of NVLink's 450
    between_nodes_gb: float = 40.0  # of 400 Gb/s a device
    node: int = 8

    def bandwidth(self, ranks: int) -> float:
        """Return the bytes per second that a device sends while all of `ranks` gather weights."""
        return 1e9 * (self.in_node_gb if ranks <= self.node else self.between_nodes_gb)

    def describe(self) -> str:
        """Return the assumptions in a sentence."""
        return (
            f"{self.peak_tflops:g} TFLOP/s of which {self.reached:.0%} are reached; {self.in_node_gb:g} GB/s in a node "
            f"of {self.node}, {self.between_nodes_gb:g} GB/s between nodes; what is sent is hidden behind the "
            f"computation where that takes longer"
        )


class ForwardTogether(Block):
    """A block that trains by its forward: torch's tracker of memory knows no other method of a module."""

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return super().together(*args, **kwargs)

    def together(self, *args: Any, **kwargs: Any) -> Any:
        return self(*args, **kwargs)


class SentBytes(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch gives it no types
    """Adds up what this process sends for FSDP's collectives, by a ring: all but its own part of the whole."""

    def __init__(self, ranks: int):
        super().__init__()  # type: ignore[no-untyped-call]
        self.share = (ranks - 1) / ranks
        self.gathered = self.reduced = 0.0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Count one operation and pass it on."""
        name = str(func)
        if "c10d" in name and "gather" in name:
            self.gathered += self.share * max(map(_bytes, _tensors(args)), default=0)
        elif "c10d" in name and "reduce_scatter" in name:
            self.reduced += self.share * max(map(_bytes, _tensors(args)), default=0)
        return func(*args, **(kwargs or {}))


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _tensors(item)


def _bytes(tensor: Tensor) -> int:
    return tensor.numel() * tensor.element_size()


def dry_run(settings: GeneratorSettings, ranks: int, clips: int | None = None) -> dict[str, Any]:
    """Return what one of `ranks` processes needs for a step of a config under its largest subset of conditions.

    clips: of each process in a micro-batch, instead of what the config's batch gives. memory_gib by kind, of which
    `total` is the peak; what is sent per step; operations, seconds and tokens_per_second of all ranks by arithmetic.
    The optimizer is counted as AdamW. Raises UserError for a number of processes that the batch cannot be dealt to.
    """
    from torch._subclasses.fake_tensor import FakeTensorMode

    if clips is not None:
        settings = replace(settings, batch=ranks * clips * settings.micro_batches)
    if settings.sequence_processes > 1:
        raise UserError("A dry run takes no shared sequences: set sequence_processes to 1 and batch to match.")
    per_process, uneven = divmod(settings.batch // settings.micro_batches, ranks)
    if uneven or not per_process:
        raise UserError(
            f"{ranks} processes cannot share micro-batches of {settings.batch // settings.micro_batches} clips: set "
            f"batch to a multiple of {ranks * settings.micro_batches}."
        )
    config = config_of(settings)
    names = max((parse_subset(key) or () for phase in settings.schedule() for key in phase["subsets"]), key=len)
    with simulated(ranks) as mesh, FakeTensorMode(allow_non_fake_inputs=True):
        learner = _learner(settings, config)
        dtype = torch.float32 if settings.precision == "fp32" else torch.bfloat16
        # Other models train by the forward of their blocks anyway.
        together = names and config.attention == "decoupled" and not config.joint_text
        reading = [learner.model.blocks[i] for i in config.blocks_of_conditions] if together else []
        for block in reading:
            block.__class__ = ForwardTogether
        shard(learner, dtype, mesh)
        for block in reading:
            vars(block).pop("together")
        batch = fake_batch(config, names, per_process)
        memory, sent = _step(settings, learner, batch, dtype, ranks)
        trained = sum(p.numel() for p in _trained(learner))
        parameters = sum(p.numel() for p in learner.parameters())
    result = {"config": settings.model, "ranks": ranks, "clips_per_process": per_process, "conditions": list(names)}
    result |= {"parameters": parameters, "trained": trained, "memory_gib": memory}
    shown: dict[str, Any] = rounded({**result, **_time(settings, config, batch, ranks, sent)})
    return shown


@contextmanager
def simulated(ranks: int) -> Iterator[DeviceMesh]:
    """Be the first of `ranks` processes that send nothing."""
    from torch.testing._internal.distributed.fake_pg import FakeStore

    dist.init_process_group("fake", store=FakeStore(), rank=0, world_size=ranks)
    try:
        yield init_device_mesh(DEVICE.type, (ranks,))
    finally:
        dist.destroy_process_group()


def _learner(settings: GeneratorSettings, config: FullDiTConfig) -> Learner:
    model, text = FullDiT(config, device=DEVICE), text_encoder(config)
    prepare(model, text, settings)
    return Learner(model, text)


def fake_batch(config: FullDiTConfig, names: tuple[str, ...], clips: int) -> Batch:
    """Return a micro-batch of the config's own size without content, under these conditions with every slot taken."""
    size = config.latent_size
    streams = []
    for name in (name for name in config.streams if CONDITION_OF[name] in names):
        for slot in range(config.slots) if STREAMS[name].has_slots else (None,):
            streams.append(_fake_stream(config, name, slot, clips, size))
    conditions = ConditionStreams(tuple(streams), size) if streams else None
    video = torch.empty(clips, config.in_dim, *size)
    if config.text == "bytes":
        tokens = torch.zeros(clips, LENGTH, dtype=torch.int64)
    else:
        tokens = torch.empty(clips, config.text_len, config.text_dim)
    return Batch(video, tokens, conditions, names, None)


def _fake_stream(config: FullDiTConfig, name: str, slot: int | None, clips: int, size: Size3) -> Stream:
    kind = STREAMS[name]
    if kind.kind == "vector":
        data = torch.empty(clips, size[0], kind.features * config.temporal_compression)
    else:
        data = torch.empty(clips, config.in_dim, 1 if kind.placed == "reference" else size[0], *size[1:])
    return Stream(name, data, slot, patch=config.patch_of(name))


def _step(
    settings: GeneratorSettings, learner: Learner, batch: Batch, dtype: torch.dtype, ranks: int
) -> tuple[dict[str, float], SentBytes]:
    """Make a step; returns the memory at its peak by kind, and what was sent."""
    from torch.distributed._tools.fsdp2_mem_tracker import FSDPMemTracker

    optimizers = muon_and_adam(learner.named_parameters(), (), settings.muon_lr, settings.adam_lr)
    averages = [value.detach().clone() for value in trained_state(learner).values()]
    tracker = FSDPMemTracker(learner, optimizers[0])
    tracker.track_inputs((batch.video, batch.tokens))
    sent = SentBytes(ranks)
    noise, t = torch.empty_like(batch.video), torch.zeros(len(batch.video))
    with tracker:
        # A first step on gradients of nothing: what an optimizer keeps is there while the next one is computed.
        _optimize(learner, optimizers, [torch.zeros_like(p) for p in _trained(learner)])
        with sent, autocast(DEVICE, dtype):
            loss = learner(batch, noise, t).mean()
        with sent:
            torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(_trained(learner), settings.clip)
        _optimize(learner, optimizers)
    peak = _by_kind(tracker.get_tracker_snapshot("peak"))
    peak["averages"] = sum(_bytes(_local(value)) for value in averages) / GIB
    peak["total"] = sum(peak.values())
    return peak, sent


def _trained(learner: Learner) -> list[nn.Parameter]:
    return [p for p in learner.parameters() if p.requires_grad]


def _optimize(learner: Learner, optimizers: Sequence[torch.optim.Optimizer], gradients: Sequence[Tensor] = ()) -> None:
    """Make a step of the optimizers, on other gradients where there are any."""
    for p, gradient in zip(_trained(learner), gradients, strict=False):
        p.grad = gradient
    for optimizer in optimizers:
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)


def _local(value: Tensor) -> Tensor:
    from torch.distributed.tensor import DTensor

    return value.to_local() if isinstance(value, DTensor) else value


def _by_kind(snapshot: Mapping[torch.device, Mapping[Any, int]]) -> dict[str, float]:
    """Return GiB by kind of a tracker's snapshot, without its totals."""
    kinds: dict[str, float] = {}
    for memory in snapshot.values():
        for kind, count in memory.items():
            name = getattr(kind, "value", str(kind)).lower().replace(" ", "_")
            if "total" not in name and count:
                kinds[name] = kinds.get(name, 0.0) + count / GIB
    return kinds


def _time(
    settings: GeneratorSettings, config: FullDiTConfig, batch: Batch, ranks: int, sent: SentBytes
) -> dict[str, Any]:
    """Return operations, bytes, seconds and tokens per second of a step, by arithmetic."""
    machine = Machine() if settings.peak_tflops is None else Machine(peak_tflops=settings.peak_tflops)
    video = config.geometry.tokens(config.latent_size)
    conditions = sum(stream.tokens for stream in batch.conditions.streams) if batch.conditions else 0
    cost = forward_cost(config, video, conditions, config.text_len)
    done = cost.training(settings.lora is not None, settings.gradient_checkpointing)
    clips = len(batch.video) * settings.micro_batches
    computing = clips * done / (1e12 * machine.peak_tflops * machine.reached)
    sending = settings.micro_batches * (sent.gathered + sent.reduced) / machine.bandwidth(ranks)
    seconds = max(computing, sending)
    return {
        "video_tokens": video,
        "condition_tokens": conditions,
        "tflop_per_clip": cost.training(settings.lora is not None) / 1e12,
        "gathered_gb_per_step": settings.micro_batches * sent.gathered / 1e9,
        "reduced_gb_per_step": settings.micro_batches * sent.reduced / 1e9,
        "seconds_computing": computing,
        "seconds_sending": sending,
        "tokens_per_second": ranks * clips * (video + conditions) / seconds,
        "hours_per_1000_steps": 1000 * seconds / 3600,
        "assumed": machine.describe(),
        "kind": "computed, not measured",
    }


def describe(result: Mapping[str, Any]) -> list[str]:
    """Return the result of a dry run in lines."""
    memory = ", ".join(f"{kind} {gib:.3g}" for kind, gib in result["memory_gib"].items() if kind != "total")
    return [
        f"{result['config']} on {result['ranks']} simulated processes, {result['clips_per_process']} clips each:",
        f"  memory {result['memory_gib']['total']:.1f} GiB a process ({memory})",
        f"  {result['video_tokens']} video and {result['condition_tokens']} condition tokens a clip; "
        f"{result['trained']:,} of {result['parameters']:,} parameters trained",
        f"  {result['tflop_per_clip']:.1f} TFLOP a clip; a step gathers {result['gathered_gb_per_step']:.2f} GB "
        f"and reduces {result['reduced_gb_per_step']:.2f} GB a process",
        f"  {result['tokens_per_second']:,.0f} tokens/s, {result['hours_per_1000_steps']:.2f} h per 1000 steps "
        f"(computing {result['seconds_computing']:.2f} s, sending {result['seconds_sending']:.2f} s a step)",
        f"  Computed, not measured; assumed: {result['assumed']}.",
    ]
