"""The optimiser, the clock that it runs by, and the precision of its arithmetic.

Source: CLIP, section 2.5 and table 18.
"""

import math
import time
from dataclasses import dataclass, field

import torch
from torch import nn

from trainer.model import CLIP
from trainer.settings import Means, Recipe
from trainer.training.half import HalfAdamW


@dataclass(frozen=True)
class Clock:
    """The share of a run that is done, 0 to 1: of its steps or of its seconds, the greater.

    A run that its bound in seconds does not reach follows its steps alone, so it is exact; one
    that would be cut short still cools down in the time that it has.
    """

    max_seconds: float | None
    started: float = field(default_factory=time.monotonic)
    before: float = 0.0  # seconds that earlier processes of the run took
    cpu_started: float = field(default_factory=time.process_time)
    cpu_before: float = 0.0  # as `before`, of all threads

    def seconds(self) -> float:
        return self.before + time.monotonic() - self.started

    def cpu_seconds(self) -> float:
        return self.cpu_before + time.process_time() - self.cpu_started

    def progress(self, step: int, steps: int) -> float:
        by_time = self.seconds() / self.max_seconds if self.max_seconds else 0.0
        return min(1.0, max(step / steps, by_time))


def learning_rate(recipe: Recipe, steps: int, progress: float) -> float:
    """Linear warm-up from `lr_first`, then half a cosine to `lr_last`.

    The warm-up takes `warmup_steps` of `steps`, or `warmup_epochs` if they are longer. A run too
    short for it warms up over a quarter of its time.
    """
    warm = max(recipe.warmup_steps / steps, recipe.warmup_epochs / recipe.epochs)
    warm = min(warm, 0.25)
    if progress < warm:
        done = min(1.0, (progress + 1 / steps) / warm)
        return recipe.lr_first + (recipe.lr - recipe.lr_first) * done
    cosine = (1 + math.cos(math.pi * (progress - warm) / (1 - warm))) / 2
    return recipe.lr_last + (recipe.lr - recipe.lr_last) * cosine


def adamw(model: nn.Module, recipe: Recipe, seed: int = 0) -> torch.optim.Optimizer:
    """AdamW that decays no gain, bias or temperature: nothing of fewer than two dimensions.

    With `half_moments` HalfAdamW, whose rounding is drawn from the seed.
    """
    parameters = [p for p in model.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in parameters if p.ndim >= 2], "weight_decay": recipe.weight_decay},
        {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
    ]
    betas = (0.9, recipe.beta2)
    if recipe.half_moments:
        return HalfAdamW(groups, recipe.lr, betas, recipe.eps, seed)
    return torch.optim.AdamW(groups, lr=recipe.lr, betas=betas, eps=recipe.eps, fused=True)


def halve_text(model: CLIP) -> None:
    """Keep the matrices of the text tower in bfloat16; autocast computes with them.

    Not the positions: added to the tokens, they make the sum float32.
    """
    for module in (model.transformer, model.token_embedding):
        for parameter in module.parameters():
            if parameter.ndim >= 2:
                parameter.data = parameter.data.bfloat16()


def dtype(precision: str, device: str = "cpu") -> torch.dtype:
    """The type of the matrix products; "auto" is bf16 where the device computes in it, or fp32.

    With AVX512-BF16 a step takes about half as long; where it is emulated, it takes longer.
    """
    if precision == "auto":
        if device == "cuda":
            native = torch.cuda.is_bf16_supported(including_emulation=False)
        else:
            native = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
        precision = "bf16" if native else "fp32"
    return {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}[precision]


def set_arithmetic(means: Means, device: torch.device) -> None:
    """Tell torch how a GPU computes with float32, and whether it tries its convolutions."""
    if device.type != "cuda":
        return
    torch.set_float32_matmul_precision("high" if means.tf32 else "highest")
    torch.backends.cudnn.allow_tf32 = means.tf32
    torch.backends.cudnn.benchmark = means.cudnn_benchmark
