"""Presto's pretrained encoder of pixel series, frozen, with a classifier that learns (Tseng et al. 2023).

Written from the description; names of layers and bands are those of the public weights, so that these fit.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from georaster_dl.core.errors import ModelPackageError, OptionError
from georaster_dl.core.wording import listed
from georaster_dl.models.contract import Dated
from georaster_dl.models.package.values import InputBand
from georaster_dl.models.zoo.series.layers import PixelNetwork, positions

__all__ = ["WEIGHTS_URL", "Presto"]

WEIGHTS_URL = "https://github.com/nasaharvest/presto/blob/main/data/default_model.pt"
"""Where the public weights are to be had; MIT licence."""

_WIDTH = 128
_HEADS = 8
_MONTHS = 24  # the most that it was trained with
_YEAR_DAYS = 365
_MONTH_STARTS = (0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334)
_BLOCK = 64
_NEAR_ZERO = 1e-6


class _Group(NamedTuple):
    """Bands of one token a month, and the numbers that are added to them and divide them."""

    bands: tuple[str, ...]
    add: tuple[float, ...]
    divide: tuple[float, ...]


# In the order of the published input. Reflectances are divided there, too: they are integers.
_GROUPS = {
    "S1": _Group(("VV", "VH"), (25.0, 25.0), (25.0, 25.0)),
    "S2_RGB": _Group(("B02", "B03", "B04"), (0.0,) * 3, (1.0,) * 3),
    "S2_Red_Edge": _Group(("B05", "B06", "B07"), (0.0,) * 3, (1.0,) * 3),
    "S2_NIR_10m": _Group(("B08",), (0.0,), (1.0,)),
    "S2_NIR_20m": _Group(("B8A",), (0.0,), (1.0,)),
    "S2_SWIR": _Group(("B11", "B12"), (0.0,) * 2, (1.0,) * 2),
    "ERA5": _Group(("TEMPERATURE_2M", "TOTAL_PRECIPITATION"), (-272.15, 0.0), (35.0, 0.03)),
    "SRTM": _Group(("ELEVATION", "SLOPE"), (0.0,) * 2, (2000.0, 50.0)),
    "NDVI": _Group(("NDVI",), (0.0,), (1.0,)),
}
_BANDS = tuple(band for group in _GROUPS.values() for band in group.bands)
_ADD = tuple(number for group in _GROUPS.values() for number in group.add)
_DIVIDE = tuple(number for group in _GROUPS.values() for number in group.divide)
_RED, _INFRARED, _NDVI = (_BANDS.index(name) for name in ("B04", "B08", "NDVI"))


class Presto(PixelNetwork):
    """Classifier of a pixel's series by a frozen encoder that was trained on pixels of the whole world.

    Dates become months, at most 24 from the first, each the mean of its clear dates. Places on Earth and
    classes of Dynamic World, which the encoder could read too, are left out. It must be told its bands by
    ``describe_input`` before it is used; model files keep that.

    Parameters
    ----------
    sensors : number of bands of each sensor.
    outputs : classes, 1 for a quantity.
    weights : file of the public weights; None where weights are loaded otherwise, as from a model file.

    Raises
    ------
    OptionError
        When there is no such file.
    ModelPackageError
        When the file holds other weights.
    """

    def __init__(self, sensors: Sequence[int], outputs: int, *, weights: str | None = None) -> None:
        super().__init__(
            [_Months(bands) for bands in sensors], nn.Linear(_WIDTH, outputs), block=_BLOCK
        )
        self.presto = _Encoder().requires_grad_(False)
        # Buffers, so that a model file has them.
        self.register_buffer("pretrained", torch.tensor(weights is not None))
        self.register_buffer("season_day", torch.zeros(()))
        if weights is not None:
            self.presto.load_state_dict(_read_weights(weights, self.presto))

    def describe_input(self, bands: Sequence[InputBand], season_start: str) -> None:
        """Describe the input to the network, because its encoder reads physical values of known bands.

        Parameters
        ----------
        bands : of all sensors, in their order, with the statistics by which they are normalised.
            Reflectance as 0..1, backscatter in decibel, temperature in kelvin, precipitation in metres,
            elevation in metres, slope in degrees.
        season_start : month and day from which days are counted, ``MM-DD``.

        Raises
        ------
        OptionError
            When none of the bands is known to it.
        """
        known = [
            band.name
            for band in bands
            if band.name.upper() in _BANDS and band.name.upper() != "NDVI"
        ]
        if not known:
            raise OptionError(
                f"The architecture 'presto' knows the bands {listed(_BANDS[:_NDVI])}, but got "
                f"{listed([band.name for band in bands])}; rename those that are the same, or take another network."
            )
        start = 0
        for months in cast("Sequence[_Months]", self.encoders):
            months.describe(bands[start : start + months.n_bands])
            start += months.n_bands
        day = np.datetime64(f"2001-{season_start}") - np.datetime64("2001-01-01")
        self.get_buffer("season_day").fill_(int(day.astype(int)))

    def _outputs(self, sensors: Sequence[Dated]) -> Tensor:
        if self.training and not bool(self.get_buffer("pretrained")):
            raise OptionError(
                f"The architecture 'presto' learns with pretrained weights alone; get {WEIGHTS_URL} (MIT) and give "
                f"the file as `encoder_weights=`."
            )
        since = [self._months(series.days) for series in sensors]
        first = torch.stack(
            [
                s.masked_fill(~series.valid, torch.inf).amin(1)
                for s, series in zip(since, sensors, strict=True)
            ]
        ).amin(0)
        first = first.where(first.isfinite(), 0)
        of_sensors = [
            months(series, s - first[:, None])
            for months, series, s in zip(self.encoders, sensors, since, strict=True)
        ]
        values, present = (torch.stack(parts).sum(0) for parts in zip(*of_sensors, strict=True))
        features = self.presto(*_with_ndvi(values, present > 0), first.long())
        outputs: Tensor = self.head(features)
        return outputs

    def _months(self, days: Tensor) -> Tensor:
        """Return the month of days since the start of the season, 0 for the January of its year."""
        days = days + self.get_buffer("season_day")
        years = (days / _YEAR_DAYS).floor()
        starts = torch.tensor(_MONTH_STARTS, device=days.device, dtype=days.dtype)
        return 12 * years + torch.searchsorted(starts, days - _YEAR_DAYS * years, right=True) - 1


class _Months(nn.Module):
    """Bring the dates of a sensor (N, T, bands) into the encoder's months and bands."""

    def __init__(self, n_bands: int) -> None:
        super().__init__()
        self.n_bands = n_bands
        # The place of each band in the published input; behind the last where it has none.
        self.register_buffer("places", torch.full((n_bands,), len(_BANDS)))
        self.register_buffer("scale", torch.ones(n_bands))
        self.register_buffer("offset", torch.zeros(n_bands))

    def describe(self, bands: Sequence[InputBand]) -> None:
        for number, band in enumerate(bands):
            name = band.name.upper()
            place = _BANDS.index(name) if name in _BANDS and name != "NDVI" else len(_BANDS)
            self.get_buffer("places")[number] = place
            if place < len(_BANDS):
                self.get_buffer("scale")[number] = band.std / _DIVIDE[place]
                self.get_buffer("offset")[number] = (band.mean + _ADD[place]) / _DIVIDE[place]

    def forward(self, series: Dated, months: Tensor) -> tuple[Tensor, Tensor]:
        """Values (N, months, bands) and where they are, as 0 and 1, of dates in months (N, T) since the first."""
        steps = torch.arange(_MONTHS, device=months.device)
        inside = ((months[..., None] == steps) & series.valid[..., None]).to(series.values.dtype)
        count = inside.sum(1)[..., None]
        clear = series.values.where(series.valid[..., None], 0)
        means = inside.mT @ clear / count.clamp(min=1)
        shape = (*means.shape[:2], len(_BANDS) + 1)
        places = self.get_buffer("places")
        physical = means * self.get_buffer("scale") + self.get_buffer("offset")
        present = (count > 0).to(means.dtype)
        values = means.new_zeros(shape).index_add(2, places, physical * present)
        return values[..., :-1], means.new_zeros(shape).index_add(
            2, places, present.expand_as(means)
        )[..., :-1]


