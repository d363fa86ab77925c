"""Networks over the bands of a pixel: weights counted, pixels apart, blocks without effect."""

import math

import pytest
import torch
from torch import nn

from georaster_dl.core.errors import ModelPackageError, OptionError
from georaster_dl.models.package.card import Card
from georaster_dl.models.package.file import load_model, network_of, save_model
from georaster_dl.models.registry import create_model
from georaster_dl.models.runtime import cost
from georaster_dl.models.runtime.halo import probe_halo

from .conftest import card_fields

BANDS = 23  # no multiple of anything

PIXEL = {
    "cnn1d": ("cnn1d", {}),
    "spectratr": ("spectratr", {"heads": 2, "key_dim": 5}),
    "pooled spectratr": ("spectratr", {"key_dim": 6, "pooled": True}),
    "spectralformer": ("spectralformer", {}),
    "spectralformer without fusion": ("spectralformer", {"group": 1, "fusion": False}),
    "band_attention": ("band_attention", {"width": 16, "token": 4}),
    "pls_net": ("pls_net", {}),
}
PATCH = {
    "spectralformer of patches": ("spectralformer", {"patch": 3}),
    "ssftt": ("ssftt", {"reduced": 5}),
}
pixelwise = pytest.mark.parametrize("which", PIXEL)
patchwise = pytest.mark.parametrize("which", PATCH)
each = pytest.mark.parametrize("which", PIXEL | PATCH)


def _made(which, in_bands=BANDS, n_classes=4, **changes):
    name, options = (PIXEL | PATCH)[which]
    return create_model(name, in_bands=in_bands, n_classes=n_classes, **options | changes).eval()


PUBLISHED = {"spectratr": {"heads": 2, "key_dim": 64}, "ssftt": {"reduced": 30}}
COUNTS = [
    ("cnn1d", 700, 1, {}, 93_405),
    ("spectratr", 700, 1, {}, 2_386_041),
    ("spectratr", 700, 1, {"heads": 8, "key_dim": 16}, 2_386_041),
    ("spectratr", 700, 1, {"pooled": True}, 108_665),
    ("spectralformer", 200, 16, {"group": 1}, 346_233),
    ("spectralformer", 200, 16, {}, 346_361),
    ("spectralformer", 200, 16, {"patch": 7}, 355_577),
    ("spectralformer", 200, 16, {"fusion": False}, 346_361 - 3 * 201 * (2 * 201 + 1)),
    ("spectralformer", 103, 9, {"group": 1}, 161_769),
    ("spectralformer", 103, 9, {}, 161_897),
    ("spectralformer", 103, 9, {"patch": 7, "group": 7}, 183_657),
    ("spectralformer", 144, 15, {"group": 1}, 226_160),
    ("spectralformer", 144, 15, {}, 226_288),
    ("spectralformer", 144, 15, {"patch": 7}, 235_504),
    ("ssftt", 30, 16, {}, 153_224 + 30 * 30),
    ("ssftt", 200, 16, {}, 153_224 + 200 * 30),
]


@pytest.mark.parametrize(("name", "bands", "classes", "options", "weights"), COUNTS)
def test_published_numbers_of_weights(name, bands, classes, options, weights):
    network = create_model(name, in_bands=bands, n_classes=classes, **options)
    assert sum(weight.numel() for weight in network.parameters()) == weights


def test_band_attention_is_small():
    network = create_model("band_attention", in_bands=400, n_classes=20)
    assert sum(weight.numel() for weight in network.parameters()) < 150_000


@pytest.mark.slow
@each
def test_gradients_reach_every_weight(which):
    network = _made(which).train()
    network(torch.randn(2, BANDS, 5, 5)).square().sum().backward()
    for name, weight in network.named_parameters():
        assert weight.grad.isfinite().all()
        assert weight.grad.abs().sum() > 0, name


@pixelwise
@torch.inference_mode()
def test_permuted_pixels_are_permuted_outputs(which):
    network, image = _made(which), torch.randn(1, BANDS, 4, 6)
    order = torch.randperm(24)
    permuted = image.flatten(2)[..., order].unflatten(2, (4, 6))
    expected = network(image).flatten(2)[..., order].unflatten(2, (4, 6))
    torch.testing.assert_close(network(permuted), expected, atol=1e-5, rtol=1e-5)


