"""The two image towers, the transformer that the text tower shares with the ViT, and CBOW.

Parameter names are OpenAI's, so their checkpoints load with no renaming. Source: CLIP, section 2.4;
ResNet-D, He et al. 2018; antialiasing, Zhang 2019.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from trainer.settings import VisionConfig

QUICK = 1.702  # of OpenAI's approximation of GELU: x sigmoid(1.702 x)
Linear = tuple[Tensor, Tensor]  # weight (out, in) and bias (out,)


def attend(q: Tensor, k: Tensor, v: Tensor, *, causal: bool = False) -> Tensor:
    """Scaled dot-product attention, (B, heads, T, D) each.

    causal: row t of q sees the rows of k up to t. In 16 bits on a CPU the plain products: there,
    torch's fused kernel took 165 ms where they take 40 (T 77, 8 heads, batch 64, bf16, both ways).
    """
    if q.device.type != "cpu" or q.dtype == torch.float32:
        return F.scaled_dot_product_attention(q, k, v, is_causal=causal)
    B, heads, T, D = q.shape
    q, k, v = (x.reshape(B * heads, T, D) for x in (q * D**-0.5, k, v))
    logits = torch.bmm(q, k.transpose(1, 2))
    if causal:
        logits = logits + torch.full((T, T), float("-inf"), dtype=q.dtype).triu(1)
    return torch.bmm(logits.softmax(dim=-1).to(v.dtype), v).view(B, heads, T, D)


def attend_once(
    q: Tensor, x: Tensor, key: Linear, value: Linear, heads: int, last: Tensor | None = None
) -> Tensor:
    """Attention of one query each, (B, C), to the rows of x (B, T, C): (B, C).

    key, value: weight (C, C) and bias (C,). last: (B,), the last row that is seen. No row's key or
    value is computed: the query passes through the keys' weights, and the values' weights get the
    mean of the rows. The sums are the same, in another order, for T times fewer products.
    """
    B, T, C = x.shape
    D = C // heads
    q = (q * D**-0.5).view(B, heads, D).transpose(0, 1)  # (heads, B, D)
    (key_weight, key_bias), (value_weight, value_bias) = key, value
    through = torch.bmm(q, key_weight.view(heads, D, C)).transpose(0, 1)  # (B, heads, C)
    logits = torch.bmm(through, x.transpose(1, 2))  # (B, heads, T)
    logits = logits + torch.bmm(q, key_bias.view(heads, D, 1)).transpose(0, 1)
    if last is not None:
        seen = torch.arange(T, device=x.device) <= last.view(-1, 1, 1)
        logits = logits.masked_fill(~seen, float("-inf"))
    means = torch.bmm(logits.softmax(dim=-1), x)  # (B, heads, C)
    by_head = value_weight.view(heads, D, C).transpose(1, 2)
    mixed = torch.bmm(means.transpose(0, 1), by_head).transpose(0, 1)  # (B, heads, D)
    return mixed.reshape(B, C) + value_bias.to(mixed.dtype)


def rows_of(x: Tensor, row: Tensor | int) -> Tensor:
    """(B, T, C) and a row of each, or one of all -> (B, C)."""
    return x[:, row] if isinstance(row, int) else x[torch.arange(x.shape[0], device=x.device), row]


class Attention(nn.Module):
    """Multi-head self-attention (B, T, C) -> (B, T, C), named as nn.MultiheadAttention.

    With `row`, the result of that row alone, (B, C), without the work for the others.
    """

    def __init__(self, width: int, heads: int, proj_std: float, *, causal: bool):
        super().__init__()
        self.heads, self.causal = heads, causal
        self.in_proj_weight = nn.Parameter(width**-0.5 * torch.randn(3 * width, width))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * width))
        self.out_proj = nn.Linear(width, width)
        nn.init.normal_(self.out_proj.weight, std=proj_std)
        nn.init.zeros_(self.out_proj.bias)

    def forward(self, x: Tensor, row: Tensor | int | None = None) -> Tensor:
        B, T, C = x.shape
        weights, biases = self.in_proj_weight, self.in_proj_bias
        if row is None:
            qkv = F.linear(x, weights, biases).view(B, T, 3, self.heads, C // self.heads)
            q, k, v = qkv.permute(2, 0, 3, 1, 4).contiguous()
            mixed = attend(q, k, v, causal=self.causal)  # (B, heads, T, -)
            return self.out_proj(mixed.transpose(1, 2).reshape(B, T, C))
        query, key, value = zip(weights.chunk(3), biases.chunk(3), strict=True)
        q = F.linear(rows_of(x, row), *query)
        last = torch.as_tensor(row, device=x.device) if self.causal else None
        return self.out_proj(attend_once(q, x, key, value, self.heads, last))


class Mlp(nn.Module):
    """(…, C) -> (…, 4C) -> (…, C)."""

    def __init__(self, width: int, proj_std: float, activation: str = "quick_gelu"):
        super().__init__()
        self.activation = activation
        self.c_fc = nn.Linear(width, 4 * width)
        self.c_proj = nn.Linear(4 * width, width)
        nn.init.normal_(self.c_fc.weight, std=(2 * width) ** -0.5)
        nn.init.normal_(self.c_proj.weight, std=proj_std)
        nn.init.zeros_(self.c_fc.bias)
        nn.init.zeros_(self.c_proj.bias)

    def forward(self, x: Tensor) -> Tensor:
        if self.activation != "quick_gelu":
            return self.c_proj(F.gelu(self.c_fc(x)))
        # x sigmoid(1.702 x) is SiLU(y) / 1.702 of y = 1.702 x. The product before it scales for
        # free, and behind the product after it there is a quarter to divide: two passes over the
        # wide rows forwards and backwards, not six.
        wide = torch.addmm(
            self.c_fc.bias, x.flatten(0, -2), self.c_fc.weight.T, beta=QUICK, alpha=QUICK
        )
        narrow = F.linear(F.silu(wide), self.c_proj.weight) / QUICK
        return (narrow + self.c_proj.bias.to(narrow.dtype)).view(x.shape)


class Block(nn.Module):
    """Pre-LayerNorm residual block, (B, T, C) -> (B, T, C), or (B, C) of one row of each."""

    def __init__(
        self,
        width: int,
        heads: int,
        proj_std: float,
        *,
        causal: bool,
        activation: str = "quick_gelu",
    ):
        super().__init__()
        self.attn = Attention(width, heads, proj_std, causal=causal)
        self.ln_1 = nn.LayerNorm(width)
        self.mlp = Mlp(width, proj_std, activation)
        self.ln_2 = nn.LayerNorm(width)

    def forward(self, x: Tensor, row: Tensor | int | None = None) -> Tensor:
        own = x if row is None else rows_of(x, row)
        own = own + self.attn(self.ln_1(x), row)
        return own + self.mlp(self.ln_2(own))


class Transformer(nn.Module):
    """`layers` blocks, (B, T, C) -> (B, T, C), or (B, C) where one row of each is read.

    Of the last block nobody reads the other rows, so they are not computed; their keys and values
    are. Initialised as CLIP's text tower: OpenAI's code initialises only the text tower so and
    leaves the ViT to PyTorch's defaults; we do the same for both, as GPT-2 does, since the depth is
    what the scale answers to.
    """

    def __init__(
        self,
        width: int,
        layers: int,
        heads: int,
        *,
        causal: bool,
        activation: str = "quick_gelu",
    ):
        super().__init__()
        proj_std = width**-0.5 * (2 * layers) ** -0.5
        self.resblocks = nn.Sequential(
            *(
                Block(width, heads, proj_std, causal=causal, activation=activation)
                for _ in range(layers)
            )
        )

    def forward(self, x: Tensor, row: Tensor | int | None = None) -> Tensor:
        *before, last = self.resblocks
        for block in before:
            x = block(x)
        return last(x, row)


def mean_of_words(x: Tensor, end: Tensor) -> Tensor:
    """The mean of the words' rows: (B, T, C) and the end tokens' places (B,) -> (B, C).

    A text is start, words, end, padding. The marks are the same in every text and would only
    thin out the words. A text of no words is zeros.

    >>> mean_of_words(torch.tensor([[[9.0], [2.0], [4.0], [9.0], [7.0]]]), torch.tensor([3]))
    tensor([[3.]])
    """
    place = torch.arange(x.shape[1], device=x.device)
    is_word = ((place > 0) & (place < end[:, None])).unsqueeze(-1)  # (B, T, 1)
    return (x * is_word).sum(dim=1) / is_word.sum(dim=1).clamp(min=1)


class VisionTransformer(nn.Module):
    """ViT with a LayerNorm before the blocks: (B, 3, H, W) floats -> (B, embed)."""

    def __init__(self, config: VisionConfig, embed: int, activation: str = "quick_gelu"):
        super().__init__()
        width, side = config.width, config.pixels // config.patch
        scale = width**-0.5
        self.class_embedding = nn.Parameter(scale * torch.randn(width))
        self.positional_embedding = nn.Parameter(scale * torch.randn(side * side + 1, width))
        self.proj = nn.Parameter(scale * torch.randn(width, embed))
        self.conv1 = nn.Conv2d(3, width, config.patch, stride=config.patch, bias=False)
        self.ln_pre = nn.LayerNorm(width)
        self.transformer = Transformer(
            width, config.blocks[0], config.heads, causal=False, activation=activation
        )
        self.ln_post = nn.LayerNorm(width)

    def forward(self, x: Tensor, projected: bool = True) -> Tensor:
        """(B, embed), or (B, width) before the projection: what SimCLR's head reads."""
        features = self.features(x)
        return self.project(features) if projected else features

    def features(self, x: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, width), before the projection: what a linear probe reads."""
        x = self.conv1(x).flatten(2).transpose(1, 2)  # (B, H W / patch^2, C)
        first = self.class_embedding.to(x.dtype).expand(x.shape[0], 1, -1)
        x = torch.cat([first, x], dim=1) + self.positional_embedding.to(x.dtype)
        return self.ln_post(self.transformer(self.ln_pre(x), 0))

    def project(self, features: Tensor) -> Tensor:
        """(B, width) -> (B, embed)."""
        return features @ self.proj


class Bottleneck(nn.Module):
    """Residual block (B, C, H, W) -> (B, 4 planes, H / stride, W / stride).

    A stride is an average pool before a convolution of stride 1, in the shortcut as well.
    """

    def __init__(self, channels: int, planes: int, stride: int):
        super().__init__()
        wide = 4 * planes
        self.conv1 = nn.Conv2d(channels, planes, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.avgpool = nn.AvgPool2d(stride) if stride > 1 else nn.Identity()
        self.conv3 = nn.Conv2d(planes, wide, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(wide)
        nn.init.zeros_(self.bn3.weight)  # each block starts as the identity
        self.downsample: nn.Sequential | None = None
        if stride > 1 or channels != wide:
            self.downsample = nn.Sequential()
            self.downsample.add_module("-1", nn.AvgPool2d(stride))
            self.downsample.add_module("0", nn.Conv2d(channels, wide, 1, bias=False))
            self.downsample.add_module("1", nn.BatchNorm2d(wide))

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)), inplace=True)
        y = F.relu(self.bn2(self.conv2(y)), inplace=True)
        y = self.bn3(self.conv3(self.avgpool(y)))
        short = x if self.downsample is None else self.downsample(x)
        return F.relu(y + short, inplace=True)


class AttentionPool(nn.Module):
    """(B, C, H, W) -> (B, embed), or (B, C) before the projection: one attention whose query is the
    mean of all places."""

    def __init__(self, side: int, width: int, heads: int, embed: int):
        super().__init__()
        self.heads = heads
        self.positional_embedding = nn.Parameter(torch.randn(side * side + 1, width) * width**-0.5)
        self.k_proj = nn.Linear(width, width)
        self.q_proj = nn.Linear(width, width)
        self.v_proj = nn.Linear(width, width)
        self.c_proj = nn.Linear(width, embed)
        for linear in (self.k_proj, self.q_proj, self.v_proj, self.c_proj):
            nn.init.normal_(linear.weight, std=width**-0.5)

    def forward(self, x: Tensor, projected: bool = True) -> Tensor:
        x = x.flatten(2).transpose(1, 2)  # (B, H W, C)
        x = torch.cat([x.mean(dim=1, keepdim=True), x], dim=1)
        x = x + self.positional_embedding.to(x.dtype)
        key, value = ((each.weight, each.bias) for each in (self.k_proj, self.v_proj))
        pooled = attend_once(self.q_proj(x[:, 0]), x, key, value, self.heads)  # (B, C)
        return self.c_proj(pooled) if projected else pooled


class ModifiedResNet(nn.Module):
    """ResNet-D with antialiased strides and attention pool: (B, 3, H, W) floats -> (B, embed)."""

    def __init__(self, config: VisionConfig, embed: int):
        super().__init__()
        width = config.width
        self.conv1 = nn.Conv2d(3, width // 2, 3, stride=2, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width // 2)
        self.conv2 = nn.Conv2d(width // 2, width // 2, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width // 2)
        self.conv3 = nn.Conv2d(width // 2, width, 3, padding=1, bias=False)
        self.bn3 = nn.BatchNorm2d(width)
        first, second, third, fourth = config.blocks
        self.layer1 = _stage(width, width, first, stride=1)
        self.layer2 = _stage(4 * width, 2 * width, second, stride=2)
        self.layer3 = _stage(8 * width, 4 * width, third, stride=2)
        self.layer4 = _stage(16 * width, 8 * width, fourth, stride=2)
        self.attnpool = AttentionPool(config.pixels // 32, 32 * width, config.heads, embed)

    def forward(self, x: Tensor, projected: bool = True) -> Tensor:
        """(B, embed), or (B, 32 width) before the pool's projection: what SimCLR's head reads."""
        x = F.relu(self.bn1(self.conv1(x)), inplace=True)
        x = F.relu(self.bn2(self.conv2(x)), inplace=True)
        x = F.relu(self.bn3(self.conv3(x)), inplace=True)
        x = F.avg_pool2d(x, 2)  # (B, width, H / 4, W / 4)
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.attnpool(x, projected)  # from (B, 32 width, H / 32, W / 32)

    def features(self, x: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, embed), the attention pool's output: what a linear probe reads."""
        return self(x)

    def project(self, features: Tensor) -> Tensor:
        """The features are the embeddings: the pool has projected them."""
        return features


def _stage(channels: int, planes: int, n_blocks: int, stride: int) -> nn.Sequential:
    """Blocks of which the first strides: (B, channels, H, W) -> (B, 4 planes, H / stride, -)."""
    blocks = [Bottleneck(channels, planes, stride)]
    blocks += [Bottleneck(4 * planes, planes, 1) for _ in range(n_blocks - 1)]
    return nn.Sequential(*blocks)
