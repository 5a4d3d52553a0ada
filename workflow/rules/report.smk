# The study on one page.


localrules:
    report,


rule report:
    input:
        products.tables(),
        products.figures(),
        products.there(lambda: products.trainings(paths.history)),
        products.there(lambda: products.trainings(paths.baseline)),
        datasets=ancient(products.datasets.values()),
        measured=products.measured.values(),
        summary=SUMMARY,
    output:
        paths.report,
    log:
        f"{paths.logs}/report.log",
    conda:
        CONDA_ENVIRONMENT
    params:
        outline=outline,
        datasets=json.dumps(products.datasets),
        measured=json.dumps(products.measured),
        configuration=settings,
        tables=[f"--table={stem}" for stem in products.table_stems],
        figures=[f"--figure={stem}" for stem in products.figure_stems],
        code=fingerprint("report"),
        program=program,
    shell:
        "{params.program} --log {log:q} report"
        " --outline {params.outline:q}"
        " --summary {input.summary:q}"
        " --datasets {params.datasets:q}"
        " --measured {params.measured:q}"
        " --configuration {params.configuration:q}"
        " {params.tables:q}"
        " {params.figures:q}"
        " --output {output:q}"
