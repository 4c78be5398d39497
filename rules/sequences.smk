"""Sequences: what each seed will meet, the same for every algorithm.

In: nothing but the settings of the problem or environment.
Out: <scale>/sequences/{sequence}/seeds_{block}.h5, named by all that determines it and never rewritten.
"""


rule sequences:
    output:
        "<scale>/sequences/{sequence}/seeds_{block}.h5",
    log:
        "<scale>/logs/sequences/{sequence}/seeds_{block}.log",
    conda:
        "../envs/study.yaml"
    params:
        settings=sequence_settings,
    message:
        "sequences {wildcards.sequence}, seeds {wildcards.block}"
    script:
        "../src/sequences.py"
