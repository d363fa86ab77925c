"""Series made for tests: crops whose greenest day differs."""

import numpy as np
import pandas as pd

from georaster_dl.core.bands import Band
from georaster_dl.timeseries.samples import SensorSamples, SeriesSamples, number_classes

PEAKS = {"barley": 100.0, "maize": 210.0, "beet": 160.0}


def crops(n=60, dates=12, *, pixels=None, clouds=0.2, seed=0, labels="class", year=2017):
    """Samples of three crops; as parcels of ``pixels`` pixels where these are given."""
    random = np.random.default_rng(seed)
    names = np.array(list(PEAKS))[np.arange(n) % len(PEAKS)]
    days = np.sort(random.choice(300, (n, dates)), axis=1)
    peaks = np.array([PEAKS[name] for name in names])[:, None]
    green = np.exp(-(((days - peaks) / 40.0) ** 2))
    values = np.stack([0.1 + 0.1 * (1 - green), 0.2 + 0.4 * green], axis=2)
    shape = values.shape if pixels is None else (*values.shape, pixels)
    values = (values if pixels is None else values[..., None]) + random.normal(0, 0.02, shape)
    cloudy = random.random((*days.shape, *shape[3:])) < clouds
    values[np.broadcast_to(cloudy[:, :, None], shape)] = np.nan
    stamps = np.datetime64(f"{year}-01-01") + days
    numbers, legend = number_classes(list(names))
    groups = pd.DataFrame(
        {"region": np.where(np.arange(n) % 2, "east", "west"), "parcel": np.arange(n) // 2}
    )
    known = {"labels": numbers, "legend": legend}
    if labels == "value":
        known = {"labels": peaks[:, 0] + random.normal(0, 3, n), "target": "peak"}
    return SeriesSamples(
        "crops",
        (SensorSamples("S2", (Band("B04", 664.6), Band("B08", 832.8)), values, stamps),),
        groups=groups,
        geometry=None if pixels is None else np.ones((n, 4), np.float32),
        **known,
    )


def with_radar(samples, dates=5, seed=1):
    """The same samples with a second sensor on days of its own."""
    random = np.random.default_rng(seed)
    n = len(samples)
    radar = SensorSamples(
        "S1",
        (Band("VV"),),
        random.normal(size=(n, dates, 1)),
        np.datetime64("2017-02-01") + 12 * np.arange(dates),
    )
    return SeriesSamples(
        samples.name,
        (*samples.sensors, radar),
        samples.labels,
        samples.groups,
        samples.legend,
        samples.target,
    )
