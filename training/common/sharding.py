"""One network over several processes: torch's FSDP2, each process with its share of every weight.

`fully_shard` itself, without a library around it: on CPUs accelerate ran something else and said nothing, so what was
asked for is checked (`assert_sharded`).
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard, register_fsdp_forward_method
from torch.distributed.tensor import DTensor

from ...control.errors import UserError
from ...models.backbone.blocks import Block


def shard(module: nn.Module, dtype: torch.dtype, mesh: DeviceMesh | None = None) -> None:
    """Give each process its share of the module's weights: one unit per block, one for all the rest.

    The blocks are gathered, and compute, in `dtype`; their gradients are reduced in float32, in which each process
    keeps its share of what is trained. The rest (embeddings, condition tokenizers, head, text encoder) is small and
    stays as it is. mesh: the processes, by default all. Raises UserError for weights stored in fewer bytes than a
    computation in float32 could gather.
    """
    # Nobody works in place on what a block returns, which is the one thing that this is about.
    warnings.filterwarnings("ignore", message="FSDP2-wrapped module .* returned a view tensor")
    policy = MixedPrecisionPolicy(param_dtype=dtype, reduce_dtype=torch.float32, cast_forward_inputs=False)
    for block in (part for part in module.modules() if isinstance(part, Block)):
        formats = {p.dtype for p in block.parameters()}
        if dtype == torch.float32 and formats != {torch.float32}:
            raise UserError(
                "Several processes cannot compute in fp32 on a base that is stored in fewer bytes. Set precision to "
                "'bf16', or base_format to 'fp32'."
            )
        fully_shard(block, mesh=mesh, mp_policy=policy)
        for method in ("together", "key_value"):
            register_fsdp_forward_method(block, method)
    fully_shard(module, mesh=mesh)
    assert_sharded(module)


def assert_sharded(module: nn.Module) -> None:
    """Raise AssertionError unless every parameter is spread over the processes."""
    whole = [name for name, p in module.named_parameters() if not isinstance(p, DTensor)]
    assert not whole, f"not sharded: {whole[:3]}"


def full_tensor(value: Tensor) -> Tensor:
    """Return all of a tensor of which each process has a share; every process must call this."""
    if not isinstance(value, DTensor):
        return value
    # Gloo sends no fp8; float32 holds every value of it.
    sent: Any = value.float() if value.is_floating_point() and value.element_size() == 1 else value
    whole: Tensor = sent.full_tensor()
    return whole.to(value.dtype)


def gathered(values: Iterable[tuple[str, Tensor]], keep: bool) -> dict[str, Tensor]:
    """Return whole tensors by name, in main memory; all processes must call this, with the same names in one order.

    keep: whether this process wants them; one that does not gets an empty dict and never holds more than one.
    """
    result = {}
    for name, value in values:
        whole = full_tensor(value.detach())
        if keep:
            result[name] = whole.cpu()
    return result
