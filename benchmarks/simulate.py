"""Simulated spectra beside the few measured ones that they were made from, and what classifiers gain by them.

    nice python benchmarks/simulate.py ../shared/data/nir --jsonl simulated.jsonl

406 forages of four types (column ``typ``). Its column ``test`` marks the 100 spectra that test, always the same; the other 306
learn. Of these, 3 to 20 a class are drawn, 8 times, and 500 spectra are simulated from the drawn ones alone; or from all 306, where
the seed is of the simulation. The classifier is that of ``geodl spectra simulate --report``, a support vector machine of fixed
settings, after SNV and the first or second derivative. Which derivative, the rows that learn say by cross-validation: all 306 (first
table), or the drawn ones of each draw alone (``chosen``). Scores are macro F1, with their standard deviation over draws or
seeds. ``--jsonl`` keeps the figures, and leaves out what it holds already.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from georaster_dl.core.errors import OptionError
from georaster_dl.core.events import no_report
from georaster_dl.spectra.preprocess.chain import Preprocessing
from georaster_dl.spectra.scoring.folds import cross_validation
from georaster_dl.spectra.simulate.judging.likeness import compare_spectra
from georaster_dl.spectra.simulate.judging.use import Gain, Learner
from georaster_dl.spectra.simulate.run import Request, simulate_from
from georaster_dl.spectra.table.samples import SpectraTable, read_spectra

CLASSES, TEST = "typ", "test"
TREATMENTS = {"first": "snv,savgol(15,2,1)", "second": "snv,savgol(15,2,2)"}
WAYS: dict[str, tuple[str, dict[str, Any]]] = {
    "gaussian": ("gaussian", {}),
    "mixtures": ("mixtures", {"within_classes": True}),
    "gan": ("gan", {}),
    "gan, original loss": ("gan", {"gan_loss": "original"}),
}
LEVELS = (3, 5, 10, 20)
SIMULATED, DIVISIONS = 500, 5


def labels(table: SpectraTable) -> np.ndarray:
    return table.classes(CLASSES).astype(str)


def drawn(table: SpectraTable, level: int, draw: int) -> SpectraTable:
    """Draw as many rows of each class; all where the level is 0."""
    if not level:
        return table
    random, names = np.random.default_rng(draw), labels(table)
    rows = [random.choice(np.flatnonzero(names == c), level, False) for c in np.unique(names)]
    return table.rows(np.concatenate(rows))


def validated(table: SpectraTable, steps: str, folds: int) -> float:
    """Score by cross-validation of real spectra alone, as a mean of several divisions."""
    learner, names = Learner(steps), labels(table)
    scores = [
        learner.score(table.spectra[train], names[train], table.spectra[held], names[held])
        for seed in range(DIVISIONS)
        for train, held in cross_validation(
            len(table), folds, groups=None, classes=names, seed=seed
        )
    ]
    return float(np.mean(scores))


def measured(
    learn: SpectraTable, test: SpectraTable, way: str, level: int, draw: int
) -> dict[str, Any]:
    """Scores on the test rows by treatment, and how far simulated spectra are from those learnt from."""
    method, options = WAYS[way]
    real = drawn(learn, level, draw)
    request = Request(method, SIMULATED, draw, {"class_field": CLASSES, **options})
    try:
        made = simulate_from([real], request, no_report)
    except OptionError as error:
        return {"refused": str(error)}
    simulated, names = made.spectra.astype(float), made.columns[CLASSES].astype(str)
    both = np.concatenate([real.spectra, simulated]), np.concatenate([labels(real), names])
    found = {}
    for treatment, steps in TREATMENTS.items():
        held = test.spectra, labels(test)
        score = Learner(steps).score
        chain = Preprocessing(steps).fit(real.spectra)
        treated = [chain.transform(each) for each in (simulated, real.spectra, test.spectra)]
        like = compare_spectra(
            *treated, (names, labels(real), labels(test)), np.random.default_rng(draw)
        )
        found[treatment] = {
            "real": score(real.spectra, labels(real), *held),
            "both": score(*both, *held),
            "simulated": score(simulated, names, *held),
            "ratio": like.neighbour_ratio,
            "mmd": like.mmd,
            "mmd_real": like.mmd_real,
            "validated": validated(real, steps, min(5, level)) if level else None,
        }
    return {"scores": found}


def runs(given: argparse.Namespace) -> Iterator[tuple[str, int, int]]:
    """Ways, levels and draws; where a GAN is refused, once is enough."""
    for way in given.ways:
        network = WAYS[way][0] == "gan"
        for level in (*LEVELS, 0):
            draws = given.draws if not network else given.seeds if not level else 1
            for draw in range(draws):
                yield way, level, draw


def told(values: pd.Series | np.ndarray) -> str:
    spread = np.std(values, ddof=1) if len(values) > 1 else float("nan")
    return f"{np.mean(values):.3f} +- {spread:.3f}"


def flat(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """A row of each way, level, draw and treatment; ``chosen`` is the treatment that the drawn rows chose."""
    found = []
    for row in rows:
        scores = row.get("scores", {})
        if scores and row["level"]:
            best = max(scores, key=lambda each: scores[each]["validated"])
            scores = {**scores, "chosen": scores[best]}
        own = {name: row[name] for name in ("way", "level", "draw")}
        found += [{**own, "treatment": name, **figures} for name, figures in scores.items()]
    return pd.DataFrame(found)


def gained(own: pd.DataFrame) -> str:
    """Score with simulated spectra, and the 95 % interval of the gain over the draws."""
    low, high = Gain("", own.real.to_numpy(), own.both.to_numpy()).interval
    return f"{told(own.both)} ({low:+.3f} to {high:+.3f})"


def show(rows: list[dict[str, Any]]) -> None:
    table = flat(rows)
    few, every = table[table.level > 0], table[table.level == 0]
    for treatment, own in few.groupby("treatment"):
        ways = own.way.unique()
        print(f"\n{treatment} | real only | " + " | ".join(f"+ {way} (gain)" for way in ways))
        for level, of_level in own.groupby("level"):
            cells = [gained(of_level[of_level.way == way]) for way in ways]
            real = told(of_level[of_level.way == ways[0]].real)
            print(f"{level} a class | {real} | " + " | ".join(cells))
    print("\nall 306 | TRTR | TSTR | real and simulated | neighbour ratio | MMD (of real)")
    for (treatment, way), own in every.groupby(["treatment", "way"]):
        print(
            f"{treatment}, {way} ({len(own)}) | {own.real.mean():.3f} | {told(own.simulated)} | {told(own.both)} | "
            f"{told(own.ratio)} | {own.mmd.mean():.3f} ({own.mmd_real.mean():.3f})"
        )
    for row in rows:
        if "refused" in row:
            print(f"{row['way']}, {row['level']} a class: {row['refused']}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder of forages_X.csv and forages_Y.csv")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--draws", type=int, default=8)
    parser.add_argument("--seeds", type=int, default=3, help="of each GAN")
    parser.add_argument("--jsonl", type=Path)
    given = parser.parse_args()
    table = read_spectra([given.data / "forages_X.csv", given.data / "forages_Y.csv"])
    tests = table.columns[TEST].to_numpy() == 1
    learn, test = table.rows(~tests), table.rows(tests)
    print(f"{len(learn)} spectra learn, {len(test)} test")
    for treatment, steps in TREATMENTS.items():
        print(
            f"{treatment} derivative, {steps}: {validated(learn, steps, 5):.3f} on the rows that learn"
        )
    kept = given.jsonl.read_text().splitlines() if given.jsonl and given.jsonl.exists() else []
    rows = [json.loads(line) for line in kept]
    done = {(row["way"], row["level"], row["draw"]) for row in rows}
    for run in runs(given):
        if run in done:
            continue
        begun = time.process_time()
        row = dict(zip(("way", "level", "draw"), run, strict=True))
        row |= measured(learn, test, *run)
        row["seconds"] = round(time.process_time() - begun, 1)
        rows.append(row)
        print(*run, row["seconds"], "s", flush=True)
        if given.jsonl:
            with given.jsonl.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")
    show(rows)


if __name__ == "__main__":
    sys.exit(main())
