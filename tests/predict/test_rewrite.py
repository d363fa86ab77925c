"""Networks rewritten for the processor give what the plain ones give."""

import copy
from threading import Lock

import pytest
import torch
from torch import nn

from georaster_dl.models.contract import network_stride
from georaster_dl.models.registry import create_model
from georaster_dl.predict.engine.optimise import optimise_network
from georaster_dl.predict.engine.rewrite.fuse import Fused, UpsamplingFused, record_fused
from georaster_dl.predict.engine.rewrite.network import Rewritten
from tests.networks import SmallUNet, seeded

CPU = torch.device("cpu")


def image(rows, cols, bands=3):
    made = torch.randn(1, bands, rows, cols, generator=torch.Generator().manual_seed(1))
    return made.contiguous(memory_format=torch.channels_last)


def program_of(network, stride, bands=3):
    sizes = (4, 5), (6, 7)
    probes = [image(rows * stride, cols * stride, bands) for rows, cols in sizes]
    return record_fused(network.eval(), *probes)


def rewritten_of(network, stride):
    """The network rewritten, and the list that its warnings go to."""
    warnings = []
    made = Rewritten(network.eval(), stride)
    made.warn_with(warnings.append)
    return made, warnings


def operations(program, kind):
    return [step.op for step in program.steps if isinstance(step.op, kind)]


def assert_same(network, program, seen, tolerance=1e-5):
    with torch.inference_mode():
        expected, found = network(seen), program(seen)
    assert found.shape == expected.shape
    assert (found - expected).abs().max() <= tolerance * expected.abs().max()


class Decoder(nn.Module):
    """What decoders of U-Nets are made of: up-sampling, concatenation, convolution, ReLU."""

    def __init__(self, order):
        super().__init__()
        self.order = order
        self.first = nn.Conv2d(3, 8, 3, padding=1)
        self.down = nn.Conv2d(8, 12, 2, stride=2)
        self.merge = nn.Conv2d(8 * (len(order) - 1) + 12, 6, 3, padding=1)

    def forward(self, x):
        fine = self.first(x).relu()
        coarse = nn.functional.interpolate(self.down(fine), scale_factor=2.0, mode="nearest")
        parts = [coarse if which == "coarse" else fine for which in self.order]
        return self.merge(torch.cat(parts, dim=1) if len(parts) > 1 else parts[0]).relu()


@pytest.mark.parametrize(
    "order", [("coarse",), ("coarse", "fine"), ("fine", "coarse"), ("fine", "coarse", "fine")]
)
def test_up_sampling_before_a_convolution_becomes_a_transposed_convolution(order):
    network = seeded(Decoder(order))
    program = program_of(network, 2)
    assert len(operations(program, UpsamplingFused)) == 1
    assert not [step for step in program.steps if "upsample" in str(step.op)]
    for shape in ((8, 8), (6, 14), (2, 2)):
        assert_same(network, program, image(*shape))


class Residual(nn.Module):
    """A skip connection, added in place or not, whose first term may be needed again."""

    def __init__(self, *, again):
        super().__init__()
        self.a, self.b, self.c = (nn.Conv2d(3, 3, 3, padding=1) for _ in range(3))
        self.again = again

    def forward(self, x):
        skip = self.a(x).relu_()
        made = self.c(self.b(skip).relu())
        made += skip
        made = made.relu_()
        return made * skip if self.again else made


@pytest.mark.parametrize("again", [False, True])
def test_a_sum_takes_the_memory_of_a_tensor_that_nobody_needs_again(again):
    network = seeded(Residual(again=again))
    program = program_of(network, 1)
    assert [op.overwrites for op in operations(program, Fused)] == [False, False, not again]
    assert_same(network, program, image(5, 7))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("unet", {"encoder": "resnet18"}),
        ("unet", {"encoder": "efficientnet-b0"}),
        ("unetplusplus", {"encoder": "resnet18"}),
        ("fpn", {"encoder": "mobilenet_v2"}),
        ("spectral_unet", {}),
        ("plain_unet", {}),
        ("conv_autoencoder", {}),
        ("patch_cnn", {}),
    ],
)
@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_networks_of_the_registry_stay_the_same(name, options, precision):
    torch.manual_seed(0)
    network = create_model(name, in_bands=5, n_classes=4, **options).eval()
    for norm in network.modules():
        if isinstance(norm, nn.BatchNorm2d):
            norm.running_mean.normal_(0, 0.3)
            norm.running_var.uniform_(0.5, 2)
    stride = network_stride(network)
    network = optimise_network(network, 5, stride, CPU)
    rewritten, warnings = rewritten_of(network, stride)
    seen = image(6 * stride, 5 * stride, bands=5)
    with (
        torch.inference_mode(),
        torch.autocast("cpu", precision, enabled=precision != torch.float32),
    ):
        expected, found = network(seen), rewritten(seen)
    assert not warnings
    assert rewritten.program(precision) is not None
    assert found.dtype == expected.dtype
    difference = (found.double() - expected.double()).square().mean().sqrt()
    assert difference <= (1e-5 if precision == torch.float32 else 0.03) * expected.double().std()


