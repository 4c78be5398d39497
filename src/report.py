"""Write the report and the table of verdicts from all that is finished (rule report).

Each experiment's target runs it too, without declaring an output: nothing is trained for the report's sake.
"""

import perennial.one_thread  # noqa: F401, I001  first: the numerical libraries read it when they are imported

from perennial import config, report
from perennial.jobs.job import logged

job = snakemake  # noqa: F821  given by Snakemake

with logged(job.log[0]):
    study = config.load(job.config)
    page, ledger = study.folder / "report.html", study.folder / "claims.csv"
    report.build(study, page, ledger, job.params.code)
