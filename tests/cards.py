"""Cards for tests."""

from georaster_dl.core.bands import named_bands
from georaster_dl.core.legend import MapClass, parse_color
from georaster_dl.models.package.card import Architecture, Card, Cost, ModelHalo
from georaster_dl.models.package.values import InputBand

COLORS = ["#1f78b4", "#33a02c", "#b2df8a", "#ff7f00", "#a65628", "#e31a1c", "#999999", "#6a3d9a"]


def card(
    *, stride=8, default=16, exact=80, blend=0, bytes_per_pixel=400.0, bands=("B02", "B03", "B04"),
    n_classes=4, first=1, quantity="reflectance", resolution_m=(10, 10), name="test-model", target=None,
    task=None, **more,
):  # fmt: skip
    return Card(
        name=name,
        version="1",
        architecture=Architecture(
            name="unet",
            encoder="tu-test_resnet",
            options={"encoder_depth": 3, "decoder_channels": [16, 8, 8]},
        ),
        bands=[
            InputBand(name=b.name, wavelength_nm=b.wavelength_nm, mean=0.2, std=0.1)
            for b in named_bands(bands)
        ],
        quantity=quantity,
        resolution_m=resolution_m,
        task=task or ("segmentation" if target is None else "regression"),
        targets=() if target is None else (target,),
        classes=[
            MapClass(first + i, f"class {i}", parse_color(COLORS[i % 8]))
            for i in range(n_classes if task is None and target is None else 0)
        ],
        stride=stride,
        halo=ModelHalo(default=default, exact=exact, blend=blend),
        cost=Cost(macs_per_pixel=10_000, bytes_per_pixel=bytes_per_pixel),
        **more,
    )
