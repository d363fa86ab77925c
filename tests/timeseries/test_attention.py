"""Attention to dates as a table and a picture."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from georaster_dl.core.errors import OptionError
from georaster_dl.timeseries.learning.options import SeriesTrainOptions
from georaster_dl.timeseries.train import train_series

from .made import crops


def test_the_dates_that_decided_are_written_by_class(tmp_path):
    samples = crops(60)
    table, picture = tmp_path / "dates.csv", tmp_path / "dates.png"
    options = SeriesTrainOptions(architecture="ltae", epochs=1)
    out = tmp_path / "m.safetensors"
    train_series(samples, options, out, lambda _: None, attention=[table, picture])
    found = pd.read_csv(table)
    assert list(found) == ["sensor", "class", "day", "date", "share"]
    assert set(found["class"]) <= set(samples.legend.names)
    sums = found.groupby(["sensor", "class"])["share"].sum()
    np.testing.assert_allclose(sums, 1, atol=1e-3)
    with Image.open(picture) as drawn:
        assert drawn.width > 500


def test_a_network_without_attention_is_refused_before_it_learns(tmp_path):
    options = SeriesTrainOptions(architecture="gru", epochs=1)
    with pytest.raises(OptionError, match="gru attends to no dates"):
        train_series(
            crops(60), options, tmp_path / "m.safetensors", print, attention=[tmp_path / "a.csv"]
        )
    assert not list(tmp_path.iterdir())
