"""`perennial plan`: print the budget of a study."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from perennial.config import Study
from perennial.estimate import memo, recorded, table, timings, words
from perennial.estimate.budget import Budget, Row
from perennial.estimate.jobs import Inventory


def plan(study: Study, options: argparse.Namespace) -> None:
    """Print what a run would do and cost.

    Raises:
        ConfigError: an experiment that the scale does not run.
    """
    names = options.experiments or study.experiments()
    for name in names:
        study.seeds(name)  # a slip of the pen is told with the known names
    inventory = Inventory(study, names)
    here = timings.cores_here()
    cores = (options.cores or here) * options.nodes
    known = memo.Memo(cache_folder(), options.fresh)
    found = timings.Timings(study, known, options.seconds, here, _say)
    budget = Budget(study, inventory, found, cores, past=options.compare)
    if options.compare:
        print("\n".join(recorded.lines(budget, names)))
        return
    rows = [budget.row(name, [name]) for name in names]
    print(f"scale {study.scale}, {study.folder}\n")
    print("\n".join(table.lines([*rows, *_totals(budget, names, bool(options.experiments))], cores)))
    print("\n" + "\n".join(words.dry_run(rows)))
    print("\n" + "\n".join(words.sources(budget)))
    known.save()


def _totals(budget: Budget, names: list[str], chosen: bool) -> list[Row]:
    """All together; and what a plain run makes, where that is less."""
    plain = [name for name in names if budget.study.experiment(name).all_by_default]
    if chosen or plain == names:
        return [budget.row("all of these", names)] if len(names) > 1 else []
    return [budget.row("a plain run", plain), budget.row("with those on request", names)]


def cache_folder() -> Path:
    """Where timings are kept."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "perennial" / "plan"


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