@pixelwise
@torch.inference_mode()
def test_a_table_of_spectra_is_as_good_as_an_image(which):
    network, image = _made(which), torch.randn(2, BANDS, 3, 5)
    table = image.permute(0, 2, 3, 1).reshape(-1, BANDS, 1, 1)
    expected = network(image).permute(0, 2, 3, 1).reshape(-1, 4, 1, 1)
    torch.testing.assert_close(network(table), expected, atol=1e-5, rtol=1e-5)


@patchwise
@torch.inference_mode()
def test_every_pixel_gets_what_its_patch_gives(which):
    """On the border too, where the patch is filled with zeros."""
    network = _made(which, 6).double()
    around = network.patch // 2
    rows, cols = 3, 2 * around + 2
    image = torch.randn(1, 6, rows, cols, dtype=torch.float64)
    filled = nn.functional.pad(image, 4 * (around,))
    side = network.patch
    patches = [filled[..., r : r + side, c : c + side] for r in range(rows) for c in range(cols)]
    alone = network.centre(torch.cat(patches))
    assert alone.shape == (rows * cols, 4, 1, 1)
    expected = alone.reshape(rows, cols, 4)
    torch.testing.assert_close(network(image)[0].permute(1, 2, 0), expected, atol=1e-10, rtol=0)


@patchwise
def test_a_patch_is_learnt_from_as_in_a_raster(which):
    network = _made(which, 6).double()
    patch = torch.randn(1, 6, network.patch, network.patch, dtype=torch.float64)
    middle = network.patch // 2
    gradients = []
    for logits in (network.centre(patch)[..., 0, 0], network(patch)[..., middle, middle]):
        network.zero_grad()
        logits.square().sum().backward()
        gradients.append([weight.grad.clone() for weight in network.parameters()])
    for of_patch, of_raster in zip(*gradients, strict=True):
        torch.testing.assert_close(of_patch, of_raster)


def test_only_patches_have_a_middle():
    """By this attribute training knows which networks learn of a patch's middle pixel only."""
    assert not hasattr(_made("spectralformer"), "centre")
    assert not hasattr(_made("spectralformer"), "patch")
    assert _made("spectralformer of patches").patch == 3
    assert _made("ssftt").patch == 13


@pytest.mark.slow
@pytest.mark.parametrize(("patch", "halo"), [(3, 1), (7, 3)])
def test_halo_of_patches(patch, halo, monkeypatch):
    monkeypatch.setattr("georaster_dl.models.runtime.halo._SHORTEST", 32)  # enough for these
    network = create_model("spectralformer", in_bands=2, n_classes=2, patch=patch, fusion=False)
    assert probe_halo(network, in_bands=2, stride=1).exact == halo


def _in_blocks_of(pixels, network):
    for module in network.modules():
        if hasattr(module, "_pixels"):
            module._pixels = pixels
    return network


@pytest.mark.slow
@each
@torch.inference_mode()
def test_blocks_change_nothing(which):
    network, image = _made(which), torch.randn(2, BANDS, 5, 7)
    expected, sizes = network(image), []
    body = network.get_submodule("decoder.body" if which == "ssftt" else "encoder.body")
    body.register_forward_hook(lambda _module, inputs, _output: sizes.append(len(inputs[0])))
    blocked = _in_blocks_of(10, network)(image)
    torch.testing.assert_close(blocked, expected, atol=1e-5, rtol=1e-5)
    assert max(sizes) <= 10
    assert sum(sizes) == 70


@pytest.mark.slow
@each
@torch.inference_mode()
def test_memory_of_the_work_does_not_grow_with_the_image(which):
    """Only input, features and output do: a few planes for each further pixel."""
    network = _in_blocks_of(256, _made(which, 200).to("meta"))
    small, large = (
        cost._peak_bytes(network, torch.zeros(1, 200, side, side, device="meta"))
        for side in (32, 64)
    )
    padded = 200 if which in PATCH else 0
    assert (large - small) / (64**2 - 32**2) < 4 * (200 + padded + 4 * 64)


@pytest.mark.slow
@each
@torch.inference_mode()
def test_a_block_takes_little_memory(which):
    name, options = (PIXEL | PATCH)[which]
    network = create_model(
        name, in_bands=200, n_classes=16, **{**options, **PUBLISHED.get(name, {})}
    )
    image = torch.zeros(1, 200, 40, 40, device="meta")
    assert cost._peak_bytes(network.eval().to("meta"), image) < 200 * 2**20


