"""Metrics: statistics over seeds.

In: all planned blocks of a variant.
Out: <scale>/metrics/{experiment}/{variant}.h5
"""


rule metrics:
    input:
        variant_runs,
    output:
        "<scale>/metrics/{experiment}/{variant}.h5",
    log:
        "<scale>/logs/metrics/{experiment}/{variant}.log",
    conda:
        "../envs/study.yaml"
    params:
        seeds=variant_seeds,
        code=stage_code.metrics(),
    message:
        "metrics {wildcards.experiment}/{wildcards.variant}"
    script:
        "../src/metrics.py"
