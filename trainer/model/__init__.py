"""CLIP: two towers, two linear projections, one temperature.

Source: CLIP, section 2 and figure 3; state_dict keys are OpenAI's.
"""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from trainer.model.towers import ModifiedResNet, Transformer, VisionTransformer, mean_of_words
from trainer.settings import ModelConfig, config

IMAGE_MEAN = (0.48145466, 0.4578275, 0.40821073)
IMAGE_STD = (0.26862954, 0.26130258, 0.27577711)
MAX_LOG_SCALE = math.log(100)
NO_WEIGHTS = ("input_resolution", "context_length", "vocab_size")  # in OpenAI's archives
WRAPPERS = re.compile(r"(module\.|_orig_mod\.)*(text\.)?")  # DDP, torch.compile; CustomTextCLIP


class CLIP(nn.Module):
    """Images and texts into one space of `config.embed` dimensions, to be compared by cosine."""

    def __init__(self, config: ModelConfig):
        super().__init__()
        self.config, self.locked = config, ""
        text, vision = config.text, config.vision
        if text.layers:
            self.positional_embedding = nn.Parameter(0.01 * torch.randn(text.context, text.width))
        self.text_projection = nn.Parameter(
            text.width**-0.5 * torch.randn(text.width, config.embed)
        )
        self.logit_scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))
        self.visual: VisionTransformer | ModifiedResNet
        if vision.patch:
            self.visual = VisionTransformer(vision, config.embed, config.activation)
        else:
            self.visual = ModifiedResNet(vision, config.embed)
        if text.layers:
            self.transformer = Transformer(
                text.width, text.layers, text.heads, causal=True, activation=config.activation
            )
        self.token_embedding = nn.Embedding(text.vocabulary, text.width)
        nn.init.normal_(self.token_embedding.weight, std=0.02)
        self.ln_final = nn.LayerNorm(text.width)
        self.mean: Tensor
        self.std: Tensor
        for name, values in (("mean", IMAGE_MEAN), ("std", IMAGE_STD)):
            buffer = 255 * torch.tensor(values).view(3, 1, 1)
            self.register_buffer(name, buffer, persistent=False)

    def encode_image(self, images: Tensor, projected: bool = True) -> Tensor:
        """uint8 RGB (B, 3, H, W) -> (B, embed), not normalised; or the features that are projected,
        (B, features): what SimCLR's head reads."""
        return self.visual(self._normalised(images), projected)

    def image_features(self, images: Tensor) -> Tensor:
        """uint8 RGB (B, 3, H, W) -> (B, D), what a linear probe reads (CLIP, section 3.2).

        Of a ViT what it projects, of a ResNet the attention pool's output, D = embed.
        """
        return self.visual.features(self._normalised(images))

    def project(self, features: Tensor) -> Tensor:
        """(B, D) features -> (B, embed), as encode_image makes them of the images."""
        return self.visual.project(features)

    def _normalised(self, images: Tensor) -> Tensor:
        return (images.float() - self.mean) / self.std

    def encode_text(self, tokens: Tensor) -> Tensor:
        """Token ids (B, T), T <= context, zeros after the end token -> (B, embed).

        The end token has the highest id, so argmax finds it. The mask is causal: columns after
        the longest text's end change nothing and may be cut. A text tower of no layers is the
        paper's CBOW (figure 3): the mean of the words, whose order then means nothing.
        """
        return self._encode_words(self.token_embedding(tokens), tokens)

    def encode_texts(self, groups: Sequence[Tensor]) -> list[Tensor]:
        """Token ids (B, T), each group with a B and a T of its own -> (B, embed) of each.

        The words of all are looked up at once: the gradient of a look-up is as large as the table.
        """
        ids = torch.cat([tokens.flatten() for tokens in groups])
        words = self.token_embedding(ids).split([tokens.numel() for tokens in groups])
        return [
            self._encode_words(x.view(*tokens.shape, x.shape[-1]), tokens)
            for x, tokens in zip(words, groups, strict=True)
        ]

    def _encode_words(self, x: Tensor, tokens: Tensor) -> Tensor:
        """The embedded words (B, T, C) and their ids (B, T) -> (B, embed)."""
        end = tokens.argmax(dim=1)  # (B,)
        if self.config.text.layers:
            x = x + self.positional_embedding[: tokens.shape[1]]
            text = self.transformer(x, end)  # (B, C)
        else:
            text = mean_of_words(x, end)
        return self.ln_final(text) @ self.text_projection

    def forward(self, images: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(B, embed) and (B, embed) of length 1, and the scale of their cosines."""
        image = F.normalize(self.encode_image(images).float(), dim=-1)
        text = F.normalize(self.encode_text(tokens).float(), dim=-1)
        return image, text, self.logit_scale.exp()

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ):
        """As torch's, but weights named as `openai_names` knows them load too, in any precision."""
        return super().load_state_dict(openai_names(state_dict), strict, assign)

    def channels_last(self) -> "CLIP":
        """The same model, its convolutions in channels-last memory: 1.5 times as fast on CPUs."""
        return self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def lock(self, tower: str) -> None:
        """Let a tower, "image" or "text", stay as it is; its batch averages, too (LiT).

        Source: Zhai et al. 2022.
        """
        self.locked = tower
        for name, parameter in self.named_parameters():
            if name != "logit_scale" and name.startswith("visual.") == (tower == "image"):
                parameter.requires_grad_(False)
        self.train(self.training)

    def train(self, mode: bool = True) -> "CLIP":
        """As torch's, but a locked image tower stays in evaluation mode."""
        super().train(mode)
        if self.locked == "image":
            self.visual.train(False)
        return self

    def temperature(self) -> float:
        """1 / scale: 0.07 at first, 0.01 at least (CLIP, section 2.5)."""
        return self.logit_scale.neg().exp().item()

    @torch.no_grad()
    def clamp_scale(self) -> None:
        """Keep the scale at most 100; called after every step (CLIP, section 2.5)."""
        self.logit_scale.clamp_(max=MAX_LOG_SCALE)


def openai_names(state: Mapping[str, Any]) -> dict[str, Any]:
    """Weights under OpenAI's names, which are ours, from what the peers' checkpoints hold.

    open_clip's CLIP has OpenAI's names, its CustomTextCLIP puts `text.` before the text tower's;
    wrappers put theirs before all; OpenAI's archives hold three numbers beside the weights.

    >>> list(openai_names({"module.text.ln_final.bias": 0, "logit_scale": 1, "vocab_size": 2}))
    ['ln_final.bias', 'logit_scale']
    """
    weights = {name: value for name, value in state.items() if name not in NO_WEIGHTS}
    return {WRAPPERS.sub("", name, count=1): value for name, value in weights.items()}


def build(name: str) -> CLIP:
    """The named model with fresh weights from torch's seed; on `torch.device('meta')` with none.

    >>> with torch.device("meta"):
    ...     sum(p.numel() for p in build("ViT-B-32").parameters())
    151277313
    """
    return CLIP(config(name))
