"""Training: one block of seeds of one variant, on one core.

In: the block's sequences and, where its problem has one, a data set.
Out: <scale>/runs/{experiment}/{variant}/seeds_{block}.h5
Beside: <scale>/checkpoints/{experiment}/{variant}/seeds_{block}/ until the block is done; see docs/resume.md.

Params hold what determines the runs, so that nothing else makes them run again: no seeds, no block size, no
engine, no device. Retries stand in profiles only: those of a rule would run inside the same cluster allocation.
"""


rule train:
    input:
        sequences=block_sequences,
        dataset=block_dataset,
    output:
        "<scale>/runs/{experiment}/{variant}/seeds_{block}.h5",
    log:
        "<scale>/logs/train/{experiment}/{variant}/seeds_{block}.log",
    conda:
        "../envs/study.yaml"
    threads: 1
    resources:
        gpu=training_gpus,
        mem_mb=training_memory,
        runtime=training_minutes,
    params:
        settings=variant_settings,
        code=variant_code,
    message:
        "train {wildcards.experiment}/{wildcards.variant}, seeds {wildcards.block}"
    script:
        "../src/train.py"
