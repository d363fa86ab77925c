"""Files of LiDAR points for tests."""

import laspy
import numpy as np
import pyproj


def write_cloud(
    path,
    x,
    y,
    z,
    *,
    classes=2,
    number=1,
    returns=1,
    intensity=0,
    point_format=6,
    crs=2154,
    scale=0.01,
    **dimensions,
):
    """Write points with laspy; LAS or LAZ by the name."""
    header = laspy.LasHeader(
        version="1.4" if point_format >= 6 else "1.2", point_format=point_format
    )
    header.scales, header.offsets = [scale] * 3, [0, 0, 0]
    if crs is not None:
        header.add_crs(pyproj.CRS.from_user_input(crs))
    las = laspy.LasData(header)
    las.x, las.y, las.z = (np.asarray(each, float) for each in (x, y, z))
    las.classification = np.broadcast_to(classes, len(las.X)).astype(np.uint8)
    las.return_number = np.broadcast_to(number, len(las.X)).astype(np.uint8)
    las.number_of_returns = np.broadcast_to(returns, len(las.X)).astype(np.uint8)
    las.intensity = np.broadcast_to(intensity, len(las.X)).astype(np.uint16)
    for name, values in dimensions.items():
        las[name] = np.broadcast_to(values, len(las.X))
    las.write(path)
    return path


def village(seed=0, n=8000, side=100.0, origin=(650_000.0, 6_860_000.0)):
    """Points of a plane that rises to the east, houses 6 m high and trees of two returns.

    Returns arguments of ``write_cloud`` by name.
    """
    rng = np.random.default_rng(seed)
    x, y = rng.uniform(0, side, (2, n))
    ground = 50 + 0.02 * x
    house = ((abs(x - 30) < 8) & (abs(y - 30) < 6)) | ((abs(x - 78) < 6) & (abs(y - 22) < 8))
    tree = ((np.hypot(x - 70, y - 60) < 10) | (np.hypot(x - 20, y - 75) < 9)) & (
        rng.random(n) < 0.7
    )
    height = np.where(house, 6.0, np.where(tree, rng.uniform(3, 9, n), 0.0))
    return {
        "x": np.round(x + origin[0], 2),
        "y": np.round(y + origin[1], 2),
        "z": np.round(ground + height + rng.normal(0, 0.02, n), 2),
        "classes": np.where(house, 6, np.where(tree, 5, 2)),
        "number": np.where(tree, rng.integers(1, 3, n), 1),
        "returns": np.where(tree, 2, 1),
        "intensity": np.where(house, 900, np.where(tree, 300, 600)),
    }


def subset(cloud, mask):
    """Take some points of a cloud."""
    return {name: np.asarray(values)[mask] for name, values in cloud.items()}


def write_copc(path, laz):
    """Write the points of a LAZ of format 6 to 8 in the order of an octree of two levels, by copc-lib."""
    import copclib

    las = laspy.read(laz)
    header = las.header
    triple = (copclib.Vector3(*each) for each in (header.scales, header.offsets))
    config = copclib.CopcConfigWriter(
        header.point_format.id, *triple, header.parse_crs().to_wkt("WKT1_GDAL")
    )
    config.las_header.min, config.las_header.max = (
        copclib.Vector3(*each) for each in (header.mins, header.maxs)
    )
    half = float(np.ptp([header.mins, header.maxs], axis=0).max()) / 2 + 0.01
    info = config.copc_info
    info.center_x, info.center_y, info.center_z = header.mins + half
    info.halfsize, info.spacing = half, half / 64
    cells = np.floor((las.xyz - header.mins) / half).astype(int)
    cells[::4] = 0  # a quarter of the points is the root
    keys = np.column_stack([np.arange(len(cells)) % 4 > 0, cells])
    writer = copclib.FileWriter(str(path), config)
    for key in np.unique(keys, axis=0):
        node = las.points.array[(keys == key).all(axis=1)]
        points = copclib.VectorChar(np.frombuffer(node.tobytes(), np.int8))
        writer.AddNode(copclib.VoxelKey(*key.tolist()), points)
    writer.Close()
    return path
