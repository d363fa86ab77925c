"""Few labelled series: what a network pretrained on the unlabelled rest adds to forest, SVM and logistic regression.

    python benchmarks/pretrain_series.py ../shared/data
    python benchmarks/pretrain_series.py ../shared/data --seeds 100 101 102 --jsonl chosen.jsonl

Samples of ``samples_mt_9classes``: 30 % test (stratified, another draw for each seed), of the rest 5 or 10 of each class have
their label, all others are unlabelled. The encoder of ``ltae`` learns without labels from all but the test: half of a series'
dates are hidden, at random or half a season at once, and their bands are found from the others by the day asked for. Its
128 features are then fixed. ``spreading`` is label spreading over 15 neighbours among all series but those of the test
(Zhou et al. 2004). Means are of the probabilities. Which methods are averaged was chosen with seeds 100 to 104, without any
features of a network; nothing of the pretraining was chosen. Seeds from 0 on are looked at once.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from sklearn.base import ClassifierMixin
from sklearn.decomposition import PCA
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler
from sklearn.semi_supervised import LabelSpreading
from sklearn.svm import SVC
from torch import nn

from georaster_dl.models.contract import Dated
from georaster_dl.models.zoo.series.layers import positions
from georaster_dl.models.zoo.series.ltae import PixelLTAE

BATCH = 128
PLACES = 32  # sines and cosines of the day that is asked for
TREES = 300


def encoder_of(values: torch.Tensor, days: torch.Tensor, epochs: int, seed: int) -> nn.Module:
    """Pretrain the encoder of ``ltae`` on series (n, dates, bands): hidden dates are found from the others."""
    torch.manual_seed(seed)
    n, dates, bands = values.shape
    encoder = PixelLTAE([bands], 1, dropout=0.1).encoders[0]
    found = nn.Sequential(nn.Linear(128 + PLACES, 128), nn.GELU(), nn.Linear(128, bands))
    optimiser = torch.optim.AdamW(
        [*encoder.parameters(), *found.parameters()], lr=3e-3, weight_decay=1e-2
    )
    steps = epochs * (n // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 3e-3, total_steps=steps)
    encoder.train()
    for _ in range(epochs):
        for rows in torch.randperm(n)[: n // BATCH * BATCH].view(-1, BATCH):
            seen, at = values[rows], days[rows]
            hidden = torch.rand(BATCH, dates) < 0.5
            first = torch.randint(0, dates - dates // 2 + 1, (BATCH, 1))
            span = (torch.arange(dates) >= first) & (torch.arange(dates) < first + dates // 2)
            hidden = torch.where(torch.rand(BATCH, 1) < 0.5, span, hidden)
            hidden[:, 0] &= ~hidden.all(dim=1)
            features = encoder(Dated(seen, at, ~hidden))[:, None].expand(-1, dates, -1)
            error = found(torch.cat([features, positions(at, PLACES)], 2)) - seen
            error[hidden].abs().mean().backward()
            optimiser.step()
            schedule.step()
            optimiser.zero_grad()
    return encoder.eval()


def spreading(spectra: np.ndarray, labels: np.ndarray, rest: np.ndarray) -> ClassifierMixin:
    """Label spreading from labelled rows to unlabelled ones, fitted."""
    everything = np.concatenate([spectra, rest])
    known = np.concatenate([labels, np.full(len(rest), -1)])
    return LabelSpreading(kernel="knn", n_neighbors=15, alpha=0.5).fit(everything, known)


def scores(
    raw: np.ndarray, features: np.ndarray, y: np.ndarray, rows: dict[str, np.ndarray], seed: int
) -> dict[str, float]:
    """Macro F1 of every method on the rows that test; arrays are standardised by the rows without test."""
    learnt, test, taught = rows["labelled"], rows["test"], rows["taught"]
    rest = np.setdiff1d(taught, learnt)
    both = np.concatenate([raw / np.sqrt(raw.shape[1]), features / np.sqrt(features.shape[1])], 1)
    both *= np.sqrt(features.shape[1])
    reduced = PCA(16, random_state=seed).fit(raw[taught]).transform(raw)

    def of(model: ClassifierMixin, x: np.ndarray) -> np.ndarray:
        return model.fit(x[learnt], y[learnt]).predict_proba(x[test])

    def votes(x: np.ndarray) -> np.ndarray:
        return np.eye(len(np.unique(y)))[SVC(C=10).fit(x[learnt], y[learnt]).predict(x[test])]

    def spread(x: np.ndarray) -> np.ndarray:
        # Series that no label reaches have none: 0 / 0.
        with np.errstate(invalid="ignore"):
            return np.nan_to_num(spreading(x[learnt], y[learnt], x[rest]).predict_proba(x[test]))

    forest = RandomForestClassifier(TREES, random_state=seed)
    trees = ExtraTreesClassifier(TREES, random_state=seed)
    logistic = LogisticRegression(max_iter=3000, C=0.1)
    found = {
        "RF raw": of(forest, raw),
        "LR raw": of(LogisticRegression(max_iter=3000), raw),
        "PCA-16 + LR": of(LogisticRegression(max_iter=3000), reduced),
        "SVM raw": votes(raw),
        "extra trees raw": of(trees, raw),
        "spreading raw": spread(raw),
        "LR features": of(logistic, features),
        "SVM features": votes(features),
        "SVM raw and features": votes(both),
        "RF raw and features": of(forest, both),
        "extra trees raw and features": of(trees, both),
        "spreading features": spread(features),
    }
    found["mean of RF, extra trees, LR, raw"] = (
        found["RF raw"] + found["extra trees raw"] + of(logistic, raw)
    )
    found["the same and spreading raw"] = (
        found["mean of RF, extra trees, LR, raw"] + found["spreading raw"]
    )
    found["mean of RF, extra trees raw, LR features"] = (
        found["RF raw"] + found["extra trees raw"] + found["LR features"]
    )
    found["the same and spreading features"] = (
        found["mean of RF, extra trees raw, LR features"] + found["spreading features"]
    )
    return {
        name: f1_score(y[test], of_test.argmax(1), average="macro")
        for name, of_test in found.items()
    }


def drawn(data: Path, seed: int, labels: list[int], epochs: int) -> list[dict]:
    """Scores of one draw of the test, by the number of labels a class."""
    archive = np.load(data / "sits_matogrosso" / "samples_mt_9classes.npz", allow_pickle=True)
    values, y = archive["X"].astype(np.float32), np.unique(archive["y"], return_inverse=True)[1]
    days = archive["days_since_1970"]
    days = (days - days[:, :1]).astype(np.float32)
    taught, test = train_test_split(np.arange(len(y)), test_size=0.3, stratify=y, random_state=seed)
    mean, std = values[taught].mean((0, 1)), values[taught].std((0, 1))
    series, at = torch.from_numpy((values - mean) / std), torch.from_numpy(days)
    encoder = encoder_of(series[taught], at[taught], epochs, seed)
    with torch.inference_mode():
        features = encoder(Dated(series, at, torch.ones(at.shape, dtype=torch.bool))).numpy()
    raw = values.reshape(len(values), -1)
    raw, features = (StandardScaler().fit(x[taught]).transform(x) for x in (raw, features))
    random, rows = np.random.default_rng(seed), []
    for n in labels:
        known = [random.choice(taught[y[taught] == k], n, replace=False) for k in np.unique(y)]
        parts = {"labelled": np.concatenate(known), "test": test, "taught": taught}
        found = scores(raw, features, y, parts, seed)
        rows += [{"seed": seed, "labels": n, "method": m, "macro_f1": f} for m, f in found.items()]
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--seeds", nargs="+", type=int, default=list(range(5)))
    parser.add_argument("--labels", nargs="+", type=int, default=[5, 10])
    parser.add_argument("--epochs", type=int, default=40, help="of the pretraining")
    parser.add_argument("--jsonl", type=Path)
    given = parser.parse_args()
    torch.set_num_threads(1)
    kept = given.jsonl is not None and given.jsonl.exists()
    rows = [json.loads(line) for line in given.jsonl.read_text().splitlines()] if kept else []
    for seed in given.seeds:
        if any(row["seed"] == seed for row in rows):
            continue
        begun = time.process_time()
        found = drawn(given.data, seed, given.labels, given.epochs)
        rows += found
        print(f"seed {seed}: {time.process_time() - begun:.0f} s of the processor", flush=True)
        if given.jsonl is not None:
            with given.jsonl.open("a") as file:
                file.writelines(json.dumps(row) + "\n" for row in found)
    table = pd.DataFrame(row for row in rows if row["seed"] in given.seeds)
    means = table.groupby(["method", "labels"], sort=False).macro_f1.agg(["mean", "std"])
    print(means.unstack("labels").round(3).to_string())


if __name__ == "__main__":
    main()
