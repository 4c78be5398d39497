"""Whether a job still sees the settings that were planned.

A job on a cluster, and every script, reads the study folders again. The main process leaves a digest of each
experiment's settings in the environment, which its jobs inherit; a job whose folders were edited meanwhile ends instead
of training something else. Without the main process (`perennial run`) nothing is compared.
"""

from __future__ import annotations

import json
import os

from perennial.config.errors import ConfigError
from perennial.config.study import Study

VARIABLE = "PERENNIAL_STUDY"


def declare(study: Study) -> None:
    """Leave the digests of all active experiments for the jobs that this process starts."""
    os.environ[VARIABLE] = json.dumps(study.digests)


def check(study: Study, experiment: str) -> None:
    """Compare an experiment with what the main process planned.

    Raises:
        ConfigError: its settings are others now.
    """
    planned = json.loads(os.environ.get(VARIABLE) or "{}")
    if planned and planned.get(experiment) != study.digests.get(experiment):
        file = study.experiment(experiment).file
        raise ConfigError(
            f"{file}: the settings of {experiment} changed after this run was planned; start it again"
        )