class SizeDependent(nn.Module):
    """Divides by a number that follows from the size, or that no recorded operation gives."""

    def __init__(self, *, hidden):
        super().__init__()
        self.conv = nn.Conv2d(3, 2, 3, padding=1)
        self.hidden = hidden

    def forward(self, x):
        by = 1 + (x.shape[2] > 100) if self.hidden else x.shape[2]
        return self.conv(x).relu() / by


def test_a_number_that_follows_from_the_size_is_not_recorded():
    rewritten, warnings = rewritten_of(seeded(SizeDependent(hidden=False)), 4)
    seen = image(20, 24)
    with torch.inference_mode():
        assert torch.equal(rewritten(seen), rewritten.network(seen))
    assert rewritten.program(torch.float32) is None
    assert not warnings


def test_a_program_that_differs_on_the_first_image_does_not_run_and_every_run_is_warned():
    rewritten, warnings = rewritten_of(seeded(SizeDependent(hidden=True)), 4)
    seen = image(120, 24)
    with torch.inference_mode():
        assert torch.equal(rewritten(seen), rewritten.network(seen))
        rewritten(seen)
    assert len(warnings) == 1
    assert "plain one runs instead" in warnings[0]
    again = []
    rewritten.warn_with(again.append)
    assert again == warnings


def test_a_channel_of_small_numbers_is_compared_by_itself():
    class TwoScales(SizeDependent):
        def forward(self, x):
            made = super().forward(x)
            return torch.cat([self.conv(x) * 1e5, made], dim=1)

    rewritten, warnings = rewritten_of(seeded(TwoScales(hidden=True)), 4)
    with torch.inference_mode():
        rewritten(image(120, 24))
    assert len(warnings) == 1


class ChangedView(nn.Module):
    """Writes to a tensor of which a view is read afterwards."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 2, 3, padding=1)

    def forward(self, x):
        made = self.conv(x)
        first = made[:, :1]
        made.relu_()
        return first + made


def test_a_network_that_writes_to_views_runs_as_it_is():
    network = seeded(ChangedView())
    rewritten, warnings = rewritten_of(network, 4)
    seen = image(8, 8)
    with torch.inference_mode():
        assert torch.equal(rewritten(seen), network(seen))
    assert not warnings


def test_threads_share_the_program_and_weights():
    rewritten, _ = rewritten_of(seeded(SmallUNet()), 32)
    lock = Lock()
    rewritten.warn_with(lambda _: lock)  # a report holds what cannot be copied
    weights = {id(weight): weight for weight in rewritten.parameters()}
    copied = copy.deepcopy(rewritten, weights)
    with torch.inference_mode():
        rewritten(image(32, 32))
    assert rewritten.program(torch.float32) is not None
    assert copied.program(torch.float32) is rewritten.program(torch.float32)


class Pointwise(nn.Module):
    """One convolution of single pixels, for what is made of it."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 1)


def test_the_image_stays_as_it_is():
    class Added(Pointwise):
        def forward(self, x):
            return self.conv(x) + x

    network = seeded(Added())
    seen = image(4, 4)
    before = seen.clone()
    program = program_of(network, 1)
    assert_same(network, program, seen)
    assert torch.equal(seen, before)


def test_images_of_a_batch_are_computed_one_by_one():
    class Pooled(Pointwise):
        def forward(self, x):
            y = self.conv(x).relu()
            n, channels = y.shape[:2]
            return y * y.reshape(n, channels, -1).mean(-1).reshape(n, channels, 1, 1)

    rewritten, _ = rewritten_of(seeded(Pooled()), 1)
    seen = torch.cat([image(4, 6), 2 * image(4, 6), image(4, 6) - 1])
    with torch.inference_mode():
        expected, found = rewritten.network(seen), rewritten(seen)
    assert rewritten.program(torch.float32) is not None
    assert (found - expected).abs().max() <= 1e-5 * expected.abs().max()


@pytest.mark.parametrize("activation", [nn.functional.silu, torch.relu])
def test_activations_after_sums(activation):
    class Summed(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1)

        def forward(self, x):
            return activation(self.b(self.a(x).sigmoid()) + x)

    network = seeded(Summed())
    program = program_of(network, 1)
    assert_same(network, program, image(4, 6))


def test_float32_made_of_bf16_is_judged_as_bf16():
    class Mixed(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = SmallUNet()

        def forward(self, x):
            return torch.cat([self.net(x).float(), x.float()], dim=1)

    network = seeded(Mixed())
    rewritten, warnings = rewritten_of(network, 4)
    seen = image(40, 48)
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        expected, found = network(seen), rewritten(seen)
    assert not warnings
    assert rewritten.program(torch.bfloat16) is not None
    assert found.dtype == expected.dtype == torch.float32
    assert (found - expected).square().mean().sqrt() <= 0.03 * expected.std()
