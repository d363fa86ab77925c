"""Networks of spectra beside the methods of chemometrics, and what tables and cubes cost.

    python benchmarks/spectral.py lwplsr
    python benchmarks/spectral.py compare ../shared/data/nir tecator_fat cassava_tbc --seeds 2
    python benchmarks/spectral.py compare ../shared/data/nir --methods pls-net --members 5 --jsonl found.jsonl
    python benchmarks/spectral.py train ../shared/data/nir tecator_fat
    python benchmarks/spectral.py components ../shared/data/nir --seeds 2
    python benchmarks/spectral.py speed --rounds 5
    python benchmarks/spectral.py memory
    python benchmarks/spectral.py lwplsr-cube

``compare`` fits the methods of ``geodl spectra compare`` on the published split of each set: all learn from
the same rows and are tested on the same others; settings of the chemometric ones are searched by
cross-validation on what they learn from, networks take their defaults (``--members``, single by default;
a fifth of the rows chooses the epoch, of each member another). Spectra are preprocessed by snv and a first Savitzky-Golay derivative, but for
forages2, which is published preprocessed. R2 is 1 - SSE / SST, its
interval a bootstrap of the test rows; times are of the processor, search and imports included. With ``--jsonl`` each result is kept as it comes, and a run goes on
where another stopped.

``train`` is ``geodl spectra train --method auto`` on the same splits: the method that cross-validation of the training
rows keeps, and what all of them score in it and on the test rows. Seconds are of the cross-validation.

``components`` asks how many latent variables a PLS should have: in five outer folds of the rows that learn,
ten inner ones choose by each rule, and the outer rows measure it. No row that tests takes part.

``speed`` maps a cube of 200 bands (int16, deflate) by ``geodl segment``, file to file, and runs the bare
network on as many random pixels in memory: channels_last, in tiles that it likes best, the same precision
and threads. Ensembles of 5 that predict a value are what ``geodl spectra train`` makes, single networks of
classes what ``geodl train`` makes. As in segment.py every measurement runs in a process of its own, with random
weights, after the network has run once; the two alternate. ``memory`` is the peak of one such map.

``lwplsr-cube`` maps a cube of 512 x 512 by a locally weighted PLS of 2,000 spectra, 200 neighbours and 10
components, and compares pixels of the map with the estimator that the package was made of.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import f
from segment import machine, measure, part_segment, peak_gib, run_part, synchronise

from georaster_dl.spectra.methods.estimators import PLSRegressor
from georaster_dl.spectra.methods.lwplsr import LWPLSRegressor
from georaster_dl.spectra.methods.tuning import Trials, try_settings
from georaster_dl.spectra.preprocess.chain import Preprocessing
from georaster_dl.spectra.registry import Rows, Settings, fit_method
from georaster_dl.spectra.scoring.folds import Folding, Samples
from georaster_dl.spectra.scoring.scores import ValueScores
from georaster_dl.spectra.scoring.split import Division, split_rows
from georaster_dl.spectra.table.samples import SpectraTable, read_spectra
from georaster_dl.spectra.train import train_table
from georaster_dl.spectra.training.choice import value_loss
from georaster_dl.spectra.training.columns import TableOptions

METHODS = ("pls", "lwplsr", "svm", "cnn1d", "spectratr", "band-attention", "pls-net")
TREATED = "snv,savgol(15,2,1)"

WAVELENGTHS = np.linspace(420, 2450, 200)
TILE = 256  # of 64 to 512 none is faster for the bare networks
CLASSES = 10


@dataclass(frozen=True)
class Kind:
    """A network, or an ensemble of it that predicts a value with its interval, and what it maps."""

    network: str
    members: int = 1
    preprocessing: str = "none"
    side: int = 512

    def __str__(self) -> str:
        preprocessed = "" if self.preprocessing == "none" else f" after {self.preprocessing}"
        return f"{self.members} x {self.network}{preprocessed}, {self.side} x {self.side} x {len(WAVELENGTHS)}"


KINDS = (
    Kind("cnn1d", members=5),
    Kind("cnn1d", members=5, preprocessing=TREATED),
    Kind("cnn1d", side=1024),
    Kind("spectratr", side=256),
)


@dataclass(frozen=True)
class Set:
    """Files of a set, its target, the column that divides it, and the preprocessing.

    Where rows that learn and rows that test lie in different files, a file's name holds ``{}``.
    """

    files: tuple[str, ...]
    target: str
    split: str = "part"
    preprocessing: str = TREATED

    def read(self, folder: Path) -> SpectraTable:
        """All rows, of one table or of two."""
        if "{}" not in self.files[0]:
            return read_spectra([folder / file for file in self.files])
        parts = [
            pd.concat([pd.read_csv(folder / file.format(part)) for file in self.files], axis=1)
            for part in ("train", "test")
        ]
        rows = pd.concat(parts, keys=("train", "test"), names=[self.split]).reset_index(self.split)
        with tempfile.TemporaryDirectory() as made:
            rows.to_csv(Path(made) / "rows.csv", index=False)
            return read_spectra([Path(made) / "rows.csv"])


SETS = {
    "forages2_dm": Set(("forages2_X.csv", "forages2_Y.csv"), "dm", "test", "none"),
    "forages2_ndf": Set(("forages2_X.csv", "forages2_Y.csv"), "ndf", "test", "none"),
    "nirsoil_nt": Set(("NIRsoil.csv",), "Nt", "train"),
    "nirsoil_ciso": Set(("NIRsoil.csv",), "Ciso", "train"),
    "nirsoil_cec": Set(("NIRsoil.csv",), "CEC", "train"),
    "tecator_fat": Set(("tecator_X.csv", "tecator_Y.csv"), "fat", "typ"),
    "wheat_protein": Set(("wheatkernels_X{}.csv", "wheatkernels_Y{}.csv"), "prot"),
    "cassava_tbc": Set(("cassav_X.csv", "cassav_Y.csv"), "tbc", "year"),
}


def lwplsr() -> None:
    """Spectra a second at 2,000 training rows x 700 bands, 200 neighbours, 10 components."""
    rng = np.random.default_rng(0)
    latent = rng.normal(size=(2500, 12))
    spectra = latent @ rng.normal(size=(12, 700)) + 0.05 * rng.normal(size=(2500, 700))
    target = np.tanh(latent[:, 0]) + latent[:, 1] ** 2
    model = LWPLSRegressor(n_components=10, n_neighbors=200).fit(spectra[:2000], target[:2000])
    model.predict(spectra[2000:2100])
    begun = time.perf_counter()
    model.predict(spectra[2000:])
    print(f"{500 / (time.perf_counter() - begun):.0f} spectra/s")


def compared(folder: Path, name: str, given: argparse.Namespace) -> list[dict[str, Any]]:
    """Fit and test every method with every seed, but for what the file of results already holds."""
    chosen = SETS[name]
    table = chosen.read(folder)
    target = table.target(chosen.target)
    done = read_results(given.jsonl)
    for method, seed in itertools.product(given.methods, range(given.seeds)):
        key = {"set": name, "method": method, "members": given.members, "seed": seed}
        if any(key.items() <= result.items() for result in done):
            continue
        split = split_rows(
            table,
            ~np.isnan(target),
            Division(split_column=chosen.split),
            seed=seed,
            intervals=False,
        )
        rows = Rows(
            table.spectra[split.train],
            target[split.train],
            table.wavelengths_nm,
            None,
            split.validation[:, split.train],
        )
        settings = Settings(preprocessing=chosen.preprocessing, members=given.members, seed=seed)
        begun = time.process_time()
        model = fit_method(method, rows, settings)
        trained = time.process_time()
        predicted = np.asarray(model.predict(table.spectra[split.test])).ravel()
        ran = time.process_time()
        scores = ValueScores.of(predicted, target[split.test])
        result = {
            **key, "r2": scores.r2, "rmsep": scores.rmsep, "train_s": trained - begun,
            "run_us": (ran - trained) / len(predicted) * 1e6,
            "measured": target[split.test].tolist(), "predicted": predicted.tolist(),
        }  # fmt: skip
        done.append(result)
        if given.jsonl is not None:
            with given.jsonl.open("a", encoding="utf-8") as file:
                file.write(json.dumps(result) + "\n")
        print(f"{name} {method} seed {seed}: R2 {scores.r2:.3f}", file=sys.stderr, flush=True)
    return [result for result in done if result["set"] == name]


def read_results(path: Path | None) -> list[dict[str, Any]]:
    """Results of earlier runs."""
    if path is None or not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def interval(results: list[dict[str, Any]]) -> tuple[float, float]:
    """95 % interval of the mean R2 of the seeds, by 2,000 bootstrap samples of the test rows."""
    measured = np.array(results[0]["measured"])
    predicted = np.array([result["predicted"] for result in results])
    rng = np.random.default_rng(0)
    means = []
    for _ in range(2000):
        rows = rng.integers(len(measured), size=len(measured))
        left = ((predicted[:, rows] - measured[rows]) ** 2).sum(axis=1)
        means.append(np.mean(1 - left / ((measured[rows] - measured[rows].mean()) ** 2).sum()))
    low, high = np.quantile(means, (0.025, 0.975))
    return float(low), float(high)


def one_set(folder: Path, name: str, given: argparse.Namespace) -> None:
    """Print mean and spread of R2 of every method, its interval, and what it costs."""
    found = compared(folder, name, given)
    for method, members in sorted({(result["method"], result["members"]) for result in found}):
        of_seeds = [r for r in found if (r["method"], r["members"]) == (method, members)]
        r2, rmsep, train_s, run_us = (
            np.array([r[key] for r in of_seeds]) for key in ("r2", "rmsep", "train_s", "run_us")
        )
        spread = r2.std(ddof=1) if len(r2) > 1 else np.nan
        low, high = interval(of_seeds)
        print(
            f"{name:14s} {method:15s} {members} R2 {r2.mean():.3f} +- {spread:.3f} ({low:.3f} to {high:.3f})"
            f"  RMSEP {rmsep.mean():.4g}  {len(r2)} seeds, {np.median(train_s):.1f} s to train, "
            f"{np.median(run_us):.0f} us a spectrum to run",
            flush=True,
        )


def trained(folder: Path, name: str, given: argparse.Namespace) -> None:
    """Print the method that a training keeps, and the figures of all."""
    chosen = SETS[name]
    options = TableOptions((chosen.target,), division=Division(split_column=chosen.split))
    settings = Settings(preprocessing=chosen.preprocessing, members=given.members)
    with tempfile.TemporaryDirectory() as made:
        path = Path(made) / "m.safetensors"
        found = train_table(
            chosen.read(folder), path, "auto", options, settings, report=lambda *_: None
        )
    for tried in found.methods:
        crossed, tested = tried.cross_validated, tried.tested[chosen.target]
        print(
            f"{name:14s} {tried.method:8s} RMSECV {crossed.loss:.4g} +- {crossed.standard_error:.2g}  "
            f"RMSEP {tested.rmsep:.4g}  R2 {tested.r2:.3f}  {crossed.seconds:.0f} s",
            flush=True,
        )
    print(f"{name:14s} {found.choice.reason}; {found.seconds:.0f} s in all", flush=True)


def fewest_one_error(trials: Trials) -> int:
    """Fewest latent variables within one standard error of the least RMSECV (Breiman et al. 1984)."""
    least = value_loss(trials.predicted[trials.losses.argmin()], trials.target, trials.folds)
    return int((trials.losses <= least.mean + least.error).argmax())


def fewest_f_test(trials: Trials) -> int:
    """Fewest whose sum of squares an F test at 25 % does not tell from the least (Haaland & Thomas 1988)."""
    n = len(trials.target)
    return int(((trials.losses / trials.losses.min()) ** 2 <= f.ppf(0.75, n, n)).argmax())


def fewest_randomised(trials: Trials) -> int:
    """Fewest that a randomisation test at 10 % does not tell from the least (van der Voet 1994)."""
    squares = (trials.predicted[:, 0] - trials.target) ** 2
    more = squares - squares[trials.losses.argmin()]
    signs = np.random.default_rng(0).choice((-1.0, 1.0), (999, more.shape[1]))
    beyond = ((signs @ more.T >= more.sum(axis=1)).sum(axis=0) + 1) / 1000
    return int((beyond > 0.1).argmax())


RULES: dict[str, Callable[[Trials], int]] = {
    "least RMSECV": lambda trials: int(trials.losses.argmin()),
    "one standard error": fewest_one_error,
    "F test, 25 %": fewest_f_test,
    "randomisation test, 10 %": fewest_randomised,
}


def components(folder: Path, name: str, given: argparse.Namespace) -> None:
    """Print RMSE and number of latent variables of each rule, on outer folds of the rows that learn."""
    chosen = SETS[name]
    table = chosen.read(folder)
    target = table.target(chosen.target)
    known = ~np.isnan(target)
    split = split_rows(table, known, Division(split_column=chosen.split), seed=0, intervals=False)
    spectra, target = table.spectra[split.learnt], target[split.learnt]
    squares: dict[str, list[float]] = {rule: [] for rule in RULES}
    numbers: dict[str, list[int]] = {rule: [] for rule in RULES}
    for seed in range(given.seeds):
        for learnt, measured in Folding(n_folds=5).divide(Samples(len(target)), seed)[0]:
            folds = Folding(n_folds=10).divide(Samples(len(learnt)), seed)
            trials = try_settings(
                "pls", spectra[learnt], target[learnt], folds, preprocessing=chosen.preprocessing
            )
            treat = Preprocessing(chosen.preprocessing).fit(spectra[learnt])
            most = trials.settings[-1]["n_components"]
            model = PLSRegressor(most).fit(treat.transform(spectra[learnt]), target[learnt])
            all_predicted = model.predict_all(treat.transform(spectra[measured]))
            errors = all_predicted.reshape(most, -1) - target[measured]
            for rule, fewest in RULES.items():
                number = fewest(trials)
                numbers[rule].append(number + 1)
                squares[rule].append(float((errors[number] ** 2).mean()))
    least = np.mean(squares["least RMSECV"])
    for rule in RULES:
        rmse = math.sqrt(np.mean(squares[rule]))
        print(
            f"{name:14s} {rule:25s} {np.mean(numbers[rule]):4.1f} latent variables  RMSE {rmse:.4g}  "
            f"{100 * (rmse / math.sqrt(least) - 1):+5.1f} %",
            flush=True,
        )


def make_cube(path: Path, side: int) -> None:
    """Reflectances of fields with smooth spectra and noise, as a tiled GeoTIFF that names wavelengths."""
    import rasterio
    from rasterio.transform import from_origin

    rng = np.random.default_rng(0)
    profile = {
        "driver": "GTiff", "height": side, "width": side, "count": len(WAVELENGTHS), "dtype": "int16",
        "crs": "EPSG:32633", "transform": from_origin(5e5, 5e6, 30, 30), "nodata": -32768,
        "tiled": True, "blockxsize": 256, "blockysize": 256, "interleave": "band",
        "compress": "deflate", "predictor": 2, "NUM_THREADS": "ALL_CPUS",
    }  # fmt: skip
    fields = rng.random((3, side // 32 + 1, side // 32 + 1)).repeat(32, 1).repeat(32, 2)
    brightness, height, centre = fields[:, :side, :side]
    with rasterio.open(path, "w", **profile) as dataset:
        dataset.scales = [1e-4] * len(WAVELENGTHS)
        for band, nm in enumerate(WAVELENGTHS, 1):
            peak = np.exp(-(((nm - 600 - 1500 * centre) / 300) ** 2))
            noise = rng.normal(0, 30, (side, side))
            dataset.write((500 + 2000 * (brightness + height * peak) + noise).astype("int16"), band)
            dataset.update_tags(band, wavelength=f"{nm:g}", wavelength_units="Nanometers")


def make_model(path: Path, kind: Kind) -> None:
    """Package of networks with random weights."""
    import torch

    from georaster_dl.core.legend import MapClass
    from georaster_dl.models.package.card import Architecture, Card, CardPreprocessing, ModelHalo
    from georaster_dl.models.package.file import save_model
    from georaster_dl.models.package.values import InputBand, Interval, Target
    from georaster_dl.models.registry import create_model
    from georaster_dl.models.runtime.cost import measure_cost

    torch.manual_seed(0)
    many = kind.members > 1
    name = "ensemble" if many else kind.network
    options = {"member": kind.network, "members": kind.members, "spread": True} if many else {}
    network = create_model(
        name, in_bands=len(WAVELENGTHS), n_classes=2 if many else CLASSES, **options
    )
    spectra = np.random.default_rng(0).uniform(0.05, 0.5, (500, len(WAVELENGTHS)))
    chain = Preprocessing(kind.preprocessing).fit(spectra)
    preprocessed = chain.transform(spectra)
    interval = Interval(level=0.9, factor=2, floor=0.3)
    card = Card(
        name="benchmark",
        version="1",
        task="regression" if many else "segmentation",
        architecture=Architecture(name=name, options=options),
        bands=[
            InputBand(name=f"{nm:g} nm", wavelength_nm=nm, mean=mean, std=std)
            for nm, mean, std in zip(
                WAVELENGTHS, preprocessed.mean(0), preprocessed.std(0), strict=True
            )
        ],
        preprocessing=None
        if kind.preprocessing == "none"
        else CardPreprocessing(**chain.to_json()),
        classes=[
            MapClass(i + 1, f"class {i + 1}", (i * 20, 128, 128))
            for i in range(0 if many else CLASSES)
        ],
        targets=[Target(name="value", mean=10, std=2, interval=interval)] if many else (),
        stride=1,
        halo=ModelHalo(default=0, exact=0),
        cost=measure_cost(network, in_bands=len(WAVELENGTHS), stride=1),
    )
    save_model(path, card, network)


def part_bare(scene: str, model: str, device: str, precision: str, **_: object) -> dict[str, float]:
    """Run the bare network over as many pixels as the scene has."""
    import torch

    from georaster_dl.io.scenes.reader import open_scene
    from georaster_dl.models.package.file import load_model
    from georaster_dl.models.runtime.device import Device

    where = Device.choose(device, precision)
    network = load_model(Path(model))[1].to(where.torch_device)
    x = torch.randn(1, len(WAVELENGTHS), TILE, TILE, device=where.torch_device)
    x = x.to(memory_format=torch.channels_last)
    n = math.prod(open_scene(scene).shape) // TILE**2
    with torch.inference_mode(), where.arithmetic():
        network(x)
        synchronise(where.is_cuda)
        begun = time.perf_counter()
        for _i in range(n):
            network(x)
        synchronise(where.is_cuda)
    return {"seconds": time.perf_counter() - begun}


PARTS = {"bare": part_bare, "segment": part_segment}


def speed(folder: Path, given: argparse.Namespace) -> None:
    """Throughput of ``geodl segment`` as a share of the bare network's."""
    scene, warm, model = folder / "scene.tif", folder / "warm.tif", folder / "model.safetensors"
    make_cube(warm, 64)
    lines = []
    for kind in KINDS:
        make_cube(scene, kind.side)
        make_model(model, kind)
        # Values are computed in fp32 by default.
        precision = "fp32" if kind.members > 1 and given.precision == "auto" else given.precision
        common = {
            "scene": str(scene), "model": str(model), "warm": str(warm), "halo": "0",
            "device": given.device, "precision": precision, "script": __file__,
        }  # fmt: skip
        shares = []
        for number in range(given.rounds):
            found = {part: measure(part, **common) for part in PARTS}
            shares.append(found["bare"]["seconds"] / found["segment"]["seconds"])
            print(f"{kind}, round {number + 1}: {json.dumps(found)}", flush=True)
        lines.append(
            f"{kind}, {found['segment']['device']}: {np.median(shares):.3f} of the bare network's "
            f"throughput ({min(shares):.3f} to {max(shares):.3f})"
        )
    print(f"\n{machine()}; medians of {given.rounds} rounds", *lines, sep="\n")


