# Models that were trained elsewhere, evaluated like the study's own.


localrules:
    summarise_external,
    external_figure,


rule evaluate_external:
    input:
        dataset=external_dataset,
        file=lambda wildcards: study.external_models[wildcards.external].file,
    output:
        f"{paths.external}/baseline.h5",
        external_noise_files(),
    log:
        f"{paths.logs}/evaluate_external/{{external}}.log",
    benchmark:
        f"{paths.benchmarks}/evaluate_external/{{external}}.tsv"
    conda:
        CONDA_ENVIRONMENT
    threads: study.evaluation_threads
    resources:
        gpu=GPUS,
        device=study.device,
        trainings_per_gpu=study.trainings_per_gpu,
        mem_mb=asks("evaluate_external", "mem_mb"),
        runtime=asks("evaluate_external", "runtime"),
        disk_mb=asks("evaluate_external", "disk_mb"),
    params:
        entry=lambda wildcards: to_json(study.external_models[wildcards.external].as_mapping()),
        readings=external_readings(),
        levels=[f"--noise-level={level}" for level in study.noise_levels],
        folder=paths.external,
        code=fingerprint("evaluate_external"),
    shell:
        "python -m noise_resistance --log {log:q} evaluate-external"
        " --entry {params.entry:q}"
        " --dataset {input.dataset:q}"
        " --readings {params.readings:q}"
        " {params.levels}"
        " --folder {params.folder:q}"
        " --device {resources.device}"
        " --trainings-per-gpu {resources.trainings_per_gpu}"
        " --threads {threads}"
        " --fingerprint {params.code}"


rule summarise_external:
    input:
        external_files(),
    output:
        csv=f"{paths.external_summary}.csv",
        hdf5=f"{paths.external_summary}.h5",
    log:
        f"{paths.logs}/summarise_external.log",
    conda:
        CONDA_ENVIRONMENT
    params:
        models=external_folders(),
        scopes=[f"--scope={scope}" for scope in study.readings],
        levels=[f"--noise-level={level}" for level in study.noise_levels],
        code=fingerprint("summarise_external"),
    shell:
        "python -m noise_resistance --log {log:q} summarise-external"
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
        titles=to_json({name: one.title for name, one in study.catalogue.items()}),
        stem=lambda wildcards, output: output.png.removesuffix(".png"),
        code=fingerprint("external_figure"),
    shell:
        "python -m noise_resistance --log {log:q} external-figure"
        " --external {input:q}"
        " --titles {params.titles:q}"
        " --stem {params.stem:q}"
