"""One table says what a run can write; all that offer outputs offer those."""

import pickle
import runpy
from pathlib import Path

import numpy as np
import pytest
import torch

from georaster_dl.batches.disk_usage import estimate_disk_usage
from georaster_dl.batches.job import SceneJob
from georaster_dl.core.errors import OptionError
from georaster_dl.predict.options import Outputs, SegmentOptions
from georaster_dl.predict.outputs.kinds import EXTRA_OUTPUTS, ExtraRaster, FractionRaster
from tests.cards import card

ROOT = Path(__file__).parents[2]
RASTERS = [kind for kind in EXTRA_OUTPUTS.values() if isinstance(kind, ExtraRaster)]
FRACTIONS = [kind for kind in RASTERS if isinstance(kind, FractionRaster)]


def test_outputs_are_paths_in_the_order_of_the_table():
    outputs = Outputs("map.tif", quicklook="q.png", confidence=Path("c.tif"), polygons=None)
    assert outputs.all() == [Path("c.tif"), Path("q.png"), Path("map.tif")]
    assert pickle.loads(pickle.dumps(outputs)) == outputs
    assert all(path.is_absolute() for path in outputs.absolute().all())
    with pytest.raises(OptionError, match="no output 'confidense'; .* confidence, uncertainty"):
        Outputs("map.tif", confidense="c.tif")


@pytest.mark.parametrize("kind", FRACTIONS, ids=lambda kind: kind.name)
@pytest.mark.parametrize("n_classes", [1, 5])
def test_a_raster_is_computed_as_it_is_described(kind, n_classes):
    probabilities = torch.softmax(torch.randn(n_classes, 6, 7) * 4, dim=0)
    probabilities[:, 0, 0] = 1 / n_classes
    before, of_classes = probabilities.clone(), card(n_classes=n_classes)
    exact = kind.render(probabilities, float32=True)
    small = kind.render(probabilities, float32=False)
    described = kind.spec(of_classes, SegmentOptions(float32=True))
    packed = kind.spec(of_classes, SegmentOptions())
    assert tuple(exact.shape) == tuple(small.shape) == (len(described.names), 6, 7)
    assert (exact.numpy().dtype, small.numpy().dtype) == (described.dtype, packed.dtype)
    assert 0 <= exact.min() <= exact.max() <= 1
    assert np.allclose(small.numpy() * packed.scale, exact, atol=packed.scale / 2 + 1e-6)
    assert packed.nodata not in small
    exact[:] = small[:] = 0  # nodata is written into them
    assert torch.equal(probabilities, before)


@pytest.mark.parametrize("kind", RASTERS, ids=lambda kind: kind.name)
def test_every_raster_takes_room_on_the_disk(kind, tmp_path):
    def kept(float32=False, **extras):
        outputs = Outputs(tmp_path / "map.tif", **extras)
        job = SceneJob("s", ("s.tif",), None, outputs, SegmentOptions(float32=float32))
        return estimate_disk_usage(job, card(n_classes=4), (512, 512)).outputs

    for float32 in (False, True):
        spec = kind.spec(card(n_classes=4), SegmentOptions(float32=float32))
        bands, size = len(spec.names), np.dtype(spec.dtype).itemsize
        more = kept(float32, **{kind.name: tmp_path / "extra.tif"}) - kept(float32)
        assert more == pytest.approx(bands * size * 512**2 * 4 / 3, abs=2)


def test_the_lists_made_of_the_table_are_current():
    lists = runpy.run_path(str(ROOT / "docs" / "outputs.py"))
    for path, made in ((lists["README"], lists["readme"]), (lists["PLUGIN"], lists["plugin"])):
        message = f"{path.name} is not what the table says; run python docs/outputs.py"
        assert path.read_text(encoding="utf-8") == made(), message