@each
@torch.inference_mode()
def test_order_of_memory_does_not_matter(which):
    network, image = _made(which), torch.randn(2, BANDS, 5, 6)
    last = network(image.contiguous(memory_format=torch.channels_last))
    torch.testing.assert_close(last, network(image), atol=1e-5, rtol=1e-5)


@each
@torch.inference_mode()
def test_half_precision_is_near(which):
    network, image = _made(which), torch.randn(1, BANDS, 8, 8)
    expected = network(image)
    with torch.autocast("cpu", torch.bfloat16):
        rounded = network(image)
    assert (rounded.float() - expected).abs().max() < 0.05 * expected.abs().max()


@each
def test_round_trip(which, tmp_path):
    name, options = (PIXEL | PATCH)[which]
    card = Card(**card_fields(architecture={"name": name, "options": options}, stride=1))
    network = _made(which, 3, 3, **_wavelengths(card))
    save_model(tmp_path / "pixels.safetensors", card, network)
    _, loaded = load_model(tmp_path / "pixels.safetensors")
    image = torch.randn(1, 3, 6, 7)
    with torch.inference_mode():
        assert torch.equal(loaded(image), network(image))


def _wavelengths(card):
    return {"wavelengths_nm": [band.wavelength_nm for band in card.bands]}


@torch.inference_mode()
def test_dropout_and_noise_are_for_training():
    network = _made("spectratr", dropout=0.0, noise=0.5)
    image = torch.randn(1, BANDS, 2, 2)
    assert torch.equal(network(image), network(image))
    network.train()
    assert not torch.equal(network(image), network(image))
    silent = _made("spectratr", dropout=0, noise=0).train()
    assert torch.equal(silent(image), silent(image))


def test_too_large_a_graph_is_refused(monkeypatch):
    network = create_model("spectralformer", in_bands=200, n_classes=2)
    monkeypatch.setattr(torch.onnx, "is_in_onnx_export", lambda: True)
    with pytest.raises(OptionError, match="64 are the most; export it for tiles of 64 pixels"):
        network.to("meta").eval()(torch.zeros(1, 200, 128, 128, device="meta"))


@pytest.mark.slow
@pytest.mark.parametrize("which", sorted(set(PIXEL) - {"spectralformer without fusion"}))
def test_learns_where_a_peak_is(which):
    """Two classes of noisy spectra, told apart by the place of a peak."""
    target = torch.arange(16) % 2
    peaks = torch.exp(-((torch.arange(10) - 3.0 - 4 * target[:, None]) ** 2) / 2)
    spectra = (3 * peaks + 0.3 * torch.randn(16, 10))[..., None, None]
    network = _made(which, 10, 2).train()
    optimiser = torch.optim.AdamW(network.parameters(), 0.005)
    for _ in range(120):
        loss = nn.functional.cross_entropy(network(spectra)[..., 0, 0], target)
        if loss < 0.3:
            return
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    pytest.fail(f"the loss is still {loss.item():.2f}")


class TestBesidePLS:
    """Network with a linear path, two branches beside it, and their blend."""

    def network(self):
        torch.manual_seed(0)
        network = create_model("pls_net", in_bands=BANDS, n_classes=3).eval()
        self.coefficients, self.intercepts = torch.randn(3, BANDS), torch.randn(3)
        network.start_from(self.coefficients, self.intercepts)
        return network

    def linear(self, spectra):
        return spectra @ self.coefficients.T + self.intercepts

    @torch.inference_mode()
    def test_before_training_it_is_the_linear_model(self):
        network, spectra = self.network(), torch.randn(9, BANDS)
        found = network(spectra[:, :, None, None])[:, :, 0, 0]
        torch.testing.assert_close(found, self.linear(spectra), atol=1e-5, rtol=1e-5)

    def test_the_linear_path_is_not_trained(self):
        network = self.network()
        network(torch.randn(2, BANDS, 1, 1)).square().sum().backward()
        frozen = {name for name, weight in network.named_parameters() if weight.grad is None}
        assert frozen == {"encoder.body.linear.weight", "encoder.body.linear.bias"}

    @pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
    @torch.no_grad()
    def test_its_planes_are_the_blend_of_both_branches(self, share):
        network, spectra = self.network(), torch.randn(9, BANDS)
        for weight in network.segmentation_head.parameters():
            weight[:, 3:].normal_() if weight.ndim > 1 else weight.normal_()
        residuals, target = network.branches(spectra)
        expected = share * (self.linear(spectra) + residuals) + (1 - share) * target
        network.blend(share)
        found = network(spectra[:, :, None, None])[:, :, 0, 0]
        torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


