# The study on one page.


localrules:
    report,


rule report:
    input:
        table_files(),
        figure_files(),
        why_figures(),
        there(training_files(paths.history)),
        there(training_files(paths.baseline)),
        datasets=dataset_files().values(),
        measured=measured_files().values(),
        summary=SUMMARY,
    output:
        paths.report,
    log:
        f"{paths.logs}/report.log",
    conda:
        CONDA_ENVIRONMENT
    params:
        outline=outline,
        datasets=to_json(dataset_files()),
        measured=to_json(measured_files()),
        configuration=configuration,
        tables=[f"--table={stem}" for stem in all_tables()],
        figures=[f"--figure={stem}" for stem in [*figure_stems(study.outline), *whys()]],
        code=fingerprint("report"),
    shell:
        "python -m noise_resistance --log {log:q} report"
        " --outline {params.outline:q}"
        " --summary {input.summary:q}"
        " --datasets {params.datasets:q}"
        " --measured {params.measured:q}"
        " --configuration {params.configuration:q}"
        " {params.tables:q}"
        " {params.figures:q}"
        " --output {output:q}"
