"""The model is CLIP's: sizes, names, arithmetic."""

import math
import re
from dataclasses import replace

import pytest
import torch

from trainer.model import CLIP, build
from trainer.model.towers import Transformer, attend, mean_of_words
from trainer.settings import MODELS, TrainerError

BLOCK = [
    "attn.in_proj_weight",
    "attn.in_proj_bias",
    "attn.out_proj.weight",
    "attn.out_proj.bias",
    "ln_1.weight",
    "ln_1.bias",
    "mlp.c_fc.weight",
    "mlp.c_fc.bias",
    "mlp.c_proj.weight",
    "mlp.c_proj.bias",
    "ln_2.weight",
    "ln_2.bias",
]
SHARED = {
    "positional_embedding",
    "text_projection",
    "logit_scale",
    "token_embedding.weight",
    "ln_final.weight",
    "ln_final.bias",
    *(f"transformer.resblocks.N.{name}" for name in BLOCK),
}
NORM = ["weight", "bias", "running_mean", "running_var", "num_batches_tracked"]
VIT = {
    "class_embedding",
    "positional_embedding",
    "proj",
    "conv1.weight",
    "ln_pre.weight",
    "ln_pre.bias",
    "ln_post.weight",
    "ln_post.bias",
    *(f"transformer.resblocks.N.{name}" for name in BLOCK),
}
RESNET = {
    *(f"{at}conv{i}.weight" for at in ("", "layerN.N.") for i in (1, 2, 3)),
    *(f"{at}bn{i}.{name}" for at in ("", "layerN.N.") for i in (1, 2, 3) for name in NORM),
    "layerN.N.downsample.0.weight",
    *(f"layerN.N.downsample.1.{name}" for name in NORM),
    "attnpool.positional_embedding",
    *(f"attnpool.{x}_proj.{name}" for x in "kqvc" for name in ("weight", "bias")),
}


@pytest.mark.parametrize(
    ("name", "millions"),
    [
        ("RN50", 102.007),
        ("RN101", 119.688),
        ("RN50x4", 178.301),
        ("RN50x16", 290.979),
        ("RN50x64", 623.258),
        ("ViT-B-32", 151.277),
        ("ViT-B-16", 149.621),
        ("ViT-L-14", 427.617),
        ("ViT-L-14-336", 427.944),
    ],
)
def test_a_paper_model_has_the_papers_number_of_parameters(name, millions):
    with torch.device("meta"):
        model = build(name)
    assert round(sum(p.numel() for p in model.parameters()) / 1e6, 3) == millions


@pytest.mark.parametrize(("name", "vision"), [("ViT-B-32", VIT), ("RN50", RESNET)])
def test_the_names_of_the_weights_are_openais(name, vision):
    with torch.device("meta"):
        keys = build(name).state_dict().keys()
    patterns = {re.sub(r"resblocks\.\d+", "resblocks.N", key) for key in keys}
    patterns = {re.sub(r"layer\d\.\d+", "layerN.N", key) for key in patterns}
    assert patterns == SHARED | {f"visual.{key}" for key in vision}


@pytest.mark.parametrize("name", MODELS)
def test_every_model_embeds_both_sides_in_one_space(name):
    with torch.device("meta"):
        model = build(name)
        pixels = model.config.vision.pixels
        images = torch.zeros(2, 3, pixels, pixels, dtype=torch.uint8)
        image, text, _ = model(images, torch.zeros(2, 7, dtype=torch.int64))
    assert image.shape == text.shape == (2, model.config.embed)


def test_an_unknown_model_is_refused_with_the_known_names():
    with pytest.raises(TrainerError, match=r"'RN51'.*expected one of RN50, RN101"):
        build("RN51")


@torch.inference_mode()
def test_padding_beyond_the_longest_text_changes_nothing():
    torch.manual_seed(0)  # with the weights of some seeds a number differs by more than 1e-6
    model = build("tiny-vit").eval()
    tokens = torch.tensor([[9, 5, 6, 11, 0, 0], [9, 7, 11, 0, 0, 0]])
    whole, trimmed = model.encode_text(tokens), model.encode_text(tokens[:, :4])
    torch.testing.assert_close(whole, trimmed, rtol=1e-5, atol=1e-6)


@torch.inference_mode()
def test_a_word_after_the_end_token_changes_nothing():
    model = build("tiny-vit").eval()
    first, second = model.encode_text(torch.tensor([[9, 5, 11, 0], [9, 5, 11, 3]]))
    torch.testing.assert_close(first, second, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("causal", [False, True])
def test_plain_attention_equals_torchs_fused_attention(causal):
    q, k, v = torch.randn(3, 2, 4, 7, 8, generator=torch.manual_seed(0), dtype=torch.float64)
    fused = torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=causal)
    torch.testing.assert_close(attend(q, k, v, causal=causal), fused)


def test_the_temperature_starts_at_007_and_never_falls_below_001():
    model = build("tiny-vit")
    assert math.isclose(model.logit_scale.exp().item(), 1 / 0.07, rel_tol=1e-5)
    model.logit_scale.data.fill_(9.0)
    model.clamp_scale()
    assert math.isclose(model.logit_scale.exp().item(), 100, rel_tol=1e-5)


