"""Claims: published statements against our numbers.

In: metrics files of all active variants of an experiment, and of others that its claims name.
Out: <scale>/claims/{experiment}.csv with the verdicts, and .json with all detail.
"""


rule claim:
    input:
        claim_metrics,
    output:
        csv="<scale>/claims/{experiment}.csv",
        json="<scale>/claims/{experiment}.json",
    log:
        "<scale>/logs/claims/{experiment}.log",
    conda:
        "../envs/study.yaml"
    params:
        code=claim_code,
    message:
        "claims {wildcards.experiment}"
    script:
        "../src/claim.py"