def memory(folder: Path, given: argparse.Namespace) -> None:
    """Peak memory of a map by SpectraTr."""
    scene, model = folder / "cube.tif", folder / "model.safetensors"
    make_cube(scene, 512)
    make_model(model, Kind("spectratr"))
    found = measure(
        "segment", scene=str(scene), model=str(model), warm="", halo="0",
        device=given.device, precision=given.precision, script=__file__,
    )  # fmt: skip
    print(f"spectratr, 512 x 512 x {len(WAVELENGTHS)}: {json.dumps(found)}\n{machine()}")


def lwplsr_cube(folder: Path, given: argparse.Namespace) -> None:
    """Seconds and memory of a cube by locally weighted PLS, and how far pixels are from the estimator."""
    import rasterio

    from georaster_dl.core.process import tune_allocators
    from georaster_dl.models.package.values import Target
    from georaster_dl.predict.options import Outputs, SegmentOptions
    from georaster_dl.predict.segment import segment
    from georaster_dl.spectra.methods.fitted import FittedMethod
    from georaster_dl.spectra.package.file import Metadata, save_spectral_model

    tune_allocators()  # as the command does
    scene, model, out = (folder / name for name in ("cube.tif", "model.safetensors", "map.tif"))
    make_cube(scene, 512)
    with rasterio.open(scene) as dataset:
        pixels = dataset.read().reshape(len(WAVELENGTHS), -1).T
    spectra = np.random.default_rng(0).permutation(pixels)[:2000] * 1e-4
    values = 30 * spectra.max(axis=1) + np.sin(10 * spectra[:, 40]) + spectra[:, 100] ** 2
    settings = {"n_components": 10, "n_neighbors": 200, "h": 2.0}
    fitted = FittedMethod.fit("lwplsr", spectra, values, WAVELENGTHS, [settings])
    card = save_spectral_model(model, fitted, Metadata(targets=(Target("value"),)))
    summary = segment(str(scene), model, Outputs(out), SegmentOptions(device=given.device))
    some = np.random.default_rng(1).integers(len(pixels), size=1000)
    with rasterio.open(out) as dataset:
        mapped = dataset.read(1).ravel()[some]
    apart = np.abs(mapped - fitted.predict(pixels[some] * 1e-4)[:, 0]) / fitted.target_std
    print(
        f"lwplsr, 512 x 512 x {len(WAVELENGTHS)}: {summary.seconds:.0f} s, peak {peak_gib():.1f} GiB with the training; "
        f"{card.training['library']}\n1,000 pixels differ from the estimator by {np.median(apart):.0e} standard "
        f"deviations in the median, {apart.max():.0e} at most, {(apart > 1e-4).sum()} by more than 1e-4\n{machine()}"
    )


