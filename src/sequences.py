"""Draw what a block of seeds will meet (rule sequences)."""

import perennial.one_thread  # noqa: F401, I001  first: the numerical libraries read it when they are imported

import json
from pathlib import Path

from perennial import config
from perennial.dag import blocks, stage_code
from perennial.jobs import sequences
from perennial.jobs.job import logged

job = snakemake  # noqa: F821  given by Snakemake

with logged(job.log[0]):
    config.load(job.config)  # finds the user's own files
    seeds = list(blocks.seeds_of(blocks.parse(job.wildcards.block)))
    settings = json.loads(job.params.settings)
    sequences.make_block(settings, seeds, Path(job.output[0]), stage_code.sequences(settings))
