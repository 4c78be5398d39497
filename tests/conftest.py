"""Puts this folder on the import path: helpers that several kinds of tests share live beside this file."""

from __future__ import annotations

import pytest
import real_data
from xdist.scheduler import LoadScopeScheduling


@pytest.fixture(scope="session")
def real_imagenet(tmp_path_factory) -> real_data.Made:
    """The real downsampled ImageNet as a data set file, made once."""
    return real_data.make_imagenet(tmp_path_factory.mktemp("imagenet") / "imagenet32.h5")


FINISHED = ("test_dag.py", "test_own_study.py")  # ask for one finished study, which takes a minute


class ByFile(LoadScopeScheduling):
    """What several processes share out: whole files, for the sake of what a file makes once."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.split("::")[0]
        return "finished" if file.endswith(FINISHED) else file


def pytest_xdist_make_scheduler(config, log):
    """Used by several processes, as `make test` starts them."""
    return ByFile(config, log)