def _with_ndvi(values: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
    """Put NDVI at its place, where red and near infrared are there."""
    red, infrared = values[..., _RED], values[..., _INFRARED]
    total = red + infrared
    ndvi = ((infrared - red) / total.where(total > _NEAR_ZERO, 1)).where(total > _NEAR_ZERO, 0)
    both = present[..., _RED] & present[..., _INFRARED]
    values, present = values.clone(), present.clone()
    values[..., _NDVI], present[..., _NDVI] = ndvi.where(both, 0), both
    return values, present


class _Encoder(nn.Module):
    """Presto's encoder, with the names of its weights."""

    def __init__(self) -> None:
        super().__init__()
        quarter = _WIDTH // 4
        self.eo_patch_embed = nn.ModuleDict(
            {name: nn.Linear(len(group.bands), _WIDTH) for name, group in _GROUPS.items()}
        )
        self.dw_embed = nn.Embedding(
            10, _WIDTH
        )  # this and the next are not used, but are in the file
        self.latlon_embed = nn.Linear(3, _WIDTH)
        self.blocks = nn.ModuleList(_Block() for _ in range(2))
        self.norm = nn.LayerNorm(_WIDTH)
        self.pos_embed = nn.Parameter(positions(torch.arange(_MONTHS), 2 * quarter)[None])
        angles = torch.arange(12)[:, None] * (2 * torch.pi / 12)
        halves = [angle.expand(-1, quarter // 2) for angle in (angles.sin(), angles.cos())]
        self.month_embed = nn.Embedding(12, quarter, _weight=torch.cat(halves, 1))
        self.channel_embed = nn.Embedding(len(_GROUPS) + 1, quarter)

    def forward(self, values: Tensor, present: Tensor, first: Tensor) -> Tensor:
        """Features (N, 128) of values and presence (N, months, bands) from the first months (N,) on."""
        tokens, masks = self._tokens(values, present, first)
        used = masks.any(0)
        used[0] = True  # of no token at all no mean could be taken
        tokens, mask = tokens[:, used], masks[:, used]
        for block in self.blocks:
            tokens = block(tokens, mask)
        count = mask.sum(1, keepdim=True).clamp(min=1)
        features: Tensor = self.norm((tokens * mask[..., None]).sum(1) / count)
        return features

    def _tokens(self, values: Tensor, present: Tensor, first: Tensor) -> tuple[Tensor, Tensor]:
        """Tokens (N, tokens, width) of all groups and months, and which of them exist."""
        n, months, _ = values.shape
        steps = torch.arange(months, device=values.device)
        of_months = self.month_embed((first[:, None] + steps) % 12)
        of_steps = self.pos_embed[:, :months].expand(n, -1, -1)
        tokens, masks, start = [], [], 0
        for number, (name, group) in enumerate(_GROUPS.items()):
            places = slice(start, start + len(group.bands))
            start = places.stop
            of_group, there = values[..., places], present[..., places].all(2)
            channel = self.channel_embed.weight[number].expand(n, months, -1)
            position = torch.cat([of_months, channel, of_steps], 2)
            if name == "SRTM":  # does not change: one token, without a time
                count = there.sum(1, keepdim=True).clamp(min=1)
                of_group = ((of_group * there[..., None]).sum(1) / count)[:, None]
                there = there.any(1, keepdim=True)
                no_time = torch.zeros_like(position[:, :1])
                no_time[..., of_months.shape[2] : -of_steps.shape[2]] = channel[:, :1]
                position = no_time
            tokens.append(self.eo_patch_embed[name](of_group) + position)
            masks.append(there)
        return torch.cat(tokens, 1), torch.cat(masks, 1)


class _Block(nn.Module):
    """Transformer block that normalises first, with the names of Presto's weights."""

    def __init__(self) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(_WIDTH)
        self.attn = nn.ModuleDict(
            {"qkv": nn.Linear(_WIDTH, 3 * _WIDTH), "proj": nn.Linear(_WIDTH, _WIDTH)}
        )
        self.norm2 = nn.LayerNorm(_WIDTH)
        self.mlp = nn.ModuleDict(
            {"fc1": nn.Linear(_WIDTH, 4 * _WIDTH), "fc2": nn.Linear(4 * _WIDTH, _WIDTH)}
        )

    def forward(self, tokens: Tensor, mask: Tensor) -> Tensor:
        tokens = tokens + self._attention(self.norm1(tokens), mask)
        hidden = functional.gelu(self.mlp["fc1"](self.norm2(tokens)))
        return tokens + cast("Tensor", self.mlp["fc2"](hidden))

    def _attention(self, tokens: Tensor, mask: Tensor) -> Tensor:
        n, count, _ = tokens.shape
        split = self.attn["qkv"](tokens).view(n, count, 3, _HEADS, -1)
        queries, keys, values = split.permute(2, 0, 3, 1, 4)
        # A pixel without any token looks at the first, which is then left out.
        seen = mask | ~mask.any(1, keepdim=True)
        mixed = functional.scaled_dot_product_attention(
            queries, keys, values, attn_mask=seen[:, None, None]
        )
        return cast("Tensor", self.attn["proj"](mixed.transpose(1, 2).flatten(2)))


def _read_weights(path: str, encoder: nn.Module) -> dict[str, Tensor]:
    """Read the encoder's weights from the public file; nothing in it is run."""
    if not Path(path).is_file():
        raise OptionError(
            f"There is no file of weights {path}; get {WEIGHTS_URL} (MIT) and give its path as `encoder_weights=`."
        )
    try:
        stored = torch.load(path, map_location="cpu", weights_only=True)
        weights = {
            name.removeprefix("encoder."): tensor.float()
            for name, tensor in stored.items()
            if name.startswith("encoder.")
        }
    except Exception as error:
        raise ModelPackageError(
            f"{path} is no file of weights ({type(error).__name__}); get {WEIGHTS_URL} again."
        ) from error
    wanted = {name: tensor.shape for name, tensor in encoder.state_dict().items()}
    if {name: tensor.shape for name, tensor in weights.items()} != wanted:
        wrong = sorted(
            {name for name in wanted if getattr(weights.get(name), "shape", None) != wanted[name]}
            | (weights.keys() - wanted)
        )
        raise ModelPackageError(
            f"{path} does not hold Presto's encoder: {listed(wrong[:5])} do not fit; get {WEIGHTS_URL}."
        )
    if not all(bool(tensor.isfinite().all()) for tensor in weights.values()):
        raise ModelPackageError(f"Weights in {path} are not finite; get {WEIGHTS_URL} again.")
    return weights
