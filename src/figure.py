"""Draw one figure (rule figure)."""

import perennial.one_thread  # noqa: F401, I001  first: the numerical libraries read it when they are imported

from pathlib import Path

from perennial import config, figures
from perennial.jobs.job import logged

job = snakemake  # noqa: F821  given by Snakemake

with logged(job.log[0]):
    paths = [Path(path) for path in job.input]
    metrics = {(path.parent.name, path.stem): path for path in paths}  # .../metrics/{experiment}/{variant}.h5
    svg, png = Path(job.output.svg), Path(job.output.png)
    module = config.load(job.config).figure(job.wildcards.figure)
    figures.render(job.wildcards.figure, module, metrics, svg, png, job.params.code)
