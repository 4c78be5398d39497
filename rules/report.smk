"""Report: everything that is finished, on one page and in one table.

In: figures and claims of the experiments that run by default.
Out: <scale>/report.html and <scale>/claims.csv; a target for each experiment, which makes that experiment's
figures and claims and then refreshes the report without training anything else.
"""


rule report:
    input:
        report_inputs,
    output:
        html="<scale>/report.html",
        csv="<scale>/claims.csv",
    log:
        "<scale>/logs/report.log",
    conda:
        "../envs/study.yaml"
    params:
        code=REPORT_CODE,
    message:
        "report"
    script:
        "../src/report.py"


for name in study.experiments():

    rule:
        name:
            name
        input:
            pictures([name]),
            verdicts([name]),
        log:
            f"<scale>/logs/report_{name}.log",
        conda:
            "../envs/study.yaml"
        params:
            code=REPORT_CODE,
        message:
            f"{name}: report, refreshed"
        script:
            "../src/report.py"
