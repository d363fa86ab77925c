"""Codes of autoencoders beside principal components on two real cubes, through the commands' own code.

    python benchmarks/cubes.py ../shared/data salinas_a
    python benchmarks/cubes.py ../shared/data jasper_ridge

For every seed an autoencoder is trained on blocks of the cube without labels (``geodl train --task
autoencoder``), and compared with as many principal components of the standardised bands and with the
bands themselves:

- reconstruction error on the autoencoder's test blocks, in standard deviations of the bands;
- clusters (``geodl cluster``, k-means, as many as classes and twice as many) against the classes, by
  normalised mutual information and adjusted Rand index over all labelled pixels;
- for Salinas-A, which has enough ground, a support vector machine (``geodl classify``) trained,
  chosen and tested on separate blocks, the same ones for all inputs.

Codes and components have seen the spectra of all blocks, labels of none. Codes have 10 features, patches
32 x 32 pixels (the cubes hold fewer than ten such); everything else is the default of ``geodl train``,
but that an epoch has 48 patches, a tenth of the default, so that the convolutional network takes minutes
and not an hour; ``--per-epoch 480`` is the default.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
import rasterio
from scipy.io import loadmat
from sklearn.decomposition import PCA
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score
from sklearn.preprocessing import StandardScaler

from georaster_dl.evaluation.metrics.confusion import Confusion
from georaster_dl.pixels.classify import ClassifyOptions, classify
from georaster_dl.pixels.cluster import ClusterOptions, ClusterOutputs, cluster
from georaster_dl.pixels.learn.classifier import Method
from georaster_dl.predict.features import features
from georaster_dl.predict.options import FeatureOptions, FeatureOutputs
from georaster_dl.training.data.sources import SceneWithLabels
from georaster_dl.training.settings.config import TrainConfig
from georaster_dl.training.train import train

CODE = 10
PLAIN = {"gaussian": 0.0, "masked": 0.0}
NETWORKS = {
    "dense": ("dense_autoencoder", {"code": CODE, "hidden": [128, 64]}, {}),
    "dense, plain": ("dense_autoencoder", {"code": CODE, "hidden": [128, 64]}, PLAIN),
    "convolutional": ("conv_autoencoder", {"features": CODE}, {}),
}


def salinas_a(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """(bands, rows, cols) and classes (rows, cols), 0 where unlabelled."""
    cube = loadmat(folder / "SalinasA_corrected.mat")["salinasA_corrected"]
    return cube.transpose(2, 0, 1), loadmat(folder / "SalinasA_gt.mat")["salinasA_gt"]


def jasper_ridge(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Pixels of which one material (tree, water, soil, road) covers more than half are labelled."""
    found = loadmat(folder / "jasperRidge2_R198.mat")
    shape = (100, 100)
    # MATLAB's order: the pixels of a column follow each other.
    cube = found["Y"].reshape(-1, *shape).transpose(0, 2, 1)
    shares = found["A"].reshape(-1, *shape).transpose(0, 2, 1)
    return cube, np.where(shares.max(0) > 0.5, shares.argmax(0) + 1, 0).astype(np.uint8)


CUBES = {"salinas_a": salinas_a, "jasper_ridge": jasper_ridge}


def write(path: Path, planes: np.ndarray, nodata: float | None = None) -> Path:
    """Write planes (bands, rows, cols) as GeoTIFF, on a grid of its own: the cubes have no place."""
    profile = {"driver": "GTiff", "count": len(planes), "height": planes.shape[1],
               "width": planes.shape[2], "dtype": planes.dtype, "nodata": nodata, "crs": "EPSG:32610",
               "transform": rasterio.Affine(20, 0, 5e5, 0, -20, 4e6)}  # fmt: skip
    with rasterio.open(path, "w", **profile) as dataset:
        dataset.write(planes)
    return path


