"""The kill study itself, on a study of seconds: three kills in training, plain starts, equal numbers."""

from __future__ import annotations

import yaml
from dag.workflow_copy import copy_repository
from faults import kill_study

EXPERIMENT = "slowly_changing_regression"
SMALL = {
    "scale": "small",
    "experiments": {
        EXPERIMENT: {
            "scales": {"small": {"seeds": 2, "length": 2000, "variants": ["linear_0.003", "relu_0.01"]}}
        }
    },
}


def test_a_study_killed_three_times_is_the_undisturbed_one(tmp_path, capsys):
    repository, small = tmp_path / "repository", tmp_path / "small.yaml"
    copy_repository(repository)
    small.write_text(yaml.safe_dump(SMALL))
    folder = tmp_path / "studies"
    settings = ["--config", "scale=small", "checkpoint_seconds=0", "--configfile", str(small), "--cores", "2"]
    # A save comes every second or two here, as long as a whole block: much of it is lost with each kill.
    moments = ["--kills", "3", "--reach", "0.8", "--from-training", "--most-work", "2"]
    arguments = ["--folder", str(folder), "--repository", str(repository), *settings, *moments]
    code = kill_study.main(arguments)
    page = capsys.readouterr().out
    assert code == 0, page
    assert "kills in training: 3 of 3: yes" in page
    starts = [path.read_text() for path in sorted((folder / "killed").glob("start_*.txt"))]
    assert len(starts) == 4
    assert all("the last start was killed; its lock is removed" in said for said in starts[1:])
