"""Helpers of all rules: settings and code of a job, its files, and blocks planned around what is finished.

In: the validated `study`. Out: functions for `input:` and `params:`; no rule stands here.
"""

import functools
import json
import sys
from pathlib import Path

from perennial import registry
from perennial.config import unchanged
from perennial.config.study import sequence_key
from perennial.config.workflow import or_exit
from perennial.jobs.progress import Progress
from perennial.dag import abandoned, blocks, planning, stage_code
from perennial.estimate import resources


def make_again(path):
    """Plan a file's job although the file is there. (The same as naming it after --forcerun.)"""
    workflow.dag.forcefiles.add(str(path))


def say(line):
    """One line for people, whatever the logger is told to hide."""
    print(line, file=sys.stderr, flush=True)


def told(function):
    """An input function whose mistakes end in one line for people."""

    @functools.wraps(function)
    def or_told(wildcards):
        return or_exit(functools.partial(function, wildcards))

    return or_told


@functools.cache
def planner():
    """The planner, made when the DAG is built: only then is it known whether this is a dry run.

    Jobs on a cluster read this file again. They trust the main process, which has looked at every file.

    What stands on disk decides. Snakemake's notes of jobs that were begun are left alone: a file that is there is
    whole, or the planner has seen that it is not.
    """
    workflow.dag.ignore_incomplete = True
    runs_jobs = (
        workflow.executor_plugin is not None
        and not workflow.dryrun
        and not workflow.touch
    )
    if runs_jobs and workflow.is_main_process:
        abandoned.remove_locks(say=say)
    return planning.Planner(
        study,
        planning.Disk(
            look=workflow.is_main_process,
            rename=workflow.is_main_process and runs_jobs,
            make_again=make_again,
            say=say,
        ),
    )


def accepted(paths):
    """Inputs as Snakemake sees them: those that stay are no reason to make anything, whatever their dates."""
    return [
        ancient(str(path)) if planner().accept(path) else str(path) for path in paths
    ]


def variant_settings(wildcards):
    """JSON text with all that determines the runs of a variant but their seeds."""
    return study.settings_text(wildcards.experiment, wildcards.variant)


def variant_code(wildcards):
    """Hash of the code that trains a variant."""
    return stage_code.train(study.settings(wildcards.experiment, wildcards.variant))


@functools.cache
def planned_so_far():
    """How far planning is, told every few seconds where it takes long."""
    total = sum(len(study.variants(name)) for name in study.experiments())
    return Progress("planning", total, every=5, unit="variants", size=1)


@functools.cache
def count_planned(experiment, variant):
    """Count a variant, once."""
    if workflow.is_main_process:
        planned_so_far().add(1)


@told
def variant_runs(wildcards):
    """Files of all planned blocks of a variant."""
    names = wildcards.experiment, wildcards.variant
    planner().metrics(*names)
    return accepted(planner().run_files(*names))


def variant_seeds(wildcards):
    """Seeds that the study wants of a variant."""
    return study.seeds(wildcards.experiment, wildcards.variant)


@told
def block_sequences(wildcards):
    """Sequence files that a block of runs reads; none where it stays."""
    unchanged.check(study, wildcards.experiment)
    return accepted(block_inputs(wildcards)[0])


@told
def block_dataset(wildcards):
    """The data set of a block's problem, if it has one and the block needs it."""
    dataset = block_inputs(wildcards)[1]
    return accepted([dataset])[0] if dataset else []


def block_inputs(wildcards):
    """Sequences and data set of a block."""
    block = blocks.parse(wildcards.block)
    count_planned(wildcards.experiment, wildcards.variant)
    return planner().inputs_of(wildcards.experiment, wildcards.variant, block)


def training_gpus(wildcards):
    """GPUs of a training job, for schedulers that count or hand out devices: one if it must have one."""
    return 1 if study.device == "cuda" else 0


def training_memory(wildcards, attempt):
    """Megabytes of a training job, for schedulers that hand out memory."""
    return resources.memory_mb(study, *training_block(wildcards), attempt)


def training_minutes(wildcards, attempt):
    """Minutes of a training job, for schedulers that hand out time."""
    return resources.minutes(study, *training_block(wildcards), attempt)


def training_block(wildcards):
    """Settings of a block's runs, and their number."""
    settings = study.settings(wildcards.experiment, wildcards.variant)
    return settings, len(blocks.seeds_of(blocks.parse(wildcards.block)))


def dataset_threads(wildcards):
    """Threads that the making of a data set can use."""
    return getattr(registry.module("datasets", wildcards.dataset), "THREADS", 1)


def sequence_settings(wildcards):
    """JSON text with all that determines a sequence but its seeds."""
    users = planner().users(wildcards.sequence)
    for experiment in [] if users else study.experiments():
        or_exit(functools.partial(unchanged.check, study, experiment))
    return json.dumps(sequence_key(study.settings(*users[0])), sort_keys=True)


@told
def figure_metrics(wildcards):
    """Metrics files that a figure reads."""
    planner().figure(wildcards.figure)
    pairs = study.shown.get(wildcards.figure, [])
    return accepted(planner().metrics_of(pairs).values())


def figure_code(wildcards):
    """Hash of the code that draws a figure."""
    return stage_code.figure(study.figure_modules[wildcards.figure])


@told
def claim_metrics(wildcards):
    """Metrics files that the claims of an experiment read: all its active variants, and active ones elsewhere."""
    planner().claims(wildcards.experiment)
    pairs = study.judged(wildcards.experiment)
    return accepted(planner().metrics_of(pairs).values())


def claim_code(wildcards):
    """Hash of the code that judges the claims of an experiment."""
    return stage_code.claim(study.claims(wildcards.experiment))


def figures_of(experiments):
    """Every figure that shows no other experiments than these.

    One that shows another as well needs that one's runs, and no target trains more than its own: it is made where
    all of them are asked for, or by its own target.
    """
    listed = study.figures()
    return [name for name in listed if set(listed[name]) <= set(experiments)]


def pictures(experiments):
    """Both pictures of the figures of experiments."""
    figures = figures_of(experiments)
    return collect(
        "<scale>/figures/{figure}.{kind}", figure=figures, kind=["svg", "png"]
    )


def verdicts(experiments):
    """Verdicts of these experiments."""
    return collect(
        "<scale>/claims/{experiment}.{kind}",
        experiment=experiments,
        kind=["csv", "json"],
    )


@told
def report_inputs(wildcards):
    """Pictures and verdicts of the experiments that run by default."""
    paths = [path for name in figures_of(BY_DEFAULT) for path in planner().figure(name)]
    paths += [path for name in BY_DEFAULT for path in planner().claims(name)]
    planner().report(paths, REPORT_CODE)
    return accepted(paths)


def report_text(experiments):
    """What the report says about experiments in words of the config."""
    about = {
        name: [study.experiment(name).title, study.experiment(name).description]
        for name in experiments
    }
    return json.dumps(about, sort_keys=True)


BY_DEFAULT = [
    name for name in study.experiments() if study.experiment(name).all_by_default
]
REPORT_CODE = stage_code.report(report_text(BY_DEFAULT))


wildcard_constraints:
    experiment=r"[a-z][a-z0-9_]*",
    variant=r"[A-Za-z][A-Za-z0-9_.+-]*",
    figure=r"[a-z][a-z0-9_]*",
    dataset=r"[a-z][a-z0-9_]*",
    sequence=r"[a-z][a-z0-9_]*-[0-9a-f]{8}",
    block=r"\d+-\d+",
