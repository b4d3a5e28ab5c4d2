"""One step of training: embeddings, loss, gradients and the optimiser, in bounded memory.

Sources: gradient cache, Gao et al. 2021; CLIP, section 2.5.

The contrastive loss needs the embeddings of the whole batch, not their graphs. With
`micro_batch` a batch is embedded twice: once without graphs, for the loss and its gradient at
each embedding, then piece by piece with a graph, which takes that gradient. The sum of the pieces
is the gradient of the whole batch; the temperature's comes from the one loss, so it is not
multiplied by the number of pieces. One thing is not as in the whole batch: a ResNet's batch
statistics are those of a piece (of all processes' such pieces), in both passes the same.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint

from trainer.model import CLIP
from trainer.model.towers import Block, Bottleneck
from trainer.settings import Means
from trainer.training.distributed import ALONE, Group
from trainer.training.losses import Objective


@dataclass(frozen=True)
class Inputs:
    """This process's rows of a batch: uint8 (B, 3, H, W), ids (B, T), and SimCLR's two views."""

    images: np.ndarray
    tokens: np.ndarray
    views: tuple[np.ndarray, ...] = ()


@dataclass(frozen=True)
class Piece:
    """Rows of one kind of input that are embedded together."""

    kind: str  # image, text, view1 or view2
    rows: Tensor  # (b,), where in the batch they stand
    inputs: Tensor  # (b, ...)


class Taken(NamedTuple):
    """What is known of a step: numbers on the device, which reading waits for."""

    loss: Tensor  # (), of the joined batch, before the step
    norm: Tensor  # (), of all gradients, before they are bound


@dataclass(frozen=True)
class Stepper:
    """A model, its objective and its optimiser, and how a step is computed."""

    model: CLIP
    objective: Objective
    optimizer: torch.optim.Optimizer
    kind: torch.dtype = torch.float32  # of matrix products; weights stay float32
    means: Means = field(default_factory=Means)
    group: Group = ALONE
    scaler: torch.amp.GradScaler | None = None  # for float16, whose gradients would vanish
    grad_clip_norm: float = 0.0  # 0: no bound

    def step(self, inputs: Inputs, lr: float) -> Taken:
        """Take a step at learning rate `lr`. Nothing here waits for the device."""
        for part in self.optimizer.param_groups:
            part["lr"] = lr
        self.optimizer.zero_grad(set_to_none=True)
        loss = self.gradients(inputs)
        self.group.sum_gradients(self.parameters())
        if self.scaler is not None:
            self.scaler.unscale_(self.optimizer)
        norm = self.bound_gradients()
        if self.scaler is None:
            self.optimizer.step()
        else:
            self.scaler.step(self.optimizer)
            self.scaler.update()
        self.model.clamp_scale()
        return Taken(self.group.sum(loss), norm)

    @torch.no_grad()
    def bound_gradients(self) -> Tensor:
        """The norm of all gradients, which are then scaled down to `grad_clip_norm` at most.

        They are those of the joined batch: neither pieces nor processes change the norm.
        """
        parameters = self.parameters()
        norm = nn.utils.get_total_norm([p.grad for p in parameters if p.grad is not None])
        if self.grad_clip_norm:
            nn.utils.clip_grads_with_norm_(parameters, self.grad_clip_norm, norm)
        return norm

    def parameters(self) -> list[nn.Parameter]:
        """The parameters of the model and the objective that have a gradient."""
        every = [*self.model.parameters(), *self.objective.parameters()]
        return [p for p in every if p.grad is not None]

    def gradients(self, inputs: Inputs) -> Tensor:
        """Add the gradients of this process's share of the loss to the weights; return it."""
        pieces = self.pieces(inputs)
        if self.n_pieces(len(inputs.images)) == 1:
            loss = self._loss(whole_batch([(p, self.embed(p)) for p in pieces]))
            self._scaled(loss).backward()
            return loss.detach()
        with torch.no_grad(), without_statistics(self.model):
            embeddings = whole_batch([(p, self.embed(p)) for p in pieces])
        leaves = {kind: embedding.requires_grad_() for kind, embedding in embeddings.items()}
        loss = self._loss(leaves)
        self._scaled(loss).backward()
        for piece in pieces:
            gradient = leaves[piece.kind].grad
            assert gradient is not None
            if piece.kind == LOCKED.get(self.model.locked):
                continue  # no weight of the tower takes it
            self.embed(piece).backward(gradient[piece.rows])
        return loss.detach()

    def _loss(self, embeddings: dict[str, Tensor]) -> Tensor:
        return self.objective(embeddings, self.model.logit_scale.exp(), self.group)

    def _scaled(self, loss: Tensor) -> Tensor:
        return loss if self.scaler is None else self.scaler.scale(loss)

    def n_pieces(self, rows: int) -> int:
        """The number of pieces of pictures, equal in every process: they share batch statistics."""
        if not self.means.micro_batch:
            return 1
        most = max(self.group.sizes(rows, self.model.logit_scale.device))
        return max(1, -(-most // self.means.micro_batch))

    def pieces(self, inputs: Inputs) -> list[Piece]:
        """The batch in pieces of at most `micro_batch`; texts of like length together.

        A trimmed text is the same text, since no token sees a later one, so the groups are exact.
        """
        n = self.n_pieces(len(inputs.images))
        pictures = {"image": inputs.images} | {
            f"view{at}": view for at, view in enumerate(inputs.views, start=1)
        }
        pieces: list[Piece] = []
        for kind, images in pictures.items():
            if kind in self.objective.needs:
                pieces += self._in_pieces(kind, images, n)
        if "text" in self.objective.needs:
            pieces += self._in_pieces("text", inputs.tokens, max(n, self.means.length_groups))
        return pieces

    def _in_pieces(self, kind: str, values: np.ndarray, n: int) -> Iterator[Piece]:
        device = self.model.logit_scale.device
        whole = torch.from_numpy(values).to(device, non_blocking=True)
        if kind != "text":
            for rows in torch.arange(len(whole), device=device).tensor_split(n):
                at = slice(int(rows[0]), int(rows[-1]) + 1) if len(rows) else slice(0, 0)
                yield Piece(kind, rows, whole[at])
            return
        lengths = values.argmax(axis=1) + 1 if len(values) else np.zeros(0, np.int64)
        order = np.argsort(lengths, kind="stable")
        for part in np.array_split(order, min(n, max(1, len(order)))):
            longest = int(lengths[part].max()) if len(part) else 1
            rows = torch.from_numpy(part).to(device)
            yield Piece(kind, rows, whole[rows, :longest])

    def embed(self, piece: Piece) -> Tensor:
        """(b, embed) of length 1, or (b, features) of a view."""
        device = piece.inputs.device.type
        with torch.autocast(device, self.kind, enabled=self.kind in HALF):
            if piece.kind == "text":
                embeddings = self.model.encode_text(piece.inputs)
            else:
                embeddings = self.model.encode_image(piece.inputs, piece.kind == "image")
        embeddings = embeddings.float() if embeddings.dtype in HALF else embeddings
        return embeddings if piece.kind.startswith("view") else F.normalize(embeddings, dim=-1)


LOCKED = {"image": "image", "text": "text"}  # a locked tower, and the kind that it embeds
HALF = (torch.bfloat16, torch.float16)


def whole_batch(embedded: list[tuple[Piece, Tensor]]) -> dict[str, Tensor]:
    """The pieces' embeddings as one (B, C) per kind, in the order of the batch."""
    by_kind = {}
    for kind in dict.fromkeys(piece.kind for piece, _ in embedded):
        rows = torch.cat([piece.rows for piece, _ in embedded if piece.kind == kind])
        whole = torch.cat([values for piece, values in embedded if piece.kind == kind])
        by_kind[kind] = whole[rows.argsort()] if kind == "text" else whole
    return by_kind


@contextmanager
def without_statistics(model: nn.Module) -> Iterator[None]:
    """Batch normalisation as in training, but its running averages stay as they are."""
    norms = [norm for norm in model.modules() if isinstance(norm, _BatchNorm)]
    before = [(norm.momentum, _count(norm).clone()) for norm in norms]
    for norm in norms:
        norm.momentum = 0.0  # and not track_running_stats: checkpoints count the tensors kept
    try:
        yield
    finally:
        for norm, (momentum, count) in zip(norms, before, strict=True):
            norm.momentum = momentum
            _count(norm).copy_(count)


def _count(norm: _BatchNorm) -> Tensor:
    assert norm.num_batches_tracked is not None
    return norm.num_batches_tracked


def prepare(model: CLIP, means: Means) -> None:
    """Turn on activation checkpointing and torch.compile where `means` has them.

    With both, each block is compiled by itself: a tower that is compiled whole may not run code of
    ours, such as `without_statistics`, when it computes a block again.
    """
    if means.checkpointing:
        for block in model.modules():
            if isinstance(block, (Block, Bottleneck)):
                forward = block.forward
                if means.compile:  # pictures of one size: inductor fails on sizes left open there
                    forward = torch.compile(forward, dynamic=isinstance(block, Block))
                block.forward = partial(  # type: ignore[method-assign]
                    checkpoint,
                    forward,
                    use_reentrant=False,
                    context_fn=partial(_first_and_again, block),
                )
    elif means.compile:
        model.visual.compile()
        if model.config.text.layers:
            model.transformer.compile(dynamic=True)  # a length for each group of texts


def _first_and_again(block: nn.Module) -> tuple[AbstractContextManager, AbstractContextManager]:
    """The contexts of a block's two forward passes: its averages count a batch once."""
    return nullcontext(), without_statistics(block)
