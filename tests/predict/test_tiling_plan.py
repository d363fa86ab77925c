"""Plans fit the memory, the stride and the user's halo."""

import pytest

from georaster_dl.core.errors import DeviceError, OptionError
from georaster_dl.predict.engine.tiling_plan import TilingRequest, make_plan, smaller, tile_context
from tests.cards import card

GIB = 2**30


def plan_of(shape, facts, *, halo="auto", tile_limit=None, **device):
    request = TilingRequest(shape, facts, tile_context(facts, halo), tile_limit)
    return make_plan(request, **device)


def test_auto_takes_the_cards_halo_and_a_core_near_1024():
    plan = plan_of((4096, 4096), card(stride=32, default=64, exact=320), memory=16 * GIB)
    assert plan.tiling.halo == 64
    assert plan.tiling.tile_shape == (1120, 1120)
    assert plan.batch == 1


def test_exact_and_a_number_of_pixels():
    facts = card(stride=32, default=64, exact=320)
    assert plan_of((5000, 5000), facts, memory=16 * GIB, halo="exact").tiling.halo == 320
    assert plan_of((5000, 5000), facts, memory=16 * GIB, halo=33).tiling.halo == 64
    assert plan_of((5000, 5000), facts, memory=16 * GIB, halo=0).tiling.halo == 0


def test_exact_is_refused_where_the_dependency_is_global():
    facts = card(stride=32, default=64, exact=None, blend=32)
    with pytest.raises(OptionError, match="depends on the whole input"):
        plan_of((5000, 5000), facts, memory=16 * GIB, halo="exact")
    assert plan_of((5000, 5000), facts, memory=16 * GIB).margin == 32
    assert plan_of((5000, 5000), facts, memory=16 * GIB, halo=0).margin == 0
    with pytest.raises(OptionError, match="from 0 up"):
        plan_of((5000, 5000), facts, memory=GIB, halo=-1)


def test_tiles_shrink_with_the_memory_and_stop_with_a_message():
    facts = card(stride=32, default=64, exact=320, bytes_per_pixel=400)
    sides = [
        plan_of((9000, 9000), facts, memory=m).tiling.tile_shape[0]
        for m in (16 * GIB, GIB // 2, GIB // 8)
    ]
    assert sides == sorted(sides, reverse=True)
    assert sides[-1] < sides[0]
    with pytest.raises(DeviceError, match="MiB are free"):
        plan_of((9000, 9000), facts, memory=1 << 20)


def test_batches_only_where_they_help_and_fit():
    facts = card(stride=32, default=64, exact=320)
    assert plan_of((9000, 9000), facts, memory=100 * GIB, largest_batch=16).batch == 16
    assert plan_of((500, 500), facts, memory=100 * GIB, largest_batch=16).batch == 1


def test_after_out_of_memory_the_batch_then_the_tile_is_halved():
    plan = plan_of(
        (9000, 9000), card(stride=32, default=64, exact=320), memory=100 * GIB, largest_batch=4
    )
    steps = []
    while plan is not None:
        steps.append((plan.batch, max(plan.tiling.tile_shape)))
        plan = smaller(plan)
    assert [batch for batch, _ in steps[:3]] == [4, 2, 1]
    sides = [side for _, side in steps[2:]]
    assert sides == sorted(sides, reverse=True)
    assert sides[-1] >= 2 * 64 + 2 * 32


def test_a_wide_scene_gets_flatter_tiles_so_that_memory_stays_modest():
    facts = card(
        stride=32, default=64, exact=320, bytes_per_pixel=420, bands=[f"b{i}" for i in range(10)]
    )
    narrow = plan_of((20_000, 4096), facts, memory=100 * GIB).tiling.tile_shape
    wide = plan_of((20_000, 10_980), facts, memory=100 * GIB).tiling.tile_shape
    assert narrow[0] > wide[0]
    short = plan_of((5000, 10_980), facts, memory=100 * GIB)
    long = plan_of((50_000, 10_980), facts, memory=100 * GIB)
    assert long.memory <= short.memory * 1.1


def test_scenes_of_many_bands_are_read_in_panels_so_that_memory_stays_modest():
    facts = card(
        stride=32, default=64, exact=320, bytes_per_pixel=420, bands=[f"b{i}" for i in range(200)]
    )
    plans = [plan_of((4096, cols), facts, memory=100 * GIB) for cols in (2048, 10_980, 40_000)]
    assert all(plan.panels for plan in plans)
    assert max(plan.memory for plan in plans) < 1.3 * GIB
    assert all(plan.tiling.tile_shape[0] >= 512 for plan in plans)  # else blocks are decoded often
    assert not plan_of((4096, 600), facts, memory=100 * GIB).panels


SPECTRA = card(stride=1, default=0, exact=0, bands=[f"b{i}" for i in range(200)])


def test_where_pixels_are_alone_even_a_small_scene_is_several_flat_strips_and_every_thread_has_tiles():
    plan = plan_of((512, 512), SPECTRA, memory=16 * GIB, threads=2)
    assert plan.tiling.grid == (16, 1)
    assert plan.at_once == 2
    assert plan.pixels == 512 * 512
    other = plan_of((512, 512), SPECTRA, memory=16 * GIB, threads=40)
    assert other.cut() == plan.cut()
    assert other.at_once == 8
    with_context = plan_of((512, 512), SPECTRA, memory=16 * GIB, threads=2, halo=16)
    assert (with_context.tiling.grid, with_context.at_once) == ((1, 1), 1)


def test_a_tile_that_the_user_names_is_taken_for_single_pixels_too():
    plan = plan_of((512, 512), SPECTRA, memory=16 * GIB, threads=2, tile_limit=256)
    assert plan.tiling.tile_shape == (256, 256)


def test_networks_that_see_neighbours_are_given_one_tile_at_a_time():
    for facts in (card(stride=32, default=64, exact=320), card(stride=1, default=0, exact=None)):
        assert plan_of((4096, 4096), facts, memory=16 * GIB, threads=8).at_once == 1
        assert plan_of((4096, 4096), facts, memory=16 * GIB, threads=8, halo=0).at_once == 1


def test_after_out_of_memory_fewer_tiles_at_once_then_smaller_ones_never_taller():
    plan = plan_of((5000, 5000), SPECTRA, memory=16 * GIB, threads=4)
    steps = [plan]
    while (plan := smaller(plan)) is not None:
        steps.append(plan)
    assert [step.at_once for step in steps[:4]] == [4, 2, 1, 1]
    heights = [step.tiling.tile_shape[0] for step in steps]
    assert heights == sorted(heights, reverse=True)
    assert all(step.memory <= steps[0].memory for step in steps)
