"""Data sets: download or unpack, verify, convert.

In: the packaged data, or the folder that the config's `data.root` names (never part of params).
Out: <data>/{dataset}.h5, shared by all scales.

On a cluster this runs where Snakemake runs: the nodes that compute often have no way to the internet.
"""


rule dataset:
    output:
        "<data>/{dataset}.h5",
    log:
        "<data>/logs/{dataset}.log",
    localrule: True
    conda:
        "../envs/study.yaml"
    threads: dataset_threads
    message:
        "data {wildcards.dataset}"
    script:
        "../src/dataset.py"
