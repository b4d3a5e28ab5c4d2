"""Several processes train one model: the collective operations, exact up to rounding.

Every process holds the same weights and a part of each batch. Features are gathered with their
gradient, each process takes the loss of its own rows against all, and the gradients are summed: the
result is that of one process with the joined batch, batch statistics included. Parts may be of
different sizes, and a part may be empty: a corrupt sample stops nobody.
"""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

BUCKET = 1 << 23  # numbers summed at a time: few messages, and most of the sums begin early


@dataclass(frozen=True)
class Group:
    """The processes of a run: this one's number and how many there are.

    control: of numbers that the host needs, by gloo: a GPU is not waited for. sums: of gradients,
    so that these cannot meet what the graph sends meanwhile.
    """

    rank: int = 0
    world: int = 1
    control: dist.ProcessGroup | None = None
    sums: dist.ProcessGroup | None = None
    rows: tuple[int, ...] = ()  # of each process's part of the batch under way, where known

    @property
    def first(self) -> bool:
        """This process writes the files and the progress bar."""
        return self.rank == 0

    def of_batch(self, rows: Sequence[int]) -> "Group":
        """The group while it computes a batch of whose rows each process has these many."""
        return replace(self, rows=tuple(rows))

    def sizes(self, own: int) -> list[int]:
        """The number `own` of every process, by rank."""
        return [size for (size,) in self.numbers([own])]

    def numbers(self, own: list[int]) -> list[list[int]]:
        """The numbers of every process, by rank, in one message: as many of each."""
        if self.world == 1:
            return [own]
        numbers = torch.zeros((self.world, len(own)), dtype=torch.int64)
        numbers[self.rank] = torch.tensor(own)
        dist.all_reduce(numbers, group=self.control)
        return numbers.tolist()

    def gather(self, own: Tensor) -> tuple[Tensor, int]:
        """(B, C) of each process -> all rows (N, C), and the row where this process's begin.

        The gradient of a row is the sum of the gradients that all processes have for it.
        """
        if self.world == 1:
            return own, 0
        sizes = self.rows or tuple(self.sizes(len(own)))
        return _Gather.apply(own, sizes, self.rank), sum(sizes[: self.rank])

    def sum(self, value: Tensor) -> Tensor:
        """The sum over the processes, with no gradient."""
        if self.world == 1:
            return value.detach()
        total = value.detach().clone()
        dist.all_reduce(total)
        return total

    def broadcast(self, value: float) -> float:
        """The value of the first process, in every process."""
        if self.world == 1:
            return value
        first_value = torch.tensor([value], dtype=torch.float64)
        dist.broadcast(first_value, 0, group=self.control)
        return first_value.item()

    def gather_objects(self, value: Any) -> list[Any]:
        """The value of every process, by rank; it must pickle."""
        values: list[Any] = [value] * self.world
        if self.world > 1:
            dist.all_gather_object(values, value, group=self.control)
        return values

    def wait(self) -> None:
        """Wait until every process has called this."""
        if self.world > 1:
            dist.barrier(group=self.control)


ALONE = Group()


class GradientSums:
    """The sums of a step's gradients: those of a bucket begin when all of them are there.

    Backwards the last parameters have their gradients first, so buckets are filled from the last.
    Each process begins them in one order and in a group of their own: what the graph itself sends
    in between cannot be taken for them. The first step learns which parameters have gradients at
    all, and begins its sums at the end.

    parameters: of each part of the model, by a name.
    """

    def __init__(self, group: Group, parameters: Mapping[str, Iterable[nn.Parameter]]):
        self._group = group
        self._parts = {
            name: [p for p in part if p.requires_grad] for name, part in parameters.items()
        }
        self._buckets: list[list[nn.Parameter]] = []
        self._final = set[nn.Parameter]()  # their next gradient is the step's
        self._there = set[nn.Parameter]()
        self._begun: list[tuple[list[nn.Parameter], Tensor, Any]] = []
        if group.world > 1:
            for parameter in self._all():
                parameter.register_post_accumulate_grad_hook(self._arrived)

    def expect(self, *parts: str) -> None:
        """The backward pass that now begins is the last of the step that reaches these parts."""
        for part in parts:
            self._final.update(self._parts[part])

    @torch.no_grad()
    def finish(self) -> None:
        """Every gradient is the sum over the processes when this returns, in place."""
        if self._group.world == 1:
            return
        present = [p for p in self._all() if p.grad is not None]
        waiting = {p for bucket in self._buckets[len(self._begun) :] for p in bucket}
        new = set(present).difference(*self._buckets)
        for bucket in buckets([p for p in present if p in waiting or p in new]):
            self._begin(bucket)
        while self._begun:
            bucket, flat, message = self._begun.pop(0)  # its memory is free after its turn
            message.wait()  # on a GPU the stream waits, and the host goes on
            gradients = [p.grad for p in bucket if p.grad is not None]
            parts = flat.split([g.numel() for g in gradients])
            for gradient, part in zip(gradients, parts, strict=True):
                gradient.copy_(part.view(gradient.shape))
        self._buckets = list(buckets(present))
        self._final.clear()
        self._there.clear()

    def _all(self) -> list[nn.Parameter]:
        return [p for part in self._parts.values() for p in part][::-1]

    @torch.no_grad()
    def _arrived(self, parameter: nn.Parameter) -> None:
        if parameter not in self._final:
            return
        self._there.add(parameter)
        while len(self._begun) < len(self._buckets):
            bucket = self._buckets[len(self._begun)]
            if not self._there.issuperset(bucket):
                return
            self._begin(bucket)

    def _begin(self, bucket: list[nn.Parameter]) -> None:
        gradients = [p.grad for p in bucket if p.grad is not None]
        flat = torch.cat([g.reshape(-1) for g in gradients])
        message = dist.all_reduce(flat, group=self._group.sums, async_op=True)
        self._begun.append((bucket, flat, message))


