"""Whether a job still sees the settings that were planned.

A job on a cluster, and every script, reads the study folders again. The main process leaves a digest of each
experiment's settings in the environment, which its jobs inherit; a job whose folders were edited meanwhile ends instead
of training something else. Without the main process (`perennial run`) nothing is compared.
"""

from __future__ import annotations

import hashlib
import json
import os

from perennial.config.errors import ConfigError
from perennial.config.study import Study

VARIABLE = "PERENNIAL_STUDY"


def declare(study: Study) -> None:
    """Leave the digests of all active experiments for the jobs that this process starts."""
    os.environ[VARIABLE] = json.dumps({name: digest(study, name) for name in study.experiments()})


def check(study: Study, experiment: str) -> None:
    """Compare an experiment with what the main process planned.

    Raises:
        ConfigError: its settings are others now.
    """
    planned = json.loads(os.environ.get(VARIABLE) or "{}")
    if planned and planned.get(experiment) != digest(study, experiment):
        file = study.experiment(experiment).file
        raise ConfigError(
            f"{file}: the settings of {experiment} changed after this run was planned; start it again"
        )


def digest(study: Study, experiment: str) -> str:
    """16 hex digits for the settings of all active variants; none for an experiment that is not active."""
    if experiment not in study.experiments():
        return ""
    texts = [f"{name} {study.settings_text(experiment, name)}\n" for name in study.variants(experiment)]
    return hashlib.sha256("".join(texts).encode()).hexdigest()[:16]
