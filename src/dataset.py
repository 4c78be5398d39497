"""Make one data set (rule dataset)."""

import perennial.one_thread  # noqa: F401, I001  first: the numerical libraries read it when they are imported

from pathlib import Path

from perennial import config, datasets
from perennial.dag import stage_code
from perennial.jobs.job import logged

job = snakemake  # noqa: F821  given by Snakemake

with logged(job.log[0]):
    root = config.load(job.config).data_root
    name = job.wildcards.dataset
    datasets.make(name, Path(job.output[0]), root, job.threads, stage_code.dataset(name))
