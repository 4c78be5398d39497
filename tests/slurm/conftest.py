"""One private Slurm cluster for all tests of this folder."""

from __future__ import annotations

import pytest
from requirements import require_or_skip
from slurm.cluster import Cluster, Unfit, check


@pytest.fixture(scope="session")
def cluster(tmp_path_factory):
    """The cluster, up; skipped (or failing, where it is required) on a machine that cannot have one."""
    try:
        check()
    except Unfit as reason:
        require_or_skip("slurm", False, str(reason))
    found = Cluster(tmp_path_factory.mktemp("slurm"))
    try:
        found.up()
        yield found
    finally:
        found.down()
