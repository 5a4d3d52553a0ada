# From the study's files to its summary, tables and figures.


localrules:
    summarise,
    table1,
    table2,
    table3,
    uncertainty,
    best_rate,
    comparison,
    readings,
    claims,
    learning_rate_figure,
    optimizer_figure,
    tradeoff_figure,


rule summarise:
    input:
        products.there(lambda: products.trainings(paths.history)),
        products.there(lambda: products.trainings(paths.baseline)),
        products.there(products.evaluations),
    output:
        csv=f"{paths.summary}.csv",
        hdf5=SUMMARY,
        settings=paths.settings,
    log:
        f"{paths.logs}/summarise.log",
    conda:
        CONDA_ENVIRONMENT
    params:
        outline=outline,
        specification=specification("summarise"),
        settings=settings,
        incomplete="--incomplete" if study.incomplete else "",
        code=fingerprint("summarise"),
        program=program,
    shell:
        "{params.program} --log {log:q} summarise"
        " --outline {params.outline:q}"
        " --specification {params.specification:q}"
        " --csv {output.csv:q}"
        " --hdf5 {output.hdf5:q}"
        " --settings {params.settings:q}"
        " --settings-file {output.settings:q}"
        " {params.incomplete}"
        " --fingerprint {params.code}"


rule table1:
    input:
        ancient(products.datasets.values()),
    output:
        multiext(
            f"{paths.tables}/table1",
            csv=".csv",
            md=".md",
            tex=".tex",
        ),
    log:
        f"{paths.logs}/table1.log",
    conda:
        CONDA_ENVIRONMENT
    params:
        outline=outline,
        datasets=json.dumps(products.datasets),
        stem=lambda wildcards, output: output.csv.removesuffix(".csv"),
        code=fingerprint("tables"),
        program=program,
    shell:
        "{params.program} --log {log:q} table1"
        " --outline {params.outline:q}"
        " --datasets {params.datasets:q}"
        " --stem {params.stem:q}"


rule table2:
    input:
        SUMMARY,
    output:
        multiext(
            f"{paths.tables}/table2",
            csv=".csv",
            md=".md",
            tex=".tex",
        ),
    log:
        f"{paths.logs}/table2.log",
    conda:
        CONDA_ENVIRONMENT
    params:
        outline=outline,
        stem=lambda wildcards, output: output.csv.removesuffix(".csv"),
        code=fingerprint("tables"),
        program=program,
    shell:
        "{params.program} --log {log:q} table2"
        " --outline {params.outline:q}"
        " --summary {input:q}"
        " --stem {params.stem:q}"


rule table3:
    input:
        SUMMARY,
    output:
        multiext(
            f"{paths.tables}/table3-{{scope}}",
            csv=".csv",
            md=".md",
            tex=".tex",
        ),
    log:
        f"{paths.logs}/table3/{{scope}}.log",
    conda:
        CONDA_ENVIRONMENT
    params:
        outline=outline,
        stem=lambda wildcards, output: output.csv.removesuffix(".csv"),
        code=fingerprint("tables"),
        program=program,
    shell:
        "{params.program} --log {log:q} table3"
        " --outline {params.outline:q}"
        " --summary {input:q}"
        " --scope {wildcards.scope}"
        " --stem {params.stem:q}"


rule uncertainty:
    input:
        SUMMARY,
    output:
        multiext(
            f"{paths.tables}/uncertainty-{{scope}}",
            csv=".csv",
            md=".md",
            tex=".tex",
        ),
    log:
        f"{paths.logs}/uncertainty/{{scope}}.log",
    conda:
        CONDA_ENVIRONMENT
    params:
        outline=outline,
        stem=lambda wildcards, output: output.csv.removesuffix(".csv"),
        code=fingerprint("uncertainty"),
        program=program,
    shell:
        "{params.program} --log {log:q} uncertainty"
        " --outline {params.outline:q}"
        " --summary {input:q}"
        " --scope {wildcards.scope}"
        " --stem {params.stem:q}"


rule best_rate:
    input:
        SUMMARY,
    output:
        multiext(
            f"{paths.tables}/best_rate-{{scope}}",
            csv=".csv",
            md=".md",
            tex=".tex",
        ),
    log:
        f"{paths.logs}/best_rate/{{scope}}.log",
    conda:
        CONDA_ENVIRONMENT
    params:
        outline=outline,
        stem=lambda wildcards, output: output.csv.removesuffix(".csv"),
        code=fingerprint("best_rate"),
        program=program,
    shell:
        "{params.program} --log {log:q} best-rate"
        " --outline {params.outline:q}"
        " --summary {input:q}"
        " --scope {wildcards.scope}"
        " --stem {params.stem:q}"


