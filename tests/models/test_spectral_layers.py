import pytest
import torch
from torch import nn

from georaster_dl.models.zoo.spectral.layers import (
    Attention,
    BandConvolution,
    PerPixel,
    PlaneNorm,
    in_blocks,
)


@pytest.mark.parametrize(
    ("bands", "kernel", "stride", "sums"),
    [
        # 5 zeros: 2 before, 3 after; windows start at the bands -1, 1, 3 and 5.
        (7, 6, 2, [10, 21, 25, 18]),
        (8, 6, 2, [10, 21, 33, 26]),  # 4 zeros, 2 on each side
        (5, 2, 1, [3, 5, 7, 9, 5]),  # 1 zero, after
        (10, 5, 5, [15, 40]),  # none
        (1, 4, 2, [1]),
    ],
)
def test_padding_is_that_of_keras(bands, kernel, stride, sums):
    """Sums of the windows over the bands 1, 2, ..., by hand from TensorFlow's formula."""
    convolution = BandConvolution(1, 1, kernel, stride)
    nn.init.ones_(convolution.weight)
    nn.init.zeros_(convolution.bias)
    spectra = torch.arange(1.0, bands + 1).reshape(1, 1, -1)
    assert convolution(spectra).flatten().tolist() == sums


@torch.inference_mode()
def test_attention_is_the_usual_one():
    ours, usual = Attention(12, 3, 4), nn.MultiheadAttention(12, 3, batch_first=True)
    usual.in_proj_weight.copy_(ours.qkv.weight)
    usual.in_proj_bias.copy_(ours.qkv.bias)
    usual.out_proj.load_state_dict(ours.out.state_dict())
    tokens = torch.randn(2, 5, 12)
    torch.testing.assert_close(ours(tokens), usual(tokens, tokens, tokens)[0])


def test_attention_heads_need_not_share_the_width():
    assert Attention(12, 3, 5)(torch.randn(2, 7, 12)).shape == (2, 7, 12)


def test_planes_are_normalised_pixel_by_pixel():
    image = torch.randn(2, 6, 3, 4)
    normalised = PlaneNorm(6)(image)
    torch.testing.assert_close(normalised.mean(1), torch.zeros(2, 3, 4), atol=1e-6, rtol=0)
    alone = nn.functional.layer_norm(image[1, :, 2, 3], (6,))
    torch.testing.assert_close(normalised[1, :, 2, 3], alone)


@pytest.mark.parametrize("pixels", [1, 3, 7, 10, 35, 1000])
@pytest.mark.parametrize("shape", [(1, 5, 7), (4, 1, 1), (3, 1, 9), (2, 6, 1)])
@pytest.mark.parametrize("reach", [0, 2])
def test_blocks_are_small_and_change_nothing(pixels, shape, reach):
    n, rows, cols = shape
    sizes = []

    def mean(image):
        pooled = nn.functional.avg_pool2d(image, 2 * reach + 1, stride=1)
        sizes.append(len(pooled) * pooled[0, 0].numel())
        return pooled

    image = torch.randn(n, 3, rows + 2 * reach, cols + 2 * reach)
    whole = mean(image)
    sizes.clear()
    torch.testing.assert_close(in_blocks(mean, image, pixels=pixels, reach=reach), whole)
    assert max(sizes) <= pixels
    assert sum(sizes) == n * rows * cols


def test_pixels_and_patches_reach_the_body_in_order():
    class Last(nn.Module):
        def forward(self, pixels):
            return pixels.flatten(1)

    image = torch.arange(2 * 3 * 4 * 5.0).reshape(2, 3, 4, 5)
    assert torch.equal(PerPixel(Last(), values=1)(image), image)
    patches = PerPixel(Last(), values=1, patch=3)(image)
    assert patches.shape == (2, 27, 2, 3)
    assert torch.equal(patches[1, :, 1, 2], image[1, :, 1:4, 2:5].flatten())


def test_training_sees_all_pixels_at_once():
    """So that what is drawn at random does not depend on the size of the blocks."""
    seen = []
    body = nn.Linear(1, 1)
    body.register_forward_hook(lambda _module, inputs, _output: seen.append(len(inputs[0])))
    network = PerPixel(nn.Sequential(nn.Flatten(), body), values=2**20)
    network.train()(torch.randn(2, 1, 3, 4))
    network.eval()(torch.randn(2, 1, 3, 4))
    assert seen[0] == 24
    assert sum(seen[1:]) == 24
    assert max(seen[1:]) <= 4
