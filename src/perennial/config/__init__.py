"""The config and the study folders: read and validated once, then asked through a `Study`.

`load` makes a study, or raises `ConfigError` with one line for each mistake.
"""

from perennial.config.errors import ConfigError
from perennial.config.reading import load
from perennial.config.study import Experiment, Study

__all__ = ["ConfigError", "Experiment", "Study", "load"]
