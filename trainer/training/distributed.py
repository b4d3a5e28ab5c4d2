"""Several processes train one model: the collective operations, exact up to rounding.

Every process holds the same weights and a part of each batch. Features are gathered with their
gradient, each process takes the loss of its own rows against all, and the gradients are summed: the
result is that of one process with the joined batch, batch statistics included. Parts may be of
different sizes, and a part may be empty: a corrupt sample stops nobody.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

BUCKET = 1 << 23  # numbers summed at a time: few messages, and little memory beside the gradients


@dataclass(frozen=True)
class Group:
    """The processes of a run: this one's number and how many there are."""

    rank: int = 0
    world: int = 1

    @property
    def first(self) -> bool:
        """This process writes the files and the progress bar."""
        return self.rank == 0

    def sizes(self, own: int, device: torch.device | str = "cpu") -> list[int]:
        """The number `own` of every process, by rank."""
        return [size for (size,) in self.numbers([own], device)]

    def numbers(self, own: list[int], device: torch.device | str = "cpu") -> list[list[int]]:
        """The numbers of every process, by rank, in one message: as many of each."""
        if self.world == 1:
            return [own]
        numbers = torch.zeros((self.world, len(own)), dtype=torch.int64, device=device)
        numbers[self.rank] = torch.tensor(own)
        dist.all_reduce(numbers)
        return numbers.tolist()

    def gather(self, own: Tensor) -> tuple[Tensor, int]:
        """(B, C) of each process -> all rows (N, C), and the row where this process's begin.

        The gradient of a row is the sum of the gradients that all processes have for it.
        """
        if self.world == 1:
            return own, 0
        sizes = self.sizes(len(own), own.device)
        return _Gather.apply(own, sizes, self.rank), sum(sizes[: self.rank])

    def sum(self, value: Tensor) -> Tensor:
        """The sum over the processes, with no gradient."""
        if self.world == 1:
            return value.detach()
        total = value.detach().clone()
        dist.all_reduce(total)
        return total

    def broadcast(self, value: float, device: torch.device | str = "cpu") -> float:
        """The value of the first process, in every process."""
        if self.world == 1:
            return value
        first_value = torch.tensor([value], dtype=torch.float64, device=device)
        dist.broadcast(first_value, 0)
        return first_value.item()

    def gather_objects(self, value: Any) -> list[Any]:
        """The value of every process, by rank; it must pickle."""
        values: list[Any] = [value] * self.world
        if self.world > 1:
            dist.all_gather_object(values, value)
        return values

    def wait(self) -> None:
        """Wait until every process has called this."""
        if self.world > 1:
            dist.barrier()

    @torch.no_grad()
    def sum_gradients(self, parameters: list[nn.Parameter]) -> None:
        """Each parameter's gradient becomes the sum over the processes, in place."""
        if self.world == 1:
            return
        for parameter in parameters:  # all processes must sum the same parameters
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        for bucket in _buckets(parameters):
            gradients = [p.grad for p in bucket if p.grad is not None]
            flat = torch.cat([g.reshape(-1) for g in gradients])
            dist.all_reduce(flat)
            parts = flat.split([g.numel() for g in gradients])
            for gradient, part in zip(gradients, parts, strict=True):
                gradient.copy_(part.view(gradient.shape))


ALONE = Group()


def _buckets(parameters: list[nn.Parameter]) -> Iterator[list[nn.Parameter]]:
    bucket: list[nn.Parameter] = []
    for parameter in parameters:
        if bucket and sum(p.numel() for p in bucket) + parameter.numel() > BUCKET:
            yield bucket
            bucket = []
        bucket.append(parameter)
    yield bucket


class _Gather(torch.autograd.Function):
    """All processes' rows; backwards, the sum of all processes' gradients of the own rows."""

    @staticmethod
    def forward(ctx: Any, own: Tensor, sizes: list[int], rank: int) -> Tensor:
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
        return total.split(ctx.sizes)[ctx.rank], None, None


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
    n = wide.new_tensor([x.numel() / x.shape[1]])
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
        yield Group(dist.get_rank(), world), device
    finally:
        dist.destroy_process_group()
