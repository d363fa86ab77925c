"""Events of the parts of a job, merged into those of one run."""

from georaster_dl.batches.pools.merge_progress import MergedProgress
from georaster_dl.core.events import Progressed, SceneStarted, Warned

START = SceneStarted("cpu", "scene", 10, 10)


def _merged(*events):
    made = []
    merged = MergedProgress(made.append)
    for event in events:
        merged(*event)
    return made


def _progress(done):
    return Progressed(done, 100, 0.0)


def test_pixels_of_all_parts_are_counted_once():
    made = _merged(
        (0, START),
        (0, _progress(30)),
        (1, START),
        (1, _progress(20)),
        (0, _progress(10)),  # begun again by another worker
        (0, _progress(50)),
        (1, _progress(50)),
        (None, START),
        (None, _progress(100)),
    )
    assert made.count(START) == 1
    done = [event.done for event in made if isinstance(event, Progressed)]
    assert done == [30, 50, 70, 100]


def test_what_every_worker_finds_is_warned_of_once():
    warnings = [(part, Warned(text)) for part, text in enumerate("aab")]
    assert [event.message for event in _merged(*warnings)] == ["a", "b"]
