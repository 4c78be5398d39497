"""The config's file and the results folder: what is no config, what is missing, what cannot be written."""

from __future__ import annotations

import os

import pytest

from perennial import config
from perennial.config import ConfigError, files


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("scale: [smoke", "line 1"),
        ("scale: smoke\nscale: laptop\n", "the key 'scale' stands twice"),
        ("- a list", "must be a mapping"),
        ("", "must be a mapping"),
    ],
)
def test_a_file_that_is_no_config(tmp_path, text, message):
    path = tmp_path / "study.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        config.load(path)
    (line,) = str(caught.value).splitlines()
    assert line.startswith(f"{path}: ") and message in line


def test_a_missing_file(tmp_path):
    with pytest.raises(ConfigError, match="no such file"):
        config.load(tmp_path / "config.yaml")


def test_a_results_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "taken").touch()
    with pytest.raises(ConfigError, match="is a file"):
        files.check_writable(tmp_path / "taken" / "results")
    files.check_writable(tmp_path / "new" / "results")
    if os.geteuid() != 0:  # root may write anywhere
        tmp_path.chmod(0o500)
        with pytest.raises(ConfigError, match="no permission"):
            files.check_writable(tmp_path / "results")
