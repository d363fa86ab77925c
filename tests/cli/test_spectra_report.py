"""``--html`` of the commands of ``geodl spectra``: a page beside the scores, which it never costs."""

import re

import numpy as np
import pandas as pd
import pytest

from georaster_dl.models.package.file import read_card
from georaster_dl.models.package.values import Interval, Target
from georaster_dl.spectra.methods.domain import domain_distances, fit_domain
from georaster_dl.spectra.methods.fitted import FittedMethod
from georaster_dl.spectra.package.file import Metadata, load_spectral_model, save_spectral_model
from georaster_dl.spectra.scoring.scores import ValueScores
from tests.spectra.made import chemistry

BANDS = 24
WAVELENGTHS = 1000.0 + 20 * np.arange(BANDS)


@pytest.fixture
def table(tmp_path):
    spectra, values = chemistry(60, BANDS)
    frame = pd.DataFrame(spectra, columns=[f"{wave:g} nm" for wave in WAVELENGTHS])
    frame["fat"] = values[:, 0]
    frame["sample"] = [f"S{i:03d}" for i in range(60)]
    path = tmp_path / "meat.csv"
    frame.to_csv(path, index=False)
    return path


@pytest.fixture
def model(tmp_path):
    spectra, values = chemistry(90, BANDS, seed=4)
    settings = ({"n_components": 5},)
    fitted = FittedMethod.fit(
        "pls", spectra, values, tuple(WAVELENGTHS), settings, preprocessing="snv"
    )
    target = Target("fat", "%", interval=Interval(0.9, 1.7, 0.4))
    path = tmp_path / "fat.safetensors"
    preprocessed = fitted.preprocessing.transform(spectra)
    domain = fit_domain(preprocessed, values, 5)
    save_spectral_model(
        path, fitted, Metadata((target,), limitations="Lean meat only.", domain=domain)
    )
    return path


def test_predictions_and_their_model_make_a_page(geodl, table, model, tmp_path):
    scored = geodl("spectra", "evaluate", table, "-m", model, "--html", "r.html")
    assert scored.code == 0, scored.err
    assert scored.out.splitlines()[-1] == "r.html"
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert geodl("spectra", "predict", table, "-m", model, "-o", "p.csv").code == 0
    frame = pd.read_csv(tmp_path / "p.csv")
    scores = ValueScores.of(frame["fat_predicted"].to_numpy(), frame["fat"].to_numpy())
    assert f"<td>{scores.rmsep:.4g}</td>" in page
    assert "measured fat (%)" in page
    assert "Lean meat only." in page
    assert "<b>Preprocessed spectra</b>" in page
    assert "S059: measured" in page
    loaded = load_spectral_model(model)
    spectra, _ = chemistry(60, BANDS)
    distances = domain_distances(loaded.card.domain, loaded.preprocessing.transform(spectra))
    assert f"S003: T² {distances.t2[3]:.3g}, Q {distances.q[3]:.3g}" in page
    assert "If the model was trained on some of these rows" in page


def test_predictions_alone_make_a_page(geodl, tmp_path):
    classes = pd.DataFrame({"kind": ["a", "b", "b"], "class_predicted": ["a", "b", "a"]})
    classes.to_csv(tmp_path / "p.csv", index=False)
    report = ("--html", "r.html")
    scored = geodl("spectra", "evaluate", "p.csv", "--class-column", "kind", *report)
    assert scored.code == 0, scored.err
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "67 % get the right kind" in re.sub(r"\s+", " ", page)


def test_a_page_is_html(geodl, tmp_path):
    (tmp_path / "p.csv").write_text("fat,fat_predicted\n1,1.1\n2,2.2\n")
    ended = geodl("spectra", "evaluate", "p.csv", "--target", "fat", "--html", "r.pdf")
    assert ended.code == 1
    assert "--html" in ended.err


def test_spectra_are_scored_without_a_report(geodl, tmp_path, small_disk):
    rows = "\n".join(f"{i},{i + 0.1}" for i in range(900))
    (tmp_path / "p.csv").write_text(f"fat,fat_predicted\n{rows}\n")
    lost = small_disk(64) / "r.html"
    ended = geodl("spectra", "evaluate", "p.csv", "--target", "fat", "--html", lost)
    assert ended.code == 4, ended.err
    assert "RMSEP" in ended.out
    assert f"{lost} was not made: " in ended.err
    assert not lost.exists()


def test_a_training_makes_a_page_beside_its_model(geodl, table, tmp_path):
    made = ("-o", "m.safetensors", "--html", "r.html")
    ended = geodl("spectra", "train", table, "--target", "fat", "--method", "pls", *made)
    assert ended.code == 0, ended.err
    assert ended.out.splitlines()[-2:] == ["m.safetensors", "r.html"]
    metrics = read_card(tmp_path / "m.safetensors").metrics
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    for name in ("RMSECV fat", "RMSEP fat, test"):
        assert f"<td>{metrics[name]:.4g}</td>" in page
    assert "pls was asked for" in page


def test_a_model_is_made_without_its_report(geodl, table, tmp_path, small_disk):
    lost = small_disk(64) / "r.html"
    made = ("-o", "m.safetensors", "--html", lost)
    ended = geodl("spectra", "train", table, "--target", "fat", "--method", "pls", *made)
    assert ended.code == 4, ended.err
    assert (tmp_path / "m.safetensors").is_file()
    assert f"{lost} was not made: " in ended.err


def test_a_comparison_makes_a_page(geodl, table, tmp_path):
    methods = ("--methods", "pls,rf", "--seeds", 2)
    ended = geodl(
        "spectra",
        "compare",
        table,
        "--target",
        "fat",
        *methods,
        "--html",
        "r.html",
        "--progress",
        "json",
    )
    assert ended.code == 0, ended.err
    rows = {row["method"]: row for row in ended.events[-1]["methods"]}
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    for row in rows.values():
        assert f"<td>{row['rmsep']:.4g}</td><td>{row['rmsep_sd']:.4g}</td>" in page
    best, other = sorted(rows, key=lambda name: rows[name]["rmsep"])
    assert f"{best} errs least on these rows; {other}" in page
    assert f'<div class="figure">{rows[best]["rmsep"]:.3g}</div>' in page
    assert page.index(f"RMSEP, {best}") < page.index(f"RMSEP, {other}")
