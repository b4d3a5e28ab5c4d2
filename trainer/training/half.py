"""AdamW whose state, and weights where asked, are kept in 16 bits and rounded at random.

Source: CLIP, section 2.5, "half-precision Adam statistics" and "half-precision stochastically
rounded text encoder weights". The paper's 16 bits are float16, whose small exponents want a scale;
bfloat16 has float32's and wants none. Rounded to the nearest, a second moment would never move
again: a change of a thousandth is less than half of bfloat16's step. Rounded at random, up as
often as the part that is cut off is large, it is right on average.
"""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

CUT = 16  # the bits of float32 that bfloat16 has not


class HalfAdamW(torch.optim.Optimizer):
    """AdamW (Loshchilov and Hutter 2019) with moments in bfloat16; arithmetic in float32.

    A weight in bfloat16 is rounded at random as well, one in float32 stays exact. The bits are
    drawn from the seed and the number of the step: a restored run draws the same, and so do all
    processes of a run.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float,
        betas: tuple[float, float],
        eps: float,
        seed: int = 0,
    ):
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": 0.0})
        self.seed = seed

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Take a step with every parameter that has a gradient."""
        for number, (parameter, group) in enumerate(self._with_gradients()):
            state = self.state[parameter]
            if not state:
                state["step"] = torch.zeros(())  # on the CPU: reading it waits for nothing
                state["exp_avg"] = torch.zeros_like(parameter, dtype=torch.bfloat16)
                state["exp_avg_sq"] = torch.zeros_like(parameter, dtype=torch.bfloat16)
            state["step"] += 1
            self._update(parameter, group, state, number)

    def _with_gradients(self) -> Iterable[tuple[Tensor, dict[str, Any]]]:
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    yield parameter, group

    def _update(
        self, parameter: Tensor, group: dict[str, Any], state: dict[str, Tensor], number: int
    ) -> None:
        beta1, beta2 = group["betas"]
        step = int(state["step"])
        draw = torch.Generator(parameter.device)
        draw.manual_seed(((self.seed << 40) + (step << 16) + number) % (1 << 63))
        assert parameter.grad is not None
        gradient = parameter.grad.float()
        mean = state["exp_avg"].float().lerp_(gradient, 1 - beta1)
        square = state["exp_avg_sq"].float().mul_(beta2)
        square.addcmul_(gradient, gradient, value=1 - beta2)
        below = square.div(1 - beta2**step).sqrt_().add_(group["eps"])
        weight = parameter.float() if parameter.dtype != torch.float32 else parameter
        weight.mul_(1 - group["lr"] * group["weight_decay"])
        weight.addcdiv_(mean, below, value=-group["lr"] / (1 - beta1**step))
        round_at_random(mean, state["exp_avg"], draw)
        round_at_random(square, state["exp_avg_sq"], draw)
        if weight is not parameter:
            round_at_random(weight, parameter, draw)


def round_at_random(exact: Tensor, into: Tensor, draw: torch.Generator) -> None:
    """Write float32 numbers into bfloat16 ones: up with the chance of the share that is cut off.

    >>> draw, into = torch.Generator().manual_seed(0), torch.empty(10_000, dtype=torch.bfloat16)
    >>> round_at_random(torch.full((10_000,), 1 + 1 / 1024), into, draw)
    >>> into.unique().tolist(), round(into.double().mean().item(), 3)
    ([1.0, 1.0078125], 1.001)
    """
    bits = torch.randint(
        1 << CUT, exact.shape, dtype=torch.int32, device=exact.device, generator=draw
    )
    bits += exact.contiguous().view(torch.int32)
    bits >>= CUT
    bits <<= CUT
    finite = exact.isfinite()
    into.copy_(torch.where(finite, bits.view(torch.float32), exact))
