"""`perennial plan`: print the budget of a study."""

from __future__ import annotations

import argparse
import sys

from perennial.config import Study
from perennial.estimate import jobs, memo, recorded, table, timings, words
from perennial.estimate.budget import Budget, Row


def plan(study: Study, options: argparse.Namespace) -> None:
    """Print what a run would do and cost.

    Raises:
        ConfigError: an experiment that the scale does not run.
        NoDryRun: Snakemake cannot plan it.
    """
    names = options.experiments or study.experiments()
    for name in names:
        study.all_seeds(name)  # a slip of the pen is told with the known names
    here = timings.cores_here()
    cores = (options.cores or here) * options.nodes
    known = memo.Memo(fresh=options.fresh)
    found = timings.Timings(study, known, options.seconds, here, _say)
    if options.compare:
        print("\n".join(recorded.lines(study, names, found)))
        return
    asked = names if options.experiments else [*names, jobs.ALL]
    listed = jobs.Jobs(study, asked)
    budget = Budget(study, listed.of(asked), found, cores)
    rows = [budget.row(name, listed.of([name]), listed.done([name])) for name in names]
    print(f"scale {study.scale}, {study.folder}\n")
    print("\n".join(table.lines([*rows, *_totals(budget, listed, names, asked)], cores)))
    print("\n" + "\n".join(words.dry_run(rows)))
    print("\n" + "\n".join(words.sources(budget)))
    known.save()


def _totals(budget: Budget, listed: jobs.Jobs, names: list[str], asked: list[str]) -> list[Row]:
    """All together; and what a plain run makes, where that is less."""
    plain = [name for name in names if budget.study.experiment(name).all_by_default]
    every = (listed.of(asked), listed.done(names))
    if asked == names or plain == names:
        return [budget.row("all of these", *every)] if len(names) > 1 else []
    return [
        budget.row("a plain run", listed.of([jobs.ALL]), listed.done(plain)),
        budget.row("with those on request", *every),
    ]


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