def buckets(parameters: list[nn.Parameter]) -> Iterator[list[nn.Parameter]]:
    """The parameters in turn, in buckets of at most BUCKET numbers and of one type."""
    bucket: list[nn.Parameter] = []
    for parameter in parameters:
        full = sum(p.numel() for p in bucket) + parameter.numel() > BUCKET
        if bucket and (full or bucket[0].dtype != parameter.dtype):
            yield bucket
            bucket = []
        bucket.append(parameter)
    if bucket:
        yield bucket


class _Gather(torch.autograd.Function):
    """All processes' rows; backwards, the sum of all processes' gradients of the own rows."""

    @staticmethod
    def forward(ctx: Any, own: Tensor, sizes: tuple[int, ...], rank: int) -> Tensor:
        ctx.sizes, ctx.rank = sizes, rank
        padded = own.new_zeros(max(sizes), *own.shape[1:])  # all_gather needs equal sizes
        padded[: len(own)] = own
        parts = [torch.empty_like(padded) for _ in sizes]
        dist.all_gather(parts, padded)
        return torch.cat([part[:size] for part, size in zip(parts, sizes, strict=True)])

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        total = gradients[0].clone()
        dist.all_reduce(total)
        return total.split(list(ctx.sizes))[ctx.rank], None, None


class _Sum(torch.autograd.Function):
    """The sum over the processes, and the sum of its gradients."""

    @staticmethod
    def forward(ctx: Any, own: Tensor) -> Tensor:
        total = own.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        total = gradients[0].clone()
        dist.all_reduce(total)
        return total


class SharedBatchNorm(nn.BatchNorm2d):
    """Batch normalisation by the statistics of all processes' rows.

    torch's SyncBatchNorm works on accelerators only.
    """

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return super().forward(x)
        mean, variance, n = shared_statistics(x)
        if self.momentum and self.running_mean is not None:
            with torch.no_grad():
                unbiased = variance * (n / (n - 1).clamp(min=1))
                self.running_mean.lerp_(mean.to(self.running_mean), self.momentum)
                assert self.running_var is not None
                self.running_var.lerp_(unbiased.to(self.running_var), self.momentum)
                assert self.num_batches_tracked is not None
                self.num_batches_tracked += 1
        over = (1, -1) + (1,) * (x.ndim - 2)
        gain = self.weight * torch.rsqrt(variance + self.eps)
        return (x * gain.view(over) + (self.bias - mean * gain).view(over)).to(x.dtype)

    def _check_input_dim(self, input: Tensor) -> None:
        if input.ndim < 2:
            raise ValueError(f"{input.ndim} dimensions, expected at least 2")


def shared_statistics(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """(B, C, ...) of each process -> mean (C), variance (C) and number of values of all.

    In two passes, the squares about the common mean: no difference of large numbers.
    """
    wide = x.float() if x.dtype in (torch.bfloat16, torch.float16) else x
    rest = [0, *range(2, x.ndim)]
    n = wide.new_full((1,), x.numel() / x.shape[1])  # filled on the device: nothing is copied
    dist.all_reduce(n)
    mean = _Sum.apply(wide.sum(dim=rest)) / n
    off = wide - mean.view(1, -1, *(1,) * (x.ndim - 2))
    return mean, _Sum.apply((off * off).sum(dim=rest)) / n, n


def share_batch_statistics(model: nn.Module) -> None:
    """Replace each batch normalisation of the model by SharedBatchNorm, with its weights."""
    for module in model.modules():
        for name, child in list(module.named_children()):
            if isinstance(child, (nn.BatchNorm1d, nn.BatchNorm2d)):
                shared = SharedBatchNorm(child.num_features, child.eps, child.momentum)
                shared.weight, shared.bias = child.weight, child.bias
                shared.running_mean = child.running_mean
                shared.running_var = child.running_var
                shared.num_batches_tracked = child.num_batches_tracked
                shared.train(child.training)
                setattr(module, name, shared)


@contextmanager
def process_group() -> Iterator[tuple[Group, torch.device]]:
    """This process's group and device: of the processes that torchrun started, or ALONE."""
    device = torch.device("cuda") if torch.cuda.is_available() else torch.device("cpu")
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world == 1:
        yield ALONE, device
        return
    if device.type == "cuda":
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        control, sums = dist.new_group(backend="gloo"), dist.new_group()
        yield Group(dist.get_rank(), world, control, sums), device
    finally:
        dist.destroy_process_group()
