"""The settings of every published variant are those of the specification.

The tables in `spec_regression.py`, `spec_mnist.py`, `spec_imagenet.py` and `spec_mnist1d.py` were written from the
specification and not from the configuration: each value with the section that gives it, or with the reason for ours. A
setting is changed on purpose by changing it there too. A new setting of a part (a switch, say) gets a line there that
says what the published runs had. Measures that the tables do not name are free.
"""

from __future__ import annotations

from typing import Any

import layout
import pytest
import spec_cifar
import spec_imagenet
import spec_mnist
import spec_mnist1d
import spec_ppo
import spec_regression
from spec_rows import Said

TABLES = (
    spec_regression.TABLES
    | spec_mnist.TABLES
    | spec_imagenet.TABLES
    | spec_cifar.TABLES
    | spec_mnist1d.TABLES
    | spec_ppo.TABLES
)
NOTHING = Said("not there", "not in the table")


def flat(settings: Any, path: str = "") -> dict[str, Any]:
    """Nested settings by dotted key; lists are values."""
    if not isinstance(settings, dict):
        return {path: settings}
    inner = [flat(value, f"{path}.{key}".lstrip(".")) for key, value in settings.items()]
    return {key: value for part in inner for key, value in part.items()}


def test_every_published_experiment_has_a_table():
    """Experiments of our own have nothing published to agree with."""
    published = {name for name, known in layout.claims().items() if not known.ours}
    assert published == set(TABLES)


@pytest.mark.parametrize("experiment", TABLES)
def test_settings_are_those_of_the_specification(experiment):
    table = TABLES[experiment]
    study = layout.study(table.scale)
    wanted = table.variants()
    assert set(study.experiment(experiment).variants) == set(wanted)
    wrong = []
    for variant, facts in wanted.items():
        found = flat(study.settings(experiment, variant))
        free = {key for key in found if key.startswith("measures.") and key not in facts}
        for key in sorted((set(found) | set(facts)) - free):
            value, where = facts.get(key, NOTHING)
            if found.get(key, NOTHING.value) != value:
                wrong.append(
                    f"{variant}: {key} is {found.get(key, NOTHING.value)}, must be {value} ({where})"
                )
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("experiment", TABLES)
def test_all_seeds_and_all_variants_run_at_the_published_scale(experiment):
    table = TABLES[experiment]
    study = layout.study(table.scale)
    for variant in study.variants(experiment):
        runs = table.runs(variant)
        assert study.seeds(experiment, variant) == list(range(runs.value)), (variant, runs.where)
    assert set(study.variants(experiment)) == set(table.variants())