def test_a_residual_block_starts_as_the_identity():
    model = build("tiny-rn")
    assert not any(
        stage[0].bn3.weight.any() for stage in (model.visual.layer1, model.visual.layer4)
    )


def bag_of_words() -> CLIP:
    """The tiny ViT with the paper's CBOW in place of its text transformer."""
    tiny = MODELS["tiny-vit"]
    torch.manual_seed(0)
    return CLIP(replace(tiny, text=replace(tiny.text, layers=0))).eval()


def test_the_mean_of_words_equals_a_plain_loop():
    x = torch.randn(4, 6, 3, generator=torch.manual_seed(0), dtype=torch.float64)
    ends = [5, 3, 2, 1]
    expected = [x[row, 1:end].mean(dim=0) for row, end in enumerate(ends[:3])] + [torch.zeros(3)]
    torch.testing.assert_close(
        mean_of_words(x, torch.tensor(ends)), torch.stack([one.double() for one in expected])
    )


@torch.inference_mode()
def test_cbow_ignores_the_order_of_words_the_padding_and_what_follows_the_end():
    model = bag_of_words()
    rows = [[9, 5, 0, 6, 11, 0, 0], [9, 6, 5, 0, 11, 0, 0], [9, 0, 6, 5, 11, 3, 4]]
    first, second, third = model.encode_text(torch.tensor(rows))
    torch.testing.assert_close(first, second)
    torch.testing.assert_close(first, third)
    other = model.encode_text(torch.tensor([[9, 5, 7, 6, 11]]))[0]
    assert (first - other).abs().max() > 1e-3


@torch.inference_mode()
def test_cbow_reads_an_empty_caption_and_one_longer_than_the_context():
    model = bag_of_words()
    assert model.encode_text(torch.tensor([[9, 11]])).isfinite().all()
    assert model.encode_text(torch.arange(100)[None]).isfinite().all()


def test_cbow_has_no_weights_but_the_tokens_a_norm_and_the_projection():
    keys = {key for key in bag_of_words().state_dict() if not key.startswith("visual.")}
    assert keys == SHARED - {"positional_embedding"} - {
        f"transformer.resblocks.N.{name}" for name in BLOCK
    }


@pytest.mark.parametrize(
    ("weight", "std"),
    [
        ("token_embedding.weight", 0.02),
        ("positional_embedding", 0.01),
        ("text_projection", 128**-0.5),
        ("transformer.resblocks.2.attn.in_proj_weight", 128**-0.5),
        ("transformer.resblocks.2.attn.out_proj.weight", (128 * 2 * 3) ** -0.5),
        ("transformer.resblocks.2.mlp.c_fc.weight", (2 * 128) ** -0.5),
        ("transformer.resblocks.2.mlp.c_proj.weight", (128 * 2 * 3) ** -0.5),
        ("visual.positional_embedding", 128**-0.5),
        ("visual.proj", 128**-0.5),
    ],
)
def test_weights_start_as_wide_as_the_papers(weight, std):
    torch.manual_seed(0)
    found = build("tiny-vit").state_dict()[weight]
    assert found.std().item() == pytest.approx(std, rel=0.05)
    assert abs(found.mean().item()) < 0.05 * std


def test_the_attention_pool_starts_as_wide_as_the_papers():
    torch.manual_seed(0)
    weights = build("tiny-rn").visual.attnpool.state_dict()
    for name in "kqvc":
        assert weights[f"{name}_proj.weight"].std().item() == pytest.approx(512**-0.5, rel=0.05)


def test_weights_load_under_the_names_of_wrappers_and_with_openais_three_numbers():
    torch.manual_seed(0)
    model, fresh = build("tiny-rn"), build("tiny-rn")
    wrapped = {f"_orig_mod.module.{key}": value for key, value in model.state_dict().items()}
    fresh.load_state_dict(wrapped | {"input_resolution": 64, "context_length": 32})
    assert all(map(torch.equal, fresh.state_dict().values(), model.state_dict().values()))


def test_a_weight_too_many_or_too_few_is_refused():
    weights = dict(build("tiny-rn").state_dict())
    with pytest.raises(RuntimeError, match="Unexpected key"):
        build("tiny-rn").load_state_dict(weights | {"logit_bias": torch.zeros(1)})
    del weights["logit_scale"]
    with pytest.raises(RuntimeError, match="Missing key"):
        build("tiny-rn").load_state_dict(weights)


@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("layers", [1, 3])
def test_the_one_row_that_is_read_equals_that_row_of_all(causal, layers):
    torch.manual_seed(5)
    transformer = Transformer(32, layers, 4, causal=causal).double()
    x = torch.randn(6, 11, 32, dtype=torch.double, requires_grad=True)
    row = torch.tensor([0, 10, 3, 3, 7, 1])
    alone, every = transformer(x, row), transformer(x)[torch.arange(6), row]
    torch.testing.assert_close(alone, every, rtol=0, atol=1e-14)
    weight = torch.randn_like(alone)
    gradients = [
        torch.autograd.grad((rows * weight).sum(), [x, *transformer.parameters()])
        for rows in (alone, every)
    ]
    for left, right in zip(*gradients, strict=True):
        torch.testing.assert_close(left, right, rtol=0, atol=1e-13)
    torch.testing.assert_close(transformer(x, 0), transformer(x)[:, 0], rtol=0, atol=1e-14)
