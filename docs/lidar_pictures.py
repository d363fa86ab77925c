"""Draw the turns of docs/lidar_sequences.md: a simulated street's truth beside a model's map, and a range image.

    python docs/lidar_pictures.py [MODEL]

MODEL, without which the truth is drawn alone, is a package of ``geodl train --task lidar`` on streets of sample_tiles/street.py. The street drawn has the seed 101, which
no training of the benchmark saw.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np

from georaster_dl.core.legend import Legend, MapClass
from georaster_dl.lidar.sequences.readers import open_sequence
from georaster_dl.render.palette import choose_colors
from georaster_dl.render.turns.page import write_turn_picture

HERE = Path(__file__).parent
TURN = 6


def main():
    sys.path.insert(0, str(HERE.parent / "sample_tiles"))
    from street import simulate_street

    with tempfile.TemporaryDirectory() as folder:
        drive = Path(folder) / "street"
        simulate_street(drive, rotations=TURN + 1, seed=101)
        sequence = open_sequence(drive)
        rotation, names = sequence[TURN], list(sequence.classes.items())[:8]
        colors = choose_colors([name for _, name in names])
        legend = Legend(
            tuple(MapClass(*entry, color) for entry, color in zip(names, colors, strict=True))
        )
        labels = {"Truth": rotation.label}
        if len(sys.argv) > 1:
            from georaster_dl.lidar.sequences.segment import segment_sequence

            segment_sequence(drive, Path(sys.argv[1]), Path(folder) / "out")
            found = np.fromfile(Path(folder) / f"out/labels/{rotation.name}.bin", np.uint8)
            labels["Map"] = found[rotation.index]
        for view, name in (("above", "lidar_turn"), ("sensor", "lidar_range")):
            path = HERE / f"{name}.png"
            write_turn_picture(
                path,
                xyz=rotation.xyz,
                fiber=rotation.fiber,
                labels=labels,
                legend=legend,
                view=view,
                title="A turn of a simulated street",
            )


if __name__ == "__main__":
    main()
