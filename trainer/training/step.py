"""One step of training: embeddings, loss, gradients and the optimiser, in bounded memory.

Sources: gradient cache, Gao et al. 2021; CLIP, section 2.5.

The contrastive loss needs the embeddings of the whole batch, not their graphs. With
`micro_batch` a batch is embedded twice: once without graphs, for the loss and its gradient at
each embedding, then piece by piece with a graph, which takes that gradient. The sum of the pieces
is the gradient of the whole batch; the temperature's comes from the one loss, so it is not
multiplied by the number of pieces. One thing is not as in the whole batch: a ResNet's batch
statistics are those of a piece (of all processes' such pieces), in both passes the same.
"""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint

from trainer.model import CLIP
from trainer.model.towers import Block, Bottleneck
from trainer.settings import Means
from trainer.training.distributed import ALONE, GradientSums, Group
from trainer.training.losses import Objective
from trainer.training.pieces import Inputs, Piece, copied, pictures_in_pieces, texts_in_pieces


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
    sums: GradientSums = field(init=False)  # over the processes

    def __post_init__(self) -> None:
        model, objective = self.model, self.objective
        parameters = {
            "image": list(model.visual.parameters()),
            "text": [p for name, p in model.named_parameters() if _of_text(name)],
            "loss": [model.logit_scale, *objective.parameters()],
        }
        object.__setattr__(self, "sums", GradientSums(self.group, parameters))

    def step(self, inputs: Inputs, lr: float, rows: Sequence[int] = ()) -> Taken:
        """Take a step at learning rate `lr`. Nothing here waits for the device.

        rows: of each process's part of the batch, by rank, where they are known already.
        """
        for part in self.optimizer.param_groups:
            part["lr"] = lr
        self.optimizer.zero_grad(set_to_none=True)
        loss = self.gradients(inputs, rows)
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

    def gradients(self, inputs: Inputs, rows: Sequence[int] = ()) -> Tensor:
        """Add the gradients of the joined batch to the weights, the same in every process; return
        this process's share of the loss."""
        group = self.group.of_batch(rows or self.group.sizes(len(inputs.images)))
        n = self.n_pieces(max(group.rows))
        pieces = self.pieces(inputs, n)
        if n == 1:
            loss = self._loss(whole_batch(self.embed(pieces)), group)
            self.sums.expect("image", "text", "loss")
            self._scaled(loss).backward()
        else:
            loss = self._cached(pieces, group)
        self.sums.finish()
        return loss.detach()

    def _cached(self, pieces: list[Piece], group: Group) -> Tensor:
        """The loss by a gradient cache, its gradients added to the weights piece by piece."""
        device = self.device
        with torch.no_grad(), without_statistics(self.model):
            embedded = [pair for piece in copied(pieces, device) for pair in self._embed([piece])]
        leaves = {kind: whole.requires_grad_() for kind, whole in whole_batch(embedded).items()}
        loss = self._loss(leaves, group)
        self.sums.expect("loss")
        self._scaled(loss).backward()
        taking = [p for p in pieces if p.kind != LOCKED.get(self.model.locked)]
        last = {TOWERS[piece.kind]: at for at, piece in enumerate(taking)}
        for at, piece in enumerate(copied(taking, device)):
            ((_, embedding),) = self._embed([piece])
            tower, gradient = TOWERS[piece.kind], leaves[piece.kind].grad
            assert gradient is not None
            if last[tower] == at:
                self.sums.expect(tower)
            embedding.backward(gradient[piece.rows])
        return loss

    @property
    def device(self) -> torch.device:
        return self.model.logit_scale.device

    def _loss(self, embeddings: dict[str, Tensor], group: Group) -> Tensor:
        return self.objective(embeddings, self.model.logit_scale.exp(), group)

    def _scaled(self, loss: Tensor) -> Tensor:
        return loss if self.scaler is None else self.scaler.scale(loss)

    def n_pieces(self, rows: int) -> int:
        """The number of pieces of pictures, equal in every process: they share batch statistics.

        rows: of the largest part of the batch that a process has.
        """
        return max(1, -(-rows // (self.means.micro_batch or max(rows, 1))))

    def pieces(self, inputs: Inputs, n: int = 1) -> list[Piece]:
        """The batch in n pieces of each kind of picture, and of texts in as many or more: texts
        of like length together, each trimmed to the longest of its piece."""
        pictures = {"image": inputs.images} | {
            f"view{at}": view for at, view in enumerate(inputs.views, start=1)
        }
        pieces: list[Piece] = []
        for kind, images in pictures.items():
            if kind in self.objective.needs:
                pieces += pictures_in_pieces(kind, images, n)
        if "text" in self.objective.needs:
            n_texts, most = max(n, self.means.length_groups), -(-len(inputs.tokens) // n)
            pieces += texts_in_pieces(inputs.tokens, n_texts, self.device, most)
        return pieces

    def embed(self, pieces: list[Piece]) -> list[tuple[Piece, Tensor]]:
        """Each piece with its embeddings, (b, embed) of length 1, or (b, features) of a view."""
        return self._embed(list(copied(pieces, self.device)))

    def _embed(self, pieces: list[Piece]) -> list[tuple[Piece, Tensor]]:
        """The embeddings of pieces on the device. Their matrices are rounded once for all."""
        half = torch.autocast(self.device.type, self.kind) if self.kind in HALF else nullcontext()
        texts = [piece for piece in pieces if piece.kind == "text"]
        with half:
            embeddings = [
                self.model.encode_image(piece.inputs, piece.kind == "image")
                for piece in pieces
                if piece.kind != "text"
            ]
            if texts:
                embeddings += self.model.encode_texts([piece.inputs for piece in texts])
        in_turn = [piece for piece in pieces if piece.kind != "text"] + texts
        return [
            (piece, one if piece.kind.startswith("view") else F.normalize(one, dim=-1))
            for piece, one in zip(in_turn, map(_wide, embeddings), strict=True)
        ]


LOCKED = {"image": "image", "text": "text"}  # a locked tower, and the kind that it embeds
TOWERS = {"image": "image", "view1": "image", "view2": "image", "text": "text"}  # of each kind
HALF = (torch.bfloat16, torch.float16)


def _of_text(name: str) -> bool:
    """Whether a parameter of the model is the text tower's.

    >>> _of_text("visual.proj"), _of_text("logit_scale"), _of_text("ln_final.weight")
    (False, False, True)
    """
    return name != "logit_scale" and not name.startswith("visual.")


def _wide(embeddings: Tensor) -> Tensor:
    return embeddings.float() if embeddings.dtype in HALF else embeddings


def whole_batch(embedded: list[tuple[Piece, Tensor]]) -> dict[str, Tensor]:
    """The pieces' embeddings as one (B, C) per kind, in the order of the batch."""
    by_kind = {}
    for kind in dict.fromkeys(piece.kind for piece, _ in embedded):
        whole = torch.cat([values for piece, values in embedded if piece.kind == kind])
        rows = [piece.rows for piece, _ in embedded if piece.kind == kind]
        order = [row for row in rows if isinstance(row, Tensor)]
        by_kind[kind] = whole[torch.cat(order).argsort()] if order else whole
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
