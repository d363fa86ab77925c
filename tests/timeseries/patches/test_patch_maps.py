"""Maps of networks of patches: the same whatever the tiles, and blind to what is masked."""

from datetime import date

import numpy as np
import pytest
import rasterio
import torch

import georaster_dl as gdl
from georaster_dl.models.package.card import Architecture, Cost, ModelHalo
from georaster_dl.models.package.file import save_model
from georaster_dl.models.package.series import CardSeries
from georaster_dl.models.registry import create_model
from georaster_dl.models.runtime.dated import BoundDates, bound_card
from georaster_dl.models.zoo.series.bound import DatedNetwork, patch_step
from georaster_dl.testing import small_card
from georaster_dl.tiling.tiles import Tiling

DAYS = [10.0, 60.0, 130.0]
SERIES = {
    "sensors": ({"name": "S2", "bands": 2},),
    "season_start": "01-01",
    "days": (0, 300),
    "dates": (2, 5),
}


@pytest.fixture(scope="module")
def bound():
    torch.manual_seed(0)
    network = create_model("utae", in_bands=2, n_classes=3, sensors=(2,)).eval()
    return DatedNetwork(network, [2], [DAYS], side=32).eval()


@pytest.fixture(scope="module")
def image():
    planes = torch.randn(1, 6, 48, 96, generator=torch.Generator().manual_seed(1))
    planes[:, 2:4, 20:40, 30:60] = torch.nan  # a cloud at the second date
    planes[..., :30, 60:] = torch.nan  # no data at all
    return planes


def test_steps_are_multiples_of_the_stride_and_overlap():
    assert [patch_step(side, 8) for side in (16, 24, 32, 64, 128)] == [8, 16, 24, 48, 96]


@torch.inference_mode()
def test_tiles_give_the_bits_of_the_whole_image(bound, image):
    whole = bound(image)
    assert whole.shape == (1, 3, 48, 96)
    assert whole.isfinite().all()
    for tile in Tiling((48, 96), tile=(72, 72), halo=bound.stride, stride=bound.stride):
        part = bound(image[..., tile.outer_rows, tile.outer_cols])
        torch.testing.assert_close(
            part[..., tile.inner_rows, tile.inner_cols],
            whole[..., tile.core_rows, tile.core_cols],
            rtol=0,
            atol=0,
        )


@torch.inference_mode()
def test_a_patch_alone_is_what_the_network_gives(bound, image):
    alone = DatedNetwork(bound.network, [2], [DAYS]).eval()(image[..., :32, :32])
    # Pixels of no other patch, as the first and the step say.
    torch.testing.assert_close(bound(image)[..., :24, :24], alone[..., :24, :24], rtol=0, atol=1e-6)


def test_the_cost_of_a_map_is_of_its_patches():
    card = small_card(
        bands=("B04", "B08"),
        n_classes=3,
        stride=24,
        halo=ModelHalo(default=24, exact=24),
        cost=Cost(macs_per_pixel=100_000, bytes_per_pixel=1000),
        series=CardSeries(**SERIES, unit="patch", patch=32),
    )
    made = bound_card(card, [BoundDates(("2022-01-11", "2022-03-01"), (10.0, 60.0))])
    assert made.cost.macs_per_pixel == pytest.approx(100_000 * 2 * (32 / 24) ** 2)
    # Of a patch at a time, spread over a tile of 512 pixels; planes and outputs of each pixel.
    assert made.cost.bytes_per_pixel == pytest.approx(1000 * 2 * 32**2 / 512**2 + 8 * 4 + 8 * 3)


@pytest.mark.parametrize("fields", [{"unit": "patch"}, {"unit": "pixel", "patch": 64}])
def test_a_card_states_the_side_of_patches_alone(fields):
    with pytest.raises(ValueError, match="side of patches"):
        CardSeries(**SERIES, **fields)


@pytest.mark.slow
def test_a_map_is_the_same_whatever_the_tiles(field, stack, tmp_path):
    _, values, _ = field
    spring = stack.between(until=date(2022, 4, 30))
    torch.manual_seed(0)
    card = small_card(
        bands=("B04", "B08"),
        n_classes=3,
        architecture=Architecture(name="utae"),
        stride=8,
        halo=ModelHalo(default=8, exact=8),
        series=CardSeries(**SERIES, unit="patch", patch=16),
    )
    network = create_model("utae", in_bands=2, n_classes=3, sensors=(2,)).eval()
    save_model(tmp_path / "utae.safetensors", card, network)
    maps = []
    for tile in (32, 88):
        out = tmp_path / f"map_{tile}.tif"
        gdl.segment(spring, tmp_path / "utae.safetensors", out=out, tile=tile)
        with rasterio.open(out) as raster:
            maps.append(raster.read(1))
    np.testing.assert_array_equal(*maps)
    assert ((maps[0] == 255) == np.isnan(values[:2, 0]).all(axis=0)).all()