class TestWavelengths:
    KNOWN = (400.0, 420.0, 440.0, 900.0, 920.0)

    def network(self, wavelengths_nm=None, in_bands=5):
        torch.manual_seed(0)
        return create_model(
            "band_attention",
            in_bands=in_bands,
            n_classes=2,
            wavelengths_nm=wavelengths_nm,
            width=8,
            token=3,
        ).eval()

    def positions(self, *given):
        return self.network(*given).get_buffer("encoder.body.positions")

    def test_position_is_the_mean_wavelength_of_the_bands(self):
        found = self.positions(self.KNOWN)
        assert found.shape == (2, 64)
        periods = [50 * 100 ** (i / 31) for i in range(32)]
        for row, nm in zip(found, (420.0, 910.0), strict=True):
            angles = [2 * math.pi * nm / period for period in periods]
            expected = [*map(math.sin, angles), *map(math.cos, angles)]
            torch.testing.assert_close(row, torch.tensor(expected), atol=1e-4, rtol=0)

    def test_band_numbers_stand_for_unknown_wavelengths(self):
        numbered = self.positions([0.0, 10.0, 20.0, 30.0, 40.0])
        assert torch.equal(self.positions(), numbered)
        assert torch.equal(self.positions([400.0, None, 440.0, 900.0, 920.0]), numbered)

    @torch.inference_mode()
    def test_they_make_a_difference(self):
        image = torch.randn(1, 5, 2, 2)
        plain, known = self.network(), self.network(self.KNOWN)
        assert plain.state_dict().keys() == known.state_dict().keys()
        assert not torch.allclose(plain(image), known(image), atol=1e-3)

    @torch.inference_mode()
    def test_weights_fit_another_sensor(self):
        other = self.network([500.0 + 7 * i for i in range(40)], 40)
        other.load_state_dict(self.network(self.KNOWN).state_dict())
        assert other(torch.randn(1, 40, 2, 2)).isfinite().all()

    @torch.inference_mode()
    def test_they_come_from_the_card(self, tmp_path):
        architecture = {"name": "band_attention", "options": {"width": 8, "token": 3}}
        bands = [
            {"name": f"B{i}", "wavelength_nm": nm, "mean": 0.1, "std": 0.05}
            for i, nm in enumerate(self.KNOWN)
        ]
        card = Card(**card_fields(architecture=architecture, bands=bands, stride=1))
        network = network_of(card).eval()
        save_model(tmp_path / "known.safetensors", card, network)
        _, loaded = load_model(tmp_path / "known.safetensors")
        found = loaded.get_buffer("encoder.body.positions")
        assert torch.equal(found, self.positions(self.KNOWN))

    def test_a_network_for_others_than_the_cards_is_not_saved(self, tmp_path):
        """It would be loaded as another one."""
        architecture = {"name": "band_attention", "options": {"width": 8, "token": 3}}
        card = Card(**card_fields(architecture=architecture, stride=1))
        other = _made("band_attention", 3, 3, width=8, token=3)
        with pytest.raises(ModelPackageError, match=r"in 'encoder\.body\.positions'; build it"):
            save_model(tmp_path / "other.safetensors", card, other)
        assert not list(tmp_path.iterdir())

    def test_there_must_be_one_for_each_band(self):
        with pytest.raises(OptionError, match="5 bands needs as many wavelengths, but got 2"):
            self.network([400.0, 500.0])


@each
@torch.inference_mode()
def test_networks_run_laid_out_channels_last(which):
    """As training and prediction have them."""
    network, image = _made(which), torch.randn(1, BANDS, 5, 7)
    expected = network(image)
    laid = network.to(memory_format=torch.channels_last)
    found = laid(image.contiguous(memory_format=torch.channels_last))
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
