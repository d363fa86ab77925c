"""An orthophoto, heights of LiDAR, and both as one scene: the table of docs/roofs.md.

    python benchmarks/roofs.py DATA FOLDER

A forest learns roof, ground and vegetation from the western half of the orthophoto in ``lidar_ign`` and is tested on the
eastern half. Labels are the classes of the points, by cells of 0.2 m whose points all agree. Files and maps are made in FOLDER
by ``geodl``, whose accuracy tables are printed.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

import laspy
import numpy as np
import rasterio

NAMES = {1: "roof", 2: "ground", 3: "vegetation"}
CLASS_OF = {6: 1, 2: 2, 3: 3, 4: 3, 5: 3}
SCENES = {
    "ortho.tif": "ortho",
    "heights.tif": "heights",
    "ortho.tif+heights.tif": "both",
    "heights_fine.tif": "heights_fine",
    "ortho.tif+heights_fine.tif": "both_fine",
}


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("folder", type=Path)
    given = parser.parse_args()
    folder, source = given.folder, given.data.absolute() / "lidar_ign"
    folder.mkdir(parents=True)
    tiles = sorted(source.glob("dense/*.laz"))
    with rasterio.open(source / "ortho/test_data_rgb.tif") as ortho:
        # The file names its CRS without defining it.
        profile, pixels = ortho.profile | {"crs": "EPSG:2154"}, ortho.read()
    with rasterio.open(folder / "ortho.tif", "w", **profile) as target:
        target.write(pixels)
    write_labels(folder, tiles, profile)
    geodl(folder, "lidar", "raster", *tiles, "--cell", "0.5", "--fill", "3", "-o", "heights.tif")
    fine = "--like", "ortho.tif", "--fill", "8", "-o", "heights_fine.tif"
    geodl(folder, "lidar", "raster", *tiles, *fine)
    for scene, name in SCENES.items():
        model, found = f"{name}.safetensors", f"{name}_map.tif"
        geodl(folder, "train", scene, "west.tif", "--method", "rf", "-o", model)
        geodl(folder, "segment", scene, "-m", model, "-o", found)
        print(f"== {scene}", geodl(folder, "evaluate", found, "east.tif"), sep="\n", flush=True)


def write_labels(folder, tiles, profile):
    """Write the classes of the points of each half on the orthophoto's grid, 0 where they differ or are others."""
    rows_cols = profile["height"], profile["width"]
    counts = np.zeros((4, *rows_cols), int)
    lookup = np.array([CLASS_OF.get(value, 0) for value in range(256)])
    for path in tiles:
        las = laspy.read(path)
        cols, rows = ~profile["transform"] * (np.asarray(las.x), np.asarray(las.y))
        place = np.floor([rows, cols]).astype(int)
        inside = ((place >= 0) & (place < np.array(rows_cols)[:, None])).all(axis=0)
        np.add.at(counts, (lookup[las.classification][inside], *place[:, inside]), 1)
    labels = np.where((counts > 0).sum(axis=0) == 1, counts.argmax(axis=0), 0).astype(np.uint8)
    west = np.arange(rows_cols[1]) < rows_cols[1] // 2
    profile = profile | {"count": 1, "dtype": "uint8", "nodata": 0}
    for name, part in (("west", west), ("east", ~west)):
        with rasterio.open(folder / f"{name}.tif", "w", **profile) as target:
            target.write(np.where(part, labels, 0).astype(np.uint8), 1)
            target.update_tags(CLASS_NAMES=json.dumps({str(k): v for k, v in NAMES.items()}))


def geodl(folder, *words):
    command = ["geodl", *map(str, words)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)}\n{done.stderr}")
    return done.stdout


if __name__ == "__main__":
    main()