rule comparison:
    input:
        SUMMARY,
    output:
        multiext(
            f"{paths.tables}/comparison-{{scope}}",
            csv=".csv",
            md=".md",
            tex=".tex",
        ),
    log:
        f"{paths.logs}/comparison/{{scope}}.log",
    conda:
        CONDA_ENVIRONMENT
    params:
        outline=outline,
        stem=lambda wildcards, output: output.csv.removesuffix(".csv"),
        code=fingerprint("comparison"),
        program=program,
    shell:
        "{params.program} --log {log:q} comparison"
        " --outline {params.outline:q}"
        " --summary {input:q}"
        " --scope {wildcards.scope}"
        " --stem {params.stem:q}"


rule readings:
    input:
        SUMMARY,
    output:
        multiext(
            f"{paths.tables}/readings",
            csv=".csv",
            md=".md",
            tex=".tex",
        ),
    log:
        f"{paths.logs}/readings.log",
    conda:
        CONDA_ENVIRONMENT
    params:
        outline=outline,
        stem=lambda wildcards, output: output.csv.removesuffix(".csv"),
        code=fingerprint("readings"),
        program=program,
    shell:
        "{params.program} --log {log:q} readings"
        " --outline {params.outline:q}"
        " --summary {input:q}"
        " --stem {params.stem:q}"


rule claims:
    input:
        SUMMARY,
    output:
        multiext(
            f"{paths.tables}/claims",
            csv=".csv",
            md=".md",
            tex=".tex",
        ),
    log:
        f"{paths.logs}/claims.log",
    conda:
        CONDA_ENVIRONMENT
    params:
        outline=outline,
        stem=lambda wildcards, output: output.csv.removesuffix(".csv"),
        code=fingerprint("claims"),
        program=program,
    shell:
        "{params.program} --log {log:q} claims"
        " --outline {params.outline:q}"
        " --summary {input:q}"
        " --stem {params.stem:q}"


rule learning_rate_figure:
    input:
        SUMMARY,
    output:
        multiext(
            f"{paths.figures}/figure{{number}}-{{dataset}}-{{scope}}",
            png=".png",
            svg=".svg",
            pdf=".pdf",
        ),
    log:
        f"{paths.logs}/learning_rate_figure/{{number}}-{{dataset}}-{{scope}}.log",
    conda:
        CONDA_ENVIRONMENT
    params:
        outline=outline,
        stem=lambda wildcards, output: output.png.removesuffix(".png"),
        code=fingerprint("learning_rate_figure"),
        program=program,
    shell:
        "{params.program} --log {log:q} learning-rate-figure"
        " --outline {params.outline:q}"
        " --summary {input:q}"
        " --dataset {wildcards.dataset}"
        " --scope {wildcards.scope}"
        " --stem {params.stem:q}"


rule optimizer_figure:
    input:
        SUMMARY,
    output:
        multiext(
            f"{paths.figures}/figure3-{{scope}}",
            png=".png",
            svg=".svg",
            pdf=".pdf",
        ),
    log:
        f"{paths.logs}/optimizer_figure/{{scope}}.log",
    conda:
        CONDA_ENVIRONMENT
    params:
        outline=outline,
        stem=lambda wildcards, output: output.png.removesuffix(".png"),
        code=fingerprint("optimizer_figure"),
        program=program,
    shell:
        "{params.program} --log {log:q} optimizer-figure"
        " --outline {params.outline:q}"
        " --summary {input:q}"
        " --scope {wildcards.scope}"
        " --stem {params.stem:q}"


rule tradeoff_figure:
    input:
        SUMMARY,
    output:
        multiext(
            f"{paths.figures}/figure4-{{scope}}",
            png=".png",
            svg=".svg",
            pdf=".pdf",
        ),
    log:
        f"{paths.logs}/tradeoff_figure/{{scope}}.log",
    conda:
        CONDA_ENVIRONMENT
    params:
        outline=outline,
        stem=lambda wildcards, output: output.png.removesuffix(".png"),
        code=fingerprint("tradeoff_figure"),
        program=program,
    shell:
        "{params.program} --log {log:q} tradeoff-figure"
        " --outline {params.outline:q}"
        " --summary {input:q}"
        " --scope {wildcards.scope}"
        " --stem {params.stem:q}"