def main() -> None:
    if len(sys.argv) == 3 and sys.argv[1] == "part":
        return run_part(sys.argv[2], PARTS)
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "what",
        choices=["lwplsr", "compare", "train", "components", "speed", "memory", "lwplsr-cube"],
    )
    parser.add_argument("data", type=Path, nargs="?", help="folder of the tables")
    parser.add_argument("sets", nargs="*", help=f"some of {', '.join(SETS)}; all by default")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--members", type=int, default=1, help="networks of an ensemble")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--jsonl", type=Path, help="file of results to go on with")
    parser.add_argument("--device", default="cpu", help="of speed and memory")
    parser.add_argument("--precision", default="auto", help="of speed and memory")
    parser.add_argument("--rounds", type=int, default=5, help="of speed")
    given = parser.parse_args()
    on_cubes = {"speed": speed, "memory": memory, "lwplsr-cube": lwplsr_cube}
    if given.what in on_cubes:
        with tempfile.TemporaryDirectory() as folder:
            on_cubes[given.what](Path(folder), given)
        return None
    if given.what == "lwplsr":
        return lwplsr()
    for name in given.sets or SETS:
        {"compare": one_set, "train": trained, "components": components}[given.what](
            given.data, name, given
        )
    return None


if __name__ == "__main__":
    main()
