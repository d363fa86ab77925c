"""Labels of segmented scans, in the layout of their sequence."""

from __future__ import annotations

from collections.abc import Sequence as Items
from pathlib import Path

import numpy as np
import numpy.typing as npt

from georaster_dl.core.errors import OptionError, OutputError
from georaster_dl.io.files.atomic import write_atomically
from georaster_dl.lidar.sequences.readers import Sequence
from georaster_dl.lidar.sequences.rotation import Rotation
from georaster_dl.models.package.card import Card

__all__ = ["LabelWriter"]

_ENDINGS = {"helixnet": (".bin", "u1"), "kitti": (".label", "<u4"), "ouster": (".label", "<u4")}
_LAS = (".label", "<u4")


class LabelWriter:
    """Files of labels, each written when its scan is over; a LAS file may hold many rotations.

    HelixNet has a byte for each point (labels/NAME.bin), other layouts 32 bits (labels/NAME.label).

    Raises
    ------
    OptionError
        When the folder is the sequence's own, or a class's value is too large for its layout.
    OutputError
        When labels are there and are not to be replaced.
    """

    def __init__(
        self, sequence: Sequence, out: Path, card: Card, *, overwrite: bool, inputs: Items[Path]
    ) -> None:
        self._files, self._folder = sequence.files, out / "labels"
        self._ending, self._type = _ENDINGS.get(sequence.layout, _LAS)
        most = max(each.value for each in card.classes)
        if most > np.iinfo(self._type).max:
            raise OptionError(
                f"{card.name} has a class of value {most}, which labels in the layout {sequence.layout} cannot hold; train on "
                f"labels of that layout."
            )
        if any(out.resolve() == path.resolve() for path in inputs):
            raise OptionError(
                f"{out} is an input, whose labels stay as they are; give another folder."
            )
        for path in dict.fromkeys(self._files):
            if self._path(path).exists() and not overwrite:
                raise OutputError(
                    f"{self._path(path)} exists; give `overwrite=True` or another folder."
                )
        self._folder.mkdir(parents=True, exist_ok=True)
        self._open: tuple[Path, npt.NDArray[np.uint32]] | None = None

    def _path(self, source: Path) -> Path:
        return self._folder / f"{source.stem}{self._ending}"

    def write(self, number: int, rotation: Rotation, values: npt.NDArray[np.uint32]) -> None:
        """Take the labels (n,) of the next rotation."""
        source = self._files[number]
        if self._open is None or self._open[0] != source:
            self.close()
            self._open = source, np.zeros(rotation.source_points, np.uint32)
        self._open[1][rotation.index] = values

    def close(self) -> None:
        """Write the labels of the last file."""
        if self._open is not None:
            source, values = self._open
            write_atomically(self._path(source), values.astype(self._type).tobytes())
            self._open = None
