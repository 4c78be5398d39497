"""The study as one DAG: data -> sequences -> train -> metrics -> figures and claims -> report.

In: config.yaml (and --configfile, --config). Out: {results}/{scale}/report.html, {results}/{scale}/claims.csv.
Targets: all (default), figures, claims, each experiment, each figure.
"""

from snakemake.utils import min_version

from perennial.config.workflow import study_or_exit, yaml_or_exit

min_version("9.27")

yaml_or_exit(workflow)


configfile: "config.yaml"


study = study_or_exit(config, workflow)


pathvars:
    scale=str(study.folder),
    data=str(study.results / "data"),


include: "rules/common.smk"


rule all:
    default_target: True
    input:
        "<scale>/report.html",
        "<scale>/claims.csv",
    message:
        "all"


rule figures:
    input:
        pictures(BY_DEFAULT),
    message:
        "figures"


rule claims:
    input:
        verdicts(BY_DEFAULT),
    message:
        "claims"


include: "rules/data.smk"
include: "rules/sequences.smk"
include: "rules/train.smk"
include: "rules/metrics.smk"
include: "rules/figures.smk"
include: "rules/claims.smk"
include: "rules/report.smk"
