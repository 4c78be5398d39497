"""Helpers of all rules: settings and code of a job, its files, and blocks planned around what is finished.

In: the validated `study`. Out: functions for `input:` and `params:`; no rule stands here.
"""

import functools
import json
import sys
from pathlib import Path

from snakemake.io import IOFile

from perennial import registry
from perennial.config import unchanged
from perennial.config.study import sequence_key
from perennial.config.workflow import or_exit
from perennial.dag import abandoned, blocks, planning, stage_code
from perennial.estimate import resources


def remembered(path):
    """Whether Snakemake has a record of how it made this file.

    Where it was killed before it wrote one, it takes the file for incomplete. The planner asks only about whole
    files, so that note is dropped, and the file is asked itself.
    """
    file = IOFile(str(path))
    if workflow.persistence.metadata(file) is not None:
        return True
    if not workflow.dryrun:
        workflow.persistence.cleanup_metadata(file)
    return False


def make_again(path):
    """Plan a file's job although the file is there. (The same as naming it after --forcerun.)"""
    workflow.dag.forcefiles.add(str(path))


def say(line):
    """One line for people, whatever the logger is told to hide."""
    print(line, file=sys.stderr, flush=True)


@functools.cache
def planner():
    """The planner, made when the DAG is built: only then is it known whether this is a dry run.

    Jobs on a cluster read this file again. They trust the main process, which has looked at every file.
    """
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
            has_record=remembered,
            make_again=make_again,
            say=say,
        ),
    )


def variant_settings(wildcards):
    """JSON text with all that determines the runs of a variant but their seeds."""
    return study.settings_text(wildcards.experiment, wildcards.variant)


def variant_code(wildcards):
    """Hash of the code that trains a variant."""
    return stage_code.train(study.settings(wildcards.experiment, wildcards.variant))


def variant_runs(wildcards):
    """Files of all planned blocks of a variant."""
    folder = planner().run_folder(wildcards.experiment, wildcards.variant)
    planned = planner().runs(wildcards.experiment, wildcards.variant)
    return [str(folder / blocks.file_name(block)) for block in planned]


def variant_seeds(wildcards):
    """Seeds that the study wants of a variant."""
    return study.seeds(wildcards.experiment)


def block_sequences(wildcards):
    """Sequence files that a block of runs reads. They are never rewritten, so their age means nothing."""
    or_exit(functools.partial(unchanged.check, study, wildcards.experiment))
    block = blocks.parse(wildcards.block)
    paths = planner().sequences_of(wildcards.experiment, wildcards.variant, block)
    return [ancient(str(path)) for path in paths]


def block_dataset(wildcards):
    """The data set of a block's problem, if it has one. Its checksum, not its age, is part of the code."""
    settings = study.settings(wildcards.experiment, wildcards.variant)
    name = stage_code.dataset_of(settings)
    return ancient(str(planner().dataset(name))) if name else []


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


def metrics_files(pairs):
    """Metrics files of (experiment, variant) pairs."""
    return [
        str(planner().metrics(experiment, variant)) for experiment, variant in pairs
    ]


def figure_metrics(wildcards):
    """Metrics files that a figure reads."""
    return metrics_files(study.shown.get(wildcards.figure, []))


def figure_code(wildcards):
    """Hash of the code that draws a figure."""
    return stage_code.figure(study.figure_modules[wildcards.figure])


def claim_metrics(wildcards):
    """Metrics files that the claims of an experiment read: all its active variants, and active ones elsewhere."""
    return metrics_files(study.judged(wildcards.experiment))


def claim_code(wildcards):
    """Hash of the code that judges the claims of an experiment."""
    return stage_code.claim(study.claims(wildcards.experiment))


def pictures(experiments):
    """Both pictures of every figure that shows no other experiments than these.

    One that shows another as well needs that one's runs, and no target trains more than its own: it is made where
    all of them are asked for, or by its own target.
    """
    listed = study.figures()
    figures = [name for name in listed if set(listed[name]) <= set(experiments)]
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


wildcard_constraints:
    experiment=r"[a-z][a-z0-9_]*",
    variant=r"[A-Za-z][A-Za-z0-9_.+-]*",
    figure=r"[a-z][a-z0-9_]*",
    dataset=r"[a-z][a-z0-9_]*",
    sequence=r"[a-z][a-z0-9_]*-[0-9a-f]{8}",
    block=r"\d+-\d+",
