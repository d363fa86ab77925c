"""Labelled pixels of patches: fewer of them, or each as a sample of its own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from georaster_dl.timeseries.samples import SensorSamples, SeriesSamples

__all__ = ["fewer_labels", "labelled_pixels"]


def fewer_labels(samples: SeriesSamples, most: int, seed: int) -> SeriesSamples:
    """Keep the labels of at most so many pixels of patches, drawn at random; other units stay as they are."""
    labels = samples.labels
    if samples.unit != "patch" or labels is None:
        return samples
    places = np.flatnonzero(labels.ravel() >= 0)
    if len(places) <= most:
        return samples
    kept = np.random.default_rng(seed).choice(places, most, replace=False)
    fewer = np.full(labels.size, -1, labels.dtype)
    fewer[kept] = labels.ravel()[kept]
    return replace(samples, labels=fewer.reshape(labels.shape))


def labelled_pixels(samples: SeriesSamples) -> SeriesSamples:
    """Take the labelled pixels of patches, in the order of their places (patch, row, col), as samples of pixels."""
    assert samples.labels is not None  # of patches that teach or test
    known = samples.labels >= 0
    patch = np.nonzero(known)[0]
    sensors = tuple(
        SensorSamples(
            sensor.name,
            sensor.bands,
            np.moveaxis(sensor.values, (3, 4), (1, 2))[known],
            sensor.dates[patch],
        )
        for sensor in samples.sensors
    )
    groups = pd.DataFrame({"patch": patch})
    return replace(
        samples, sensors=sensors, labels=samples.labels[known], groups=groups, lonlat=None
    )
