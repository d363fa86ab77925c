"""``geodl spectra`` from table to model, predictions, scores and comparison."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from georaster_dl.models.package.file import read_card
from georaster_dl.spectra.scoring.scores import ValueScores
from tests.spectra.made import chemistry

QUICK = ("--members", 2, "--epochs", 4)
BANDS = 24


def made(n=80, **columns):
    spectra, values = chemistry(n, BANDS, targets=2)
    frame = pd.DataFrame(spectra, columns=[f"{1000 + 20 * i} nm" for i in range(BANDS)])
    frame["fat"], frame["water"] = values.T
    frame["kind"] = np.where(values[:, 0] > 0.5, "rich", "poor")
    return frame.assign(**columns)


DISTANCES = (
    *("T2_reduced", "Q_reduced", "leverage_reduced", "nn_distance_reduced"),
    "unlike_calibration",
)

WITHIN = ("within_poor", "within_rich", "classes_possible")


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "meat.csv"
    made().to_csv(path, index=False)
    return path


@pytest.fixture
def values_model(geodl, table, tmp_path):
    path = tmp_path / "fat.safetensors"
    arguments = ("--target", "fat", "-o", path, "--method", "cnn1d", *QUICK)
    assert geodl("spectra", "train", table, *arguments).code == 0
    return path


def test_from_table_to_scores(geodl, table, tmp_path):
    trained = geodl(
        "spectra", "train", table, "--target", "fat", "--target", "water", "-o", "m.safetensors",
        "--preprocess", "snv,savgol(5,2,1)", "--method", "cnn1d", *QUICK,
    )  # fmt: skip
    assert trained.code == 0, trained.err
    lines = trained.out.splitlines()
    assert lines[0].startswith(
        "51 learnt from, 13 chose the epoch, 13 set the intervals, 16 tested"
    )
    assert lines[1] == "cross-validation: 5 folds (random)"
    heads = [i for i, line in enumerate(lines) if "RMSECV" in line and "RMSEP" in line]
    assert [lines[i].split()[0] for i in heads] == ["fat", "water"]
    assert [[lines[i + k].split()[0] for k in (1, 2)] for i in heads] == [["cnn1d", "pls"]] * 2
    assert "pls has the lower mean RMSECV by standard deviation" in lines[-2]
    assert lines[-1] == "m.safetensors"
    assert "m: Rows were divided by chance" in trained.err
    card = read_card(tmp_path / "m.safetensors")
    assert card.training["method"] == lines[-2]
    assert card.preprocessing.steps == "snv,savgol(5,2,1)"
    assert card.architecture.options["members"] == 2

    predicted = geodl("spectra", "predict", table, "-m", "m.safetensors", "-o", "p.csv")
    assert predicted.code == 0, predicted.err
    frame = pd.read_csv(tmp_path / "p.csv")
    assert list(frame) == [
        *("fat", "water", "kind"),
        *(
            f"{name}_{what}"
            for name in ("fat", "water")
            for what in ("predicted", "lower_90", "upper_90")
        ),
        *DISTANCES,
    ]
    assert (frame["fat_lower_90"] < frame["fat_predicted"]).all()

    scored = geodl("spectra", "evaluate", "p.csv", "--target", "fat", "--plot", "p.png")
    assert scored.code == 0, scored.err
    rmsep = ValueScores.of(frame["fat_predicted"].to_numpy(), frame["fat"].to_numpy()).rmsep
    assert scored.out.startswith(f"fat              RMSEP {rmsep:.4g}  MAE ")
    assert "within 90 % intervals" in scored.out
    assert (tmp_path / "p.png").read_bytes().startswith(b"\x89PNG")
    at_once = geodl("spectra", "evaluate", table, "-m", "m.safetensors", "--target", "fat")
    assert at_once.out.splitlines()[0] == scored.out.splitlines()[0]
    both = geodl("spectra", "evaluate", table, "-m", "m.safetensors")
    assert [line.split()[0] for line in both.out.splitlines()] == ["fat", "water"]


def test_classes(geodl, table, tmp_path):
    trained = geodl(
        "spectra", "train", table, "--class-column", "kind", "-o", "k.safetensors", "-m",
        "band-attention", *QUICK, "--progress", "json",
    )  # fmt: skip
    assert trained.code == 0, trained.err
    assert trained.events[0]["event"] == "start"
    done = trained.events[-1]
    assert done["outputs"] == ["k.safetensors"]
    assert set(done["metrics"]) == {
        *("OA, test", "balanced accuracy, test"),
        *("macro F1, test", "macro F1, cross-validation"),
    }
    assert [one["method"] for one in done["methods"]] == ["band-attention", "pls"]
    assert done["method"] == "band-attention"
    assert geodl("spectra", "predict", table, "-m", "k.safetensors", "-o", "p.csv").code == 0
    frame = pd.read_csv(tmp_path / "p.csv")
    assert list(frame)[3:] == [
        "class_predicted",
        "probability",
        "p_poor",
        "p_rich",
        *WITHIN,
        *DISTANCES,
    ]
    scored = geodl("spectra", "evaluate", "p.csv", "--class-column", "kind")
    share = (frame["kind"] == frame["class_predicted"]).mean()
    assert scored.out.startswith(f"kind             OA {share:.4g}")


def test_compare(geodl, table, tmp_path):
    ended = geodl(
        "spectra", "compare", table, "--target", "fat", "--methods", "pls, cnn1d", "--folds", 3,
        "--seeds", 2, "--epochs", 2, "-o", "c.csv", "--plot", "c.png",
    )  # fmt: skip
    assert ended.code == 0, ended.err
    pls, cnn = ended.out.splitlines()[:2]
    assert pls.startswith("pls              RMSEP ")
    assert " ± " in cnn
    assert "  p " in cnn
    assert "  p " not in pls
    frame = pd.read_csv(tmp_path / "c.csv")
    assert list(frame["method"]) == ["pls", "cnn1d"]
    assert (frame[["rmsep", "rmsep_sd", "r2", "rpd"]].notna()).all(axis=None)
    assert (tmp_path / "c.png").exists()
    quiet = geodl(
        "spectra", "compare", table, "--class-column", "kind", "--methods", "pls", "--seeds", 1,
        "--quiet",
    )  # fmt: skip
    assert (quiet.code, quiet.out, quiet.err) == (0, "", "")


def test_scores_without_a_meaning(geodl, tmp_path):
    """One pair has an error, but no spread; JSON has no NaN."""
    (tmp_path / "p.csv").write_text("fat,fat_predicted\n1.5,2\n,3\n")
    ended = geodl("spectra", "evaluate", "p.csv", "--target", "fat", "--progress", "json")
    scores = ended.events[-1]["scores"]["fat"]
    assert (scores["rmsep"], scores["n"], scores["r2"], scores["rpd"]) == (0.5, 1, None, None)
    said = geodl("spectra", "evaluate", "p.csv", "--target", "fat").out
    assert said == "fat              RMSEP 0.5  MAE 0.5  bias 0.5  n 1\n"


def test_the_same_seed_gives_the_same_model(geodl, table, tmp_path):
    for name in ("a", "b"):
        output = f"{name}/m.safetensors"
        (tmp_path / name).mkdir()
        arguments = (
            "--target",
            "fat",
            "-o",
            output,
            "--method",
            "cnn1d",
            *QUICK,
            "--seed",
            3,
            "--quiet",
        )
        assert geodl("spectra", "train", table, *arguments).code == 0
    a, b = ((tmp_path / name / "m.safetensors").read_bytes() for name in "ab")
    assert a == b


def test_other_wavelengths(geodl, refused, values_model, tmp_path):
    frame = made()
    axis = {name: f"{float(name[:-3]) + 3:g} nm" for name in frame.columns[:BANDS]}
    frame.rename(columns=axis).to_csv(tmp_path / "other.csv", index=False)
    said = refused("spectra", "predict", "other.csv", "-m", values_model, "-o", "p.csv")
    assert "but the model 24 wavelengths from 1000 to 1460 nm; nothing is extrapolated" in said
    outside = refused(
        "spectra", "predict", "other.csv", "-m", values_model, "-o", "p.csv", "--resample"
    )
    assert "nothing is extrapolated" in outside
    wider = frame.iloc[:, :BANDS].set_axis([f"{990 + 22 * i} nm" for i in range(BANDS)], axis=1)
    wider.assign(fat=frame["fat"]).to_csv(tmp_path / "wider.csv", index=False)
    said = refused("spectra", "predict", "wider.csv", "-m", values_model, "-o", "p.csv")
    assert said.endswith("bring the spectra to the model's with --resample.\n")
    assert len(said) < 240
    ended = geodl(
        "spectra", "predict", "wider.csv", "-m", values_model, "-o", "p.csv", "--resample"
    )
    assert ended.code == 0, ended.err
    assert "spectra were resampled from 24 wavelengths" in ended.err


def test_every_repair_is_printed(geodl, tmp_path):
    frame = made()
    values = frame[["fat"]]
    frame = frame.iloc[:, BANDS - 1 :: -1].rename(columns=lambda name: name[:-3])
    frame.iloc[4, 7] = np.nan
    frame.to_csv(tmp_path / "x.csv", index=False)
    values.to_csv(tmp_path / "y.csv", index=False)
    ended = geodl(
        "spectra", "train", "x.csv", "y.csv", "--target", "fat", "-o", "m.safetensors",
        "--drop-missing", "--method", "pls",
    )  # fmt: skip
    assert ended.code == 0, ended.err
    for repair in (
        "the axis names no unit; its numbers",
        "the axis ran down in wavelength and was turned round",
        "its rows were taken for those of x.csv, in order",
        "1 of 80 spectra left out because of gaps (row 6)",
    ):
        assert f"{repair}" in ended.err, repair


def _text(frame):
    return frame.astype({"1000 nm": object}).replace({"1000 nm": {frame.iloc[3, 0]: "low"}})


def _gap(frame):
    frame.iloc[4, 7] = np.nan
    return frame


BAD = {
    "missing target": (lambda f: f, ["--target", "fatt"], "no column 'fatt' (did you mean 'fat'"),
    "text in numbers": (_text, ["--target", "fat"], "holds the text 'low' in row 5"),
    "text in the target": (lambda f: f, ["--target", "kind"], "Column 'kind' of t holds the text"),
    "axis up and down": (
        lambda f: f.rename(columns={"1100 nm": "1300.5 nm"}), ["--target", "fat"],
        "goes up and down (1300.5 nm then 1120 nm)",
    ),
    "two units": (
        lambda f: f.rename(columns={"1460 nm": "1.46 um"}), ["--target", "fat"],
        "mixes the units nm and um",
    ),
    "gaps": (_gap, ["--target", "fat"], "has gaps in 1 of 80 spectra (row 6)"),
    "constant target": (
        lambda f: f.assign(fat=2.5), ["--target", "fat"], "is the same in all 80 rows"
    ),
    "few rows": (lambda f: f.head(9), ["--target", "fat"], "has 9 spectra whose value is known"),
    "no target": (lambda f: f, [], "Give either --target (values) or --class-column"),
    "a target twice": (
        lambda f: f, ["--target", "fat", "--target", "fat"], "named twice (fat, fat)"
    ),
    "no treatment": (
        lambda f: f, ["--target", "fat", "--preprocess", "snw"], "did you mean 'snv'"
    ),
    "no components": (
        lambda f: f, ["--target", "fat", "--method", "svm", "--components", "3"],
        "--components 3 is a number of latent variables, but svm has none",
    ),
    "two splits": (
        lambda f: f, ["--target", "fat", "--split-column", "kind", "--split", "spxy"],
        "both by --split-column kind and by --split spxy",
    ),
    "no dates": (lambda f: f, ["--target", "fat", "--split", "date"], "name it by --date-column"),
    "blinds twice": (
        lambda f: f, ["--target", "fat", "--cv", "venetian-blinds", "--repeats", "2"],
        "leave --repeats out",
    ),
    "no split": (
        lambda f: f, ["--target", "fat", "--split-column", "kind"], "does not say which rows test"
    ),
}  # fmt: skip


@pytest.mark.parametrize(("change", "arguments", "message"), BAD.values(), ids=BAD)
def test_bad_tables(refused, tmp_path, change, arguments, message):
    change(made()).to_csv(tmp_path / "t.csv", index=False)
    assert message in refused("spectra", "train", "t.csv", *arguments, "-o", "m.safetensors")


def test_a_column_of_samples_is_asked_for(geodl, table, tmp_path):
    made = tmp_path / "m.safetensors"
    ended = geodl(
        "spectra", "train", table, "--target", "fat", "--preprocess", "epo(1)", "--method", "pls", "-o", made
    )  # fmt: skip
    assert ended.code == 1
    assert "name their column with --group-column" in ended.err
    assert not made.exists()


def test_bad_commands(refused, table, values_model):
    train = ("spectra", "train", table, "--target", "fat", "-o")
    assert "end it in .safetensors" in refused(*train, "m.pt")
    assert "exists already" in refused(*train, values_model)
    compare = ("spectra", "compare", table)
    assert "did you mean 'pls'" in refused(*compare, "--target", "fat", "--methods", "plss")
    assert "leave it out for classes" in refused(
        *compare, "--class-column", "kind", "--plot", "c.png"
    )
    evaluate = ("spectra", "evaluate", table)
    assert "no column 'fat_predicted'" in refused(*evaluate, "--target", "fat")
    both = refused(*evaluate, "--target", "fat", "--class-column", "kind")
    assert "score one after the other" in both
    assert "Nothing to score is named" in refused(*evaluate)
    assert "Got 2 tables without a model" in refused(*evaluate, table, "--target", "fat")
    said = refused(*evaluate, "--target", "fat", "--resample", "--unit", "nm")
    assert "so --unit and --resample would do nothing" in said
    assert "No model is named" in refused("spectra", "predict", table, "-o", "p.csv")


def test_a_model_of_scenes_is_refused(refused, table, model):
    said = refused("spectra", "predict", table, "-m", model, "-o", "p.csv")
    assert "architecture unet, which is none of tables of spectra" in said


def test_percent_for_a_model_of_shares(geodl, table, values_model, tmp_path):
    frame = pd.read_csv(table)
    bands = [name for name in frame if name[0].isdigit()]
    frame[bands] *= 100
    frame.to_csv(tmp_path / "percent.csv", index=False)
    for command in ("predict percent.csv -o p.csv", "evaluate percent.csv"):
        told = geodl("spectra", *command.split(), "-m", values_model)
        assert told.code == 0, told.err
        assert "times as large as those that the model was trained on" in told.err
        assert "divide these by 100" in told.err
        last = told.err.splitlines()[-1]
        assert command.startswith("evaluate") or "do not use these predictions" in last


def test_pls_is_a_package_of_its_own(geodl, table, tmp_path):
    trained = geodl(
        "spectra", "train", table, "--target", "fat", "--method", "pls", "--components", 4, "-o",
        "m.safetensors", "--split", "duplex", "--cv", "venetian-blinds", "--folds", 8,
    )  # fmt: skip
    assert trained.code == 0, trained.err
    assert trained.out.splitlines()[0].startswith("64 learnt from, 16 tested")
    assert "fat: 4 latent variables, as asked for" in trained.out
    card = read_card(tmp_path / "m.safetensors")
    assert card.training["cross-validation"].startswith("8 folds (venetian-blinds);")
    assert {"RMSEC fat", "RMSECV fat", "RMSEP fat, test"} <= set(card.metrics)
    assert geodl("spectra", "predict", table, "-m", "m.safetensors", "-o", "p.csv").code == 0
    frame = pd.read_csv(tmp_path / "p.csv")
    within = (frame["fat"] >= frame["fat_lower_90"]) & (frame["fat"] <= frame["fat_upper_90"])
    assert within.mean() > 0.85


def test_samples_have_a_column_under_both_names(geodl, tmp_path):
    made(80, sample=np.repeat(np.arange(20), 4)).to_csv(tmp_path / "t.csv", index=False)
    printed = [
        geodl(
            "spectra", "train", "t.csv", "--target", "fat", "--method", "pls", "-o",
            "m.safetensors", option, "sample", "--overwrite",
        ).out
        for option in ("--group-column", "--group")
    ]  # fmt: skip
    assert printed[0] == printed[1]
    assert "one fifth of the samples (sample) tests, by chance" in printed[0]


def test_only_wavelengths_within_the_ranges_are_learnt_from(geodl, refused, table):
    train = ["spectra", "train", table, "--target", "fat", "--method", "pls", "-o", "w.safetensors"]
    ended = geodl(*train, "--range", "1015-1120", "--range", "1300-1390")
    assert ended.code == 0, ended.err
    lengths = [band.wavelength_nm for band in read_card(Path("w.safetensors")).bands]
    assert lengths == [*range(1020, 1121, 20), *range(1300, 1381, 20)]
    ended = geodl("spectra", "predict", table, "-m", "w.safetensors", "-o", "p.csv")
    assert ended.code == 0, ended.err
    said = refused(*train, "--overwrite", "--range", "1300-1350")
    assert "has 3 wavelengths within --range 1300-1350 nm, but at least 8 are needed" in said
    said = refused(*train, "--overwrite", "--range", "1350-1300")
    assert "is no range of wavelengths in nm" in said


@pytest.mark.slow
def test_a_method_is_chosen_where_none_is_asked_for(geodl, table, tmp_path):
    ended = geodl(
        "spectra", "train", table, "--target", "fat", "-o", "m.safetensors", *QUICK,
        "--progress", "json",
    )  # fmt: skip
    assert ended.code == 0, ended.err
    begun = [event["method"] for event in ended.events if event["event"] == "run"]
    assert begun == ["pls", "svm", "lwplsr", "rf", "pls-net"]
    steps = [event for event in ended.events if event["event"] == "progress"]
    assert (steps[-1]["done"], steps[-1]["total"]) == (30, 30)
    done = ended.events[-1]
    figures = {one["method"]: one["figures"]["fat"] for one in done["methods"]}
    assert set(figures) == set(begun)
    assert next(iter(figures)) == done["method"]
    least = min(figures.values(), key=lambda of_method: of_method["RMSECV"])
    enough = least["RMSECV"] + least["±"]
    assert done["method"] == next(m for m in begun if figures[m]["RMSECV"] <= enough)
    assert done["choice"].startswith(f"{done['method']} is kept: its RMSECV, ")
    assert read_card(tmp_path / "m.safetensors").architecture.name == done["method"]
