"""The parts of a job, told as one run."""

from georaster_dl.batch.pools.merge_progress import Told

START = {"rows": 10, "cols": 10}


def _told(*events):
    made = []
    told = Told("a", lambda *event: made.append(event))
    for event in events:
        told(*event)
    return made


def _progress(done):
    return {"done": done, "total": 100}


def test_pixels_of_all_parts_are_counted_once():
    made = _told(
        (0, "start", START),
        (0, "progress", _progress(30)),
        (1, "start", START),
        (1, "progress", _progress(20)),
        (0, "progress", _progress(10)),  # begun again by another worker
        (0, "progress", _progress(50)),
        (1, "progress", _progress(50)),
        (None, "start", START),
        (None, "progress", _progress(100)),
    )
    assert [event for _, event, _ in made].count("start") == 1
    assert [facts["done"] for _, event, facts in made if event == "progress"] == [30, 50, 70, 100]


def test_what_every_worker_finds_is_warned_of_once():
    warnings = [(part, "warning", {"message": text}) for part, text in enumerate("aab")]
    assert [facts["message"] for _, _, facts in _told(*warnings)] == ["a", "b"]
