"""Cards for tests."""

from georaster_dl.core.legend import MapClass, parse_color
from georaster_dl.models.package.card import Cost, ModelHalo
from georaster_dl.testing import COLORS, small_card


def card(
    *, default=16, exact=80, blend=0, bytes_per_pixel=400.0, n_classes=4, first=1, target=None, **fields
):  # fmt: skip
    """A card of classes ``first``, ... or of a target; what is of the halo and of the cost by name."""
    fields |= {"targets": (target,)} if target else {}
    if first != 1:
        fields["classes"] = [
            MapClass(first + i, f"class {i}", parse_color(COLORS[i % len(COLORS)]))
            for i in range(n_classes)
        ]
    return small_card(
        n_classes=n_classes,
        halo=ModelHalo(default=default, exact=exact, blend=blend),
        cost=Cost(macs_per_pixel=10_000, bytes_per_pixel=bytes_per_pixel),
        **fields,
    )
