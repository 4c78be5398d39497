"""The block planner: a pure function of (folder listing, seeds, size), and what happens to bad files."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perennial.dag import blocks
from perennial.files import store

SEEDS = st.sets(st.integers(0, 40), max_size=30)
BLOCK = st.tuples(st.integers(0, 40), st.integers(0, 12)).map(lambda pair: (pair[0], pair[0] + pair[1]))
FOUND = st.lists(BLOCK, max_size=8, unique=True)
SIZE = st.integers(1, 12)


def covered(plan):
    return [seed for block in plan for seed in blocks.seeds_of(block)]


@given(FOUND, SEEDS, SIZE)
def test_plan_covers_the_wanted_seeds_and_no_new_block_overlaps(found, seeds, size):
    plan = blocks.plan(found, seeds, size)
    new = [block for block in plan if block not in found]
    assert seeds <= set(covered(plan))
    assert all(len(blocks.seeds_of(block)) <= size for block in new)
    for block in new:
        others = [other for other in plan if other != block]
        assert not blocks.overlapping([*others, *found], block)
        assert set(blocks.seeds_of(block)) <= seeds  # nothing is trained that nobody asked for


@given(FOUND, SEEDS, SIZE, st.data())
def test_plan_does_not_change_while_its_blocks_get_finished(found, seeds, size, data):
    plan = blocks.plan(found, seeds, size)
    finished = [block for block in plan if block in found or data.draw(st.booleans())]
    assert blocks.plan(sorted({*found, *finished}), seeds, size) == plan


@given(SEEDS, SIZE, SIZE)
def test_another_size_plans_nothing_new(seeds, size, other):
    plan = blocks.plan([], seeds, size)
    assert blocks.plan(plan, seeds, other) == plan


@given(FOUND, FOUND)
def test_plan_along_covers_the_readers_and_is_stable(found, readers):
    plan = blocks.plan_along(found, readers)
    assert set(covered(readers)) <= set(covered(plan))
    assert blocks.plan_along(sorted({*found, *plan}), readers) == plan
    new = [block for block in plan if block not in found]
    assert len(covered(new)) == len(set(covered(new)))


def test_deleted_sequences_are_planned_as_they_were():
    readers = [(0, 9), (10, 11)]  # ten seeds first, two more later
    assert blocks.plan_along([], readers) == readers


@pytest.mark.parametrize(
    ("found", "seeds", "size", "plan"),
    [
        ([], range(4), 4, [(0, 3)]),
        ([(0, 3)], range(6), 4, [(0, 3), (4, 5)]),  # more seeds
        ([(0, 3)], range(4), 2, [(0, 3)]),  # another size
        ([(0, 3)], range(2), 4, [(0, 3)]),  # fewer seeds
        ([], [0, 1, 5, 6, 7], 2, [(0, 1), (5, 6), (7, 7)]),  # a list with a gap
        ([(2, 3)], range(6), 6, [(0, 1), (2, 3), (4, 5)]),  # a hole that is filled
        ([(0, 1), (0, 3)], range(4), 4, [(0, 3)]),  # a wider block makes a narrower one needless
    ],
)
def test_plan_by_hand(found, seeds, size, plan):
    assert blocks.plan(found, seeds, size) == plan


def test_finished_reads_names_only(tmp_path):
    for name in (
        "seeds_0-3.h5",
        "seeds_10-12.h5",
        "seeds_4-5.h5.bad",
        ".seeds_6-6.h5.77.tmp",
        "seeds_x-2.h5",
    ):
        (tmp_path / name).touch()
    assert blocks.finished(tmp_path) == [(0, 3), (10, 12)]
    assert blocks.finished(tmp_path / "absent") == []


@pytest.fixture
def folder(tmp_path):
    for first, last in ((0, 3), (4, 5)):
        path = tmp_path / f"seeds_{first}-{last}.h5"
        store.write(path, lambda file: file.attrs.update(kind="run"))
    return tmp_path


def test_a_truncated_file_is_set_aside_with_one_line(folder):
    bad = folder / "seeds_0-3.h5"
    bad.write_bytes(bad.read_bytes()[:-7])
    lines = []
    assert blocks.set_aside_bad(folder, dry_run=False, say=lines.append) == [bad]
    assert blocks.finished(folder) == [(4, 5)]
    assert (folder / "seeds_0-3.h5.bad").is_file()
    (line,) = lines
    assert str(bad) in line and "truncated" in line and "0 to 3" in line


def test_a_dry_run_only_reports(folder):
    bad = folder / "seeds_4-5.h5"
    bad.write_bytes(b"nothing of ours")
    lines = []
    assert blocks.set_aside_bad(folder, dry_run=True, say=lines.append) == [bad]
    assert bad.is_file() and len(lines) == 1


def test_good_files_are_left_alone(folder):
    lines = []
    assert blocks.set_aside_bad(folder, dry_run=False, say=lines.append) == []
    assert not lines and blocks.finished(folder) == [(0, 3), (4, 5)]
