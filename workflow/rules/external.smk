# Models that were trained elsewhere, evaluated like the study's own.


localrules:
    summarise_external,
    external_figure,


rule evaluate_external:
    input:
        dataset=ancient(dataset_file),
        file=lambda wildcards: study.external_models[wildcards.external].file,
    output:
        update(products.external_outputs()),
    log:
        f"{paths.logs}/evaluate_external/{{external}}.log",
    conda:
        CONDA_ENVIRONMENT
    threads: study.evaluation_threads
    resources:
        gpu=GPUS,
        mem_mb=asks("evaluate_external", "mem_mb"),
        runtime=asks("evaluate_external", "runtime"),
        disk_mb=asks("evaluate_external", "disk_mb"),
    params:
        request=request_of("evaluate_external"),
        code=version_of("evaluate_external"),
        folder=paths.external,
        program=program,
        machine=machine,
    shell:
        "{params.program} --log {log:q} evaluate-external"
        " --dataset {input.dataset:q}"
        " --request {params.request:q}"
        " --file {input.file:q}"
        " --folder {params.folder:q}"
        " {params.machine}"


rule summarise_external:
    input:
        products.external_files(),
    output:
        csv=f"{paths.external_summary}.csv",
        hdf5=f"{paths.external_summary}.h5",
    log:
        f"{paths.logs}/summarise_external.log",
    conda:
        CONDA_ENVIRONMENT
    params:
        models=json.dumps(products.external_folders()),
        scopes=[f"--scope={scope}" for scope in study.readings],
        levels=[f"--noise-level={level}" for level in study.noise_levels],
        code=fingerprint("summarise_external"),
        program=program,
    shell:
        "{params.program} --log {log:q} summarise-external"
        " --models {params.models:q}"
        " {params.scopes} {params.levels}"
        " --csv {output.csv:q}"
        " --hdf5 {output.hdf5:q}"
        " --fingerprint {params.code}"


rule external_figure:
    input:
        f"{paths.external_summary}.h5",
    output:
        multiext(
            f"{paths.figures}/external",
            png=".png",
            svg=".svg",
            pdf=".pdf",
        ),
    log:
        f"{paths.logs}/external_figure.log",
    conda:
        CONDA_ENVIRONMENT
    params:
        titles=json.dumps({name: one.title for name, one in study.catalogue.items()}),
        stem=lambda wildcards, output: output.png.removesuffix(".png"),
        code=fingerprint("external_figure"),
        program=program,
    shell:
        "{params.program} --log {log:q} external-figure"
        " --external {input:q}"
        " --titles {params.titles:q}"
        " --stem {params.stem:q}"
