"""The parts of a job, told as one run."""

from georaster_dl.batch.pools.merge_progress import Told
from georaster_dl.core.events import Progressed, SceneStarted, Warned

START = SceneStarted("cpu", "scene", 10, 10)


def _told(*events):
    made = []
    told = Told("a", lambda *event: made.append(event))
    for event in events:
        told(*event)
    return made


def _progress(done):
    return Progressed(done, 100, 0.0)


def test_pixels_of_all_parts_are_counted_once():
    made = _told(
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
    assert [event for _, event in made].count(START) == 1
    done = [event.done for _, event in made if isinstance(event, Progressed)]
    assert done == [30, 50, 70, 100]


def test_what_every_worker_finds_is_warned_of_once():
    warnings = [(part, Warned(text)) for part, text in enumerate("aab")]
    assert [event.message for _, event in _told(*warnings)] == ["a", "b"]
