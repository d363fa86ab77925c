"""Cost of a network per input pixel: multiply-accumulates and memory for activations."""

from __future__ import annotations

import copy
import weakref
from typing import TYPE_CHECKING, Any

from georaster_dl.core.errors import OptionError
from georaster_dl.models.package.card import Cost
from georaster_dl.tiling.tiles import round_up

if TYPE_CHECKING:
    from torch import nn

__all__ = ["measure_cost"]


def measure_cost(
    network: nn.Module, *, in_bands: int, stride: int, side: int = 256, device: str = "meta"
) -> Cost:
    """Measure the cost of an input pixel, on a square tile and batch 1.

    Only shapes are followed, on torch's meta device, as a network of pixels may take minutes for
    that tile. Multiply-accumulates are those of convolutions and matrix products. Memory is the peak of the
    live float32 tensors of one inference pass, input included, weights and the kernels' own
    scratch space excluded; both grow with the number of pixels, except where a network attends
    over its whole input.

    Parameters
    ----------
    network : from (N, in_bands, rows, cols) to (N, planes, rows, cols); what is measured is a copy
        in eval mode.
    in_bands : number of input planes.
    stride : total down-sampling in pixels.
    side : of the tile in pixels.
    device : ``cpu`` for a network whose shapes follow from values.

    Raises
    ------
    OptionError
        When the network does not run.
    """
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    side = round_up(side, stride)
    measured = copy.deepcopy(network).to(device).eval()
    try:
        with torch.inference_mode():
            image = torch.zeros(1, in_bands, side, side, device=device)
            operations = FlopCounterMode(display=False)
            with operations:
                measured(image)
            peak = _peak_bytes(measured, image)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:200]
        raise OptionError(
            f"{type(network).__name__} does not run on {in_bands} bands of {side} x {side} pixels ({reason}); "
            f"check its number of bands and its stride ({stride})."
        ) from error
    pixels = side * side
    # The counter takes a multiply-accumulate for two operations.
    return Cost(
        macs_per_pixel=operations.get_total_flops() / 2 / pixels, bytes_per_pixel=peak / pixels
    )


def _peak_bytes(network: nn.Module, image: Any) -> int:
    """Largest number of bytes of tensors alive at one time while the network runs on ``image``."""
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode
    from torch.utils._pytree import tree_leaves

    class Meter(TorchDispatchMode):  # type: ignore[no-untyped-call]
        """Counts every storage once, from the operation that makes it to its release."""

        def __init__(self) -> None:
            super().__init__()  # type: ignore[no-untyped-call]
            self.known = {t.untyped_storage()._cdata for t in network.state_dict().values()}
            self.now = self.peak = 0

        def track(self, value: Any) -> None:
            if not isinstance(value, torch.Tensor):
                return
            storage = value.untyped_storage()
            key, size = storage._cdata, storage.nbytes()
            if key in self.known:
                return
            self.known.add(key)
            self.now += size
            self.peak = max(self.peak, self.now)
            weakref.finalize(storage, self.release, key, size)

        def release(self, key: int, size: int) -> None:
            self.known.discard(key)
            self.now -= size

        def __torch_dispatch__(
            self, func: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            output = func(*args, **(kwargs or {}))
            for value in tree_leaves(output):
                self.track(value)
            return output

    meter = Meter()
    meter.track(image)
    with meter:
        network(image)
    return meter.peak
