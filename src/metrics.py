"""Gather the runs of one variant into statistics over seeds (rule metrics)."""

import perennial.one_thread  # noqa: F401, I001  first: the numerical libraries read it when they are imported

from pathlib import Path

from perennial.analyses import summary
from perennial.jobs.job import logged

job = snakemake  # noqa: F821  given by Snakemake

with logged(job.log[0]):
    summary.summarise(
        [Path(path) for path in job.input],
        job.params.seeds,
        job.params.seeds,
        Path(job.output[0]),
        job.wildcards.experiment,
        job.wildcards.variant,
        job.params.code,
    )
