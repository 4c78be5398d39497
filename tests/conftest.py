"""Puts this folder on the import path: helpers that several kinds of tests share live beside this file."""

from __future__ import annotations

import pytest
import real_data


@pytest.fixture(scope="session")
def real_imagenet(tmp_path_factory) -> real_data.Made:
    """The real downsampled ImageNet as a data set file, made once."""
    return real_data.make_imagenet(tmp_path_factory.mktemp("imagenet") / "imagenet32.h5")
