"""Judge the published claims of one experiment (rule claim)."""

import perennial.one_thread  # noqa: F401, I001  first: the numerical libraries read it when they are imported

from pathlib import Path

from perennial import claims
from perennial.jobs.job import logged

job = snakemake  # noqa: F821  given by Snakemake

with logged(job.log[0]):
    metrics = {path.stem: path for path in map(Path, job.input)}  # .../metrics/{experiment}/{variant}.h5
    claims.judge(
        job.wildcards.experiment, metrics, Path(job.output.csv), Path(job.output.json), job.params.code
    )
