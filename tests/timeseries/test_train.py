"""Training on series: packages that open and predict, both methods scored, outputs whole or not at all."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from georaster_dl.core.bands import Band
from georaster_dl.core.errors import BandMismatchError, OptionError, OutputError
from georaster_dl.core.events import TrainingProgressed, Warned
from georaster_dl.models.package.file import load_model, read_card
from georaster_dl.models.zoo.series.presto import Presto
from georaster_dl.timeseries.learning.by_date import day_of_season, until
from georaster_dl.timeseries.learning.options import SeriesTrainOptions, SplitOptions
from georaster_dl.timeseries.predict import predict_series
from georaster_dl.timeseries.samples import SensorSamples
from georaster_dl.timeseries.train import train_series
from tests.timeseries.made import crops, with_radar

QUICK = {
    "architecture": "ltae",
    "epochs": 30,
    "batch": 16,
    "learning_rate": 5e-3,
    "season_start": "01-01",
}


def trained(tmp_path, samples, *, events=None, by_date=(), **options):
    out = tmp_path / "crops.safetensors"
    report = (lambda _event: None) if events is None else events.append
    result = train_series(
        samples, SeriesTrainOptions(**{**QUICK, **options}), out, report, by_date=by_date
    )
    return result, out


@pytest.mark.slow
def test_a_network_learns_crops_and_its_package_predicts_them(tmp_path):
    events = []
    result, out = trained(tmp_path, crops(150), events=events)
    (fold,) = result.folds
    assert fold.network.accuracy > 0.85
    assert fold.forest.accuracy > 0.85
    card = read_card(out)
    assert card == result.card
    assert card.metrics["OA, test"] == pytest.approx(fold.network.accuracy, abs=1e-6)
    assert card.series.season_start == "01-01"
    assert card.series.unit == "pixel"
    assert [(s.name, s.bands) for s in card.series.sensors] == [("S2", 2)]
    low, high = card.series.days
    assert 0 <= low < 20
    assert 280 < high < 300
    assert card.series.dates[0] >= 4
    assert card.calibration.temperature != 1
    assert 0 < card.calibration.ece < 0.3
    assert card.novelty is None
    assert "random forest on the same samples" in card.training
    assert "close to others" in card.limitations
    assert "season that is not over" in card.limitations
    assert [e.done for e in events if isinstance(e, TrainingProgressed)] == list(range(1, 31))
    fresh = crops(60, seed=5, year=2020)
    predicted = predict_series(out, fresh)
    names = np.array(fresh.legend.names, object)[fresh.labels]
    assert (predicted.classes == names).mean() > 0.85
    np.testing.assert_allclose(predicted.probabilities.sum(axis=1), 1)
    assert list(predicted.columns()) == [
        "class_predicted", "probability", "entropy", "p_barley", "p_beet", "p_maize", "clear_dates", "few_dates",
    ]  # fmt: skip
    table = predicted.table(fresh)
    assert list(table.region) == list(fresh.groups.region)
    with pytest.raises(OptionError, match="columns already"):
        predicted.table(replace(fresh, groups=table))


@pytest.mark.slow
def test_the_same_seed_gives_the_same_network(tmp_path):
    digests = set()
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        digests.add(trained(tmp_path / name, crops(60), epochs=2)[0].card.weights_sha256)
    assert len(digests) == 1


@pytest.mark.slow
@pytest.mark.parametrize("architecture", ["pse-ltae", "tempcnn", "gru"])
def test_parcels_are_learnt_by_networks_of_sets_and_of_pixels(tmp_path, architecture):
    samples = crops(90, pixels=6)
    result, out = trained(tmp_path, samples, architecture=architecture, epochs=12, pixels=4)
    assert result.card.series.unit == "parcel"
    assert result.folds[0].network.accuracy > 0.7
    assert (predict_series(out, samples).classes != None).all()  # noqa: E711
    if architecture == "tempcnn":
        assert result.card.architecture.options["steps"] == 12
        assert result.card.architecture.options["first"] == int(result.card.series.days[0])


@pytest.mark.slow
def test_sensors_have_dates_of_their_own(tmp_path):
    samples = with_radar(crops(90))
    result, out = trained(tmp_path, samples, epochs=20)
    assert [(s.name, s.bands) for s in result.card.series.sensors] == [("S2", 2), ("S1", 1)]
    predicted = predict_series(out, samples)
    assert (predicted.clear_dates == samples.clear_dates).all()
    turned = replace(samples, sensors=samples.sensors[::-1])
    assert (predict_series(out, turned).classes == predicted.classes).all()
    with pytest.raises(BandMismatchError, match="reads series of S2, S1, but crops has S2"):
        predict_series(out, crops())


@pytest.mark.slow
def test_values_are_learnt_with_an_interval(tmp_path):
    samples = crops(240, clouds=0, labels="value")
    result, out = trained(tmp_path, samples, epochs=40)
    (fold,) = result.folds
    assert fold.network.r2 > 0.7
    assert result.card.metrics["RMSE peak, test"] == pytest.approx(fold.network.rmsep, abs=1e-5)
    fresh = crops(90, clouds=0, labels="value", seed=9)
    columns = predict_series(out, fresh).columns()
    assert list(columns)[:3] == ["peak_predicted", "peak_lower_90", "peak_upper_90"]
    within = (columns["peak_lower_90"] <= fresh.labels) & (fresh.labels <= columns["peak_upper_90"])
    assert within.mean() > 0.7


@pytest.mark.slow
def test_folds_are_scored_apart_and_the_package_learns_from_all(tmp_path):
    events = []
    result, _ = trained(
        tmp_path, crops(60), split=SplitOptions(leave_out="region"), epochs=3, events=events
    )
    assert [fold.name for fold in result.folds] == ["region east", "region west"]
    mean = np.mean([fold.network.accuracy for fold in result.folds])
    assert result.card.metrics["OA, test"] == pytest.approx(mean, abs=1e-6)
    assert "OA, test, standard deviation" in result.card.metrics
    assert "tested" not in result.card.training["samples"]
    assert [e.done for e in events if isinstance(e, TrainingProgressed)] == list(range(1, 10))


def test_a_forest_that_is_better_is_said(tmp_path):
    events = []
    result, _ = trained(tmp_path, crops(90), epochs=1, events=events)
    assert result.verdict.startswith(
        "The random forest is better on the same samples than the network (OA "
    )
    assert result.verdict in [e.message for e in events if isinstance(e, Warned)]
    assert result.verdict in result.card.limitations


@pytest.mark.slow
def test_accuracy_grows_with_the_season(tmp_path):
    files = [tmp_path / "curve.csv", tmp_path / "curve.png"]
    result, _ = trained(tmp_path, crops(240, clouds=0), early=True, by_date=files)
    table = pd.read_csv(files[0])
    assert list(table) == ["day", "date", "clear_dates", "n", "OA", "macro_F1"]
    assert table.OA.iloc[0] < 0.7
    assert table.OA.iloc[-1] > 0.8
    assert table.OA.iloc[-1] == pytest.approx(result.folds[0].network.accuracy, abs=1e-4)
    assert (table.clear_dates.diff().dropna() >= 0).all()
    assert files[1].read_bytes().startswith(b"\x89PNG")
    assert "season that is not over" not in result.card.limitations


@pytest.mark.slow
def test_series_are_cut_at_a_date_or_a_day_of_the_season(tmp_path):
    samples = crops(60, clouds=0)
    assert day_of_season("06-15", "01-01") == 165
    assert day_of_season("01-15", "09-01") == 136
    by_day, by_date = (until(samples, end, "01-01") for end in ("06-15", "2017-06-15"))
    assert (by_day.clear_dates == by_date.clear_dates).all()
    assert by_day.clear_dates.max() < 12
    result, _ = trained(tmp_path, samples, until="06-15", epochs=1)
    assert result.card.series.days[1] <= 165
    assert "up to 06-15" in result.card.limitations
    for wrong, message in (("June", "neither a date"), ("2016-01-01", "no series|No series")):
        with pytest.raises(OptionError, match=message):
            until(samples, wrong, "01-01")


def test_samples_without_a_clear_date_have_no_class(tmp_path):
    samples = crops(60)
    events = []
    values = samples.sensors[0].values.copy()
    values[3] = np.nan
    values[4, 1:] = np.nan
    values[4, 0] = 0.2
    cloudy = replace(samples, sensors=(replace(samples.sensors[0], values=values),))
    _, out = trained(tmp_path, cloudy, epochs=1, events=events)
    assert "crops: 1 sample without any clear date left out" in [
        e.message for e in events if isinstance(e, Warned)
    ]
    predicted = predict_series(out, cloudy, min_dates=2)
    assert predicted.classes[3] is None
    assert np.isnan(predicted.probabilities[3]).all()
    assert predicted.clear_dates[3:5].tolist() == [0, 1]
    assert np.flatnonzero(predicted.few_dates).tolist() == [3, 4]


def test_bands_are_found_by_name(tmp_path):
    samples = crops(60)
    _, out = trained(tmp_path, samples, epochs=2)
    own = samples.sensors[0]
    turned = SensorSamples(
        "other", (*own.bands[::-1], Band("x")), own.values[:, :, [1, 0, 1]], own.dates
    )
    predicted = predict_series(out, replace(samples, sensors=(turned,)))
    np.testing.assert_array_equal(
        predicted.probabilities, predict_series(out, samples).probabilities
    )
    renamed = SensorSamples("S2", (Band("a"), Band("b")), own.values, own.dates)
    with pytest.raises(BandMismatchError):
        predict_series(out, replace(samples, sensors=(renamed,)))


def test_an_interrupted_training_leaves_nothing(tmp_path):
    def stop(event):
        if isinstance(event, TrainingProgressed) and event.done == 2:
            raise KeyboardInterrupt

    out = tmp_path / "a.safetensors"
    with pytest.raises(KeyboardInterrupt):
        train_series(
            crops(60), SeriesTrainOptions(**QUICK), out, stop, by_date=[tmp_path / "c.csv"]
        )
    assert list(tmp_path.iterdir()) == []


def test_an_output_that_exists_is_kept(tmp_path):
    out = tmp_path / "crops.safetensors"
    out.write_text("mine")
    with pytest.raises(OutputError):
        trained(tmp_path, crops(60))
    assert out.read_text() == "mine"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"architecture": "unet"}, "unet reads single images"),
        (
            {"architecture": "utae"},
            "network reads patches, but the samples of crops are pixels and parcels",
        ),
        ({"options": {"depth": 3}}, "no option 'depth'"),
        ({"epochs": 0}, "epochs=0"),
        ({"season_start": "31-12"}, "no day of every year"),
        ({"learning_rate": -1.0}, "must not be negative"),
    ],
)
def test_settings_that_cannot_work_are_refused(tmp_path, options, message):
    with pytest.raises(OptionError, match=message):
        trained(tmp_path, crops(60), **options)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("n", "epochs"), [(100, 100), (5000, 64), (1_000_000, 10)])
def test_small_sets_are_seen_more_often(n, epochs):
    assert SeriesTrainOptions().epochs_of(n) == epochs
    assert SeriesTrainOptions(epochs=7).epochs_of(n) == 7


def test_samples_without_labels_cannot_teach(tmp_path):
    with pytest.raises(OptionError, match="has no labels"):
        trained(tmp_path, replace(crops(60), labels=None, legend=None))


@pytest.mark.slow
def test_class_weights_and_focal_loss_train(tmp_path):
    result, _ = trained(tmp_path, crops(90), loss="focal", class_weights=True, epochs=20)
    assert result.folds[0].network.accuracy > 0.6


@pytest.mark.slow
def test_a_pretrained_encoder_stays_as_its_file_has_it(tmp_path):
    stored = Presto([2], 3).presto.state_dict()
    torch.save(
        {f"encoder.{name}": weight for name, weight in stored.items()}, tmp_path / "presto.pt"
    )
    options = {"architecture": "presto", "encoder_weights": str(tmp_path / "presto.pt")}
    result, out = trained(tmp_path, crops(60), **options)
    _, network = load_model(out)
    for name, weight in stored.items():
        assert torch.equal(network.presto.state_dict()[name], weight)
    assert network.season_day == 0
    means = [band.mean for band in result.card.bands]
    np.testing.assert_allclose(network.encoders[0].offset, means, rtol=1e-5)
    assert len(predict_series(out, crops(20, seed=4)).classes) == 20


def test_a_pretrained_encoder_needs_its_file(tmp_path):
    with pytest.raises(OptionError, match=r"learns with pretrained weights alone; get https"):
        trained(tmp_path, crops(60), architecture="presto")


def test_a_class_without_a_sample_is_left_out_and_few_tests_are_said(tmp_path):
    samples = crops(40)
    some = samples.rows(samples.labels != 0)
    events = []
    result, _ = trained(tmp_path, some, events=events, epochs=1)
    absent = samples.legend.names[0]
    assert absent not in result.card.legend.names
    assert any(f"no sample of {absent}" in e.message for e in events if isinstance(e, Warned))
    assert "says little" in result.card.limitations


def test_a_model_for_early_seasons_expects_few_dates(tmp_path):
    result, _ = trained(tmp_path, crops(60), early=True, epochs=1)
    assert result.card.series.dates[0] == 1
