"""Judge the published claims of one experiment (rule claim)."""

import perennial.one_thread  # noqa: F401, I001  first: the numerical libraries read it when they are imported

from pathlib import Path

from perennial import config
from perennial.claims import judging
from perennial.jobs.job import logged

job = snakemake  # noqa: F821  given by Snakemake

with logged(job.log[0]):
    study, experiment = config.load(job.config), job.wildcards.experiment
    files = {
        (path.parent.name, path.stem): path for path in map(Path, job.input)
    }  # .../{experiment}/{variant}.h5
    metrics = {v if e == experiment else f"{e}/{v}": path for (e, v), path in files.items()}
    judging.judge(
        study.claims(experiment), metrics, Path(job.output.csv), Path(job.output.json), job.params.code
    )
