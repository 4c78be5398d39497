"""Figures: ours over the published curves.

In: metrics files of the variants that a figure shows.
Out: <scale>/figures/{figure}.svg and .png; a target for each figure.
"""


rule figure:
    input:
        figure_metrics,
    output:
        svg="<scale>/figures/{figure}.svg",
        png="<scale>/figures/{figure}.png",
    log:
        "<scale>/logs/figures/{figure}.log",
    conda:
        "../envs/study.yaml"
    params:
        code=figure_code,
    message:
        "figure {wildcards.figure}"
    script:
        "../src/figure.py"


# An experiment's own target makes its figures, so a figure of the same name needs none.
for name in sorted(set(study.figures()) - set(study.experiments())):

    rule:
        name:
            name
        input:
            collect("<scale>/figures/{figure}.{kind}", figure=name, kind=["svg", "png"]),
