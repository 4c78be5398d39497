"""Files that were damaged after they were written: one line names each, and what is made again is as it was.

Damaged checkpoints are in test_checkpoints; that the planner makes bad files again is tested in tests/dag.
"""

from __future__ import annotations

import shutil

import pytest
from faults.block import SEEDS, Block
from fidelity.support import DIGITS

from perennial.analyses import summary
from perennial.files import store
from perennial.jobs import sequences


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A block of digits, and its result."""
    block = Block(tmp_path_factory.mktemp("trained"), DIGITS, length=3)
    block.train(checkpoints=None)
    return block


def truncate(path):
    data = path.read_bytes()
    path.write_bytes(data[:-100])
    length = len(data) - store.USER_BLOCK
    return f"is truncated ({length - 100} of {length} bytes)"


def flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    return "fails its checksum"


@pytest.mark.parametrize("damage", [truncate, flip])
@pytest.mark.parametrize("name", ["sequences", "dataset"])
def test_a_block_is_not_trained_on_damaged_input(trained, name, damage):
    whole, path = trained.result(), getattr(trained, name)
    good = path.read_bytes()
    trained.output.unlink()
    reason = damage(path)
    child = trained.start()
    child.join(60)
    assert child.exitcode == 1 and not trained.output.exists()
    assert trained.log() == f"{path}: {reason}\n"
    if name == "sequences":
        sequences.make_block(trained.settings, SEEDS, path)
    else:
        path.write_bytes(good)
    trained.finish()
    assert trained.result() == whole


@pytest.mark.parametrize("damage", [truncate, flip])
def test_statistics_are_not_made_of_a_damaged_run_file(trained, tmp_path, damage):
    copy, output = tmp_path / "seeds_0-2.h5", tmp_path / "metrics.h5"
    shutil.copy(trained.output, copy)
    reason = damage(copy)
    with pytest.raises(summary.SummaryError) as found:
        summary.summarise([copy], SEEDS, SEEDS, output, "a", "b")
    assert str(found.value) == f"{copy}: {reason}" and not output.exists()
    shutil.copy(trained.output, copy)
    summary.summarise([copy], SEEDS, SEEDS, output, "a", "b")
    assert store.check(output) is None
