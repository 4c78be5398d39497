"""Train one block of seeds of one variant (rule train)."""

import perennial.one_thread  # noqa: F401, I001  first: the numerical libraries read it when they are imported

import json
import sys
import time
from pathlib import Path

from perennial import config
from perennial.config import unchanged
from perennial.dag import blocks
from perennial.jobs import training
from perennial.jobs.job import logged
from perennial.jobs.progress import clock

job = snakemake  # noqa: F821  given by Snakemake

label = f"{job.wildcards.experiment}/{job.wildcards.variant}, seeds {job.wildcards.block}"

with logged(job.log[0]):
    start, study = time.monotonic(), config.load(job.config)
    unchanged.check(study, job.wildcards.experiment)
    block = f"{job.wildcards.experiment}/{job.wildcards.variant}/seeds_{job.wildcards.block}"
    training.train_block(
        json.loads(job.params.settings),
        list(blocks.seeds_of(blocks.parse(job.wildcards.block))),
        Path(job.output[0]),
        sequences=[Path(path) for path in job.input.sequences],
        dataset=Path(str(job.input.dataset)) if job.input.dataset else None,
        engine=study.engine,
        device=study.device,
        portable=study.portable,
        threads=job.threads,
        code=job.params.code,
        experiment=job.wildcards.experiment,
        variant=job.wildcards.variant,
        label=label,
        checkpoints=study.folder / "checkpoints" / block,
        checkpoint_seconds=study.checkpoint_seconds,
    )
    print(f"{label}: done in {clock(time.monotonic() - start)}", file=sys.stderr)
