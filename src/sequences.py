"""Draw what a block of seeds will meet (rule sequences)."""

import perennial.one_thread  # noqa: F401, I001  first: the numerical libraries read it when they are imported

import json
from pathlib import Path

from perennial import blocks, sequences, stage_code
from perennial.job import logged
from perennial.settings import Unfit

job = snakemake  # noqa: F821  given by Snakemake

with logged(job.log[0], clear=(Unfit,)):
    seeds = list(blocks.seeds_of(blocks.parse(job.wildcards.block)))
    settings = json.loads(job.params.settings)
    code = stage_code.sequences(settings["problem"]["name"])
    sequences.make_block(settings, seeds, Path(job.output[0]), code)