def components(cube: np.ndarray) -> np.ndarray:
    """(CODE, rows, cols) principal components of the standardised bands."""
    spectra = StandardScaler().fit_transform(cube.reshape(len(cube), -1).T.astype(np.float64))
    found = PCA(CODE, random_state=0).fit_transform(spectra)
    return found.T.reshape(CODE, *cube.shape[1:]).astype(np.float32)


def agreement(raster: Path, classes: np.ndarray, k: int, seed: int) -> tuple[float, float]:
    """NMI and ARI of clusters with the classes of the labelled pixels."""
    out = raster.with_name("clusters.tif")
    cluster(raster, ClusterOutputs(out), ClusterOptions(k=k, seed=seed, overwrite=True))
    with rasterio.open(out) as dataset:
        found = dataset.read(1)[classes > 0]
    known = classes[classes > 0]
    return normalized_mutual_info_score(known, found), adjusted_rand_score(known, found)


def of_blocks(seed: int) -> dict:
    """Settings with which every method learns, chooses and is tested on the same blocks."""
    return {"seed": seed, "labels": {"ignore": [0.0]}}


def classified(raster: Path, labels: Path, method: Method, seed: int) -> Confusion:
    """Agreement of a classifier of single pixels with the labels of the test blocks."""
    config = TrainConfig.of(of_blocks(seed))
    options = ClassifyOptions(method=method, config=config, overwrite=True)
    made = classify(str(raster), labels, raster.with_name("map.tif"), options)
    return made.accuracy.confusion


def one_seed(
    cube: np.ndarray, classes: np.ndarray, seed: int, given: argparse.Namespace, *, maps: bool
) -> dict[str, float]:
    """All figures of one seed, by their names."""
    found: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        scene = write(folder / "cube.tif", cube)
        labels = write(folder / "labels.tif", classes[None], 0)
        rasters = {"all bands": scene, f"PCA-{CODE}": write(folder / "pca.tif", components(cube))}
        for network in given.networks:
            architecture, options, corruption = NETWORKS[network]
            config = TrainConfig.of(
                {
                    "task": "autoencoder",
                    "seed": seed,
                    "model": {"architecture": architecture, "options": options},
                    "corruption": corruption,
                    "patches": {"size": 32, "per_epoch": given.per_epoch},
                }
            )
            model = folder / f"{architecture}.safetensors"
            trained = train([SceneWithLabels(str(scene), None)], model, config, overwrite=True)
            for key, value in trained.card.metrics.items():
                found[f"{network}: {key}"] = value
            rasters[network] = folder / f"{network.replace(', ', '_')}.tif"
            features(scene, model, FeatureOutputs(rasters[network]), FeatureOptions())
        n = len(np.unique(classes)) - 1
        for what, raster in rasters.items():
            for k in (n, 2 * n):
                found[f"NMI, k={k}: {what}"], found[f"ARI, k={k}: {what}"] = agreement(
                    raster, classes, k, seed
                )
            if maps:
                agreed = classified(raster, labels, "svm", seed)
                found[f"SVM, OA: {what}"] = agreed.overall_accuracy
                found[f"SVM, mIoU: {what}"] = agreed.mean_iou
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder of the data sets")
    parser.add_argument("cube", choices=CUBES)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument("--per-epoch", type=int, default=48, help="patches of an epoch")
    given = parser.parse_args()
    cube, classes = CUBES[given.cube](given.data / given.cube)
    maps = given.cube == "salinas_a"
    runs = []
    for seed in given.seeds:
        runs.append(one_seed(cube, classes, seed, given, maps=maps))
        print(f"seed {seed}: {runs[-1]}", flush=True)
    print(f"\n{given.cube}, seeds {given.seeds}, mean and standard deviation\n")
    for key in runs[0]:
        values = [run[key] for run in runs]
        print(f"{key:64s} {np.mean(values):.3f} +- {np.std(values, ddof=1):.3f}")


if __name__ == "__main__":
    main()
