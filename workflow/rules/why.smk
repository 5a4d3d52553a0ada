# Why trainings differ in resistance: their length, single layers, dead channels, gradient noise.


localrules:
    summarise_lengths,
    length_table,
    length_figure,
    summarise_diagnostics,
    gradient_noise,
    why_figure,
    summarise_layers,
    layers_figure,


rule diagnose:
    input:
        dataset_for_diagnostics,
        states=diagnosed_states,
        weights=diagnosed_weights,
    output:
        paths.diagnostics,
    log:
        f"{paths.logs}/diagnose/{TRAINING}.log",
    benchmark:
        f"{paths.benchmarks}/diagnose/{TRAINING}.tsv"
    conda:
        CONDA_ENVIRONMENT
    threads: study.evaluation_threads
    resources:
        gpu=GPUS,
        device=study.device,
        trainings_per_gpu=study.trainings_per_gpu,
        mem_mb=asks("diagnose", "mem_mb"),
        runtime=asks("diagnose", "runtime"),
        disk_mb=asks("diagnose", "disk_mb"),
    params:
        dataset=dataset_file,
        optimizer_definition=lambda wildcards: to_json(request_of(wildcards).optimizer_definition),
        recipe=to_json(study.recipe.as_mapping()),
        images=study.diagnostics.images,
        batches=study.diagnostics.batches,
        code=fingerprint("diagnose"),
    shell:
        "python -m noise_resistance --log {log:q} diagnose"
        " --dataset {params.dataset:q}"
        " --model {wildcards.model}"
        " --optimizer-definition {params.optimizer_definition:q}"
        " --learning-rate {wildcards.learning_rate}"
        " --seed {wildcards.seed}"
        " --recipe {params.recipe:q}"
        " --images {params.images}"
        " --batches {params.batches}"
        " --output {output:q}"
        " --device {resources.device}"
        " --trainings-per-gpu {resources.trainings_per_gpu}"
        " --threads {threads}"
        " --fingerprint {params.code}"
        " {input.weights:q}"


rule summarise_lengths:
    input:
        training_files(paths.history),
        training_files(paths.baseline),
        evaluation_files(),
        snapshot_training_files(paths.baseline),
        snapshot_evaluation_files(),
    output:
        csv=f"{paths.lengths}.csv",
        hdf5=f"{paths.lengths}.h5",
    log:
        f"{paths.logs}/summarise_lengths.log",
    conda:
        CONDA_ENVIRONMENT
    params:
        outline=outline,
        specification=specification("summarise_lengths"),
        snapshots=[f"--snapshot={epoch}" for epoch in study.snapshots],
        code=fingerprint("summarise_lengths"),
    shell:
        "python -m noise_resistance --log {log:q} summarise-lengths"
        " --outline {params.outline:q}"
        " --specification {params.specification:q}"
        " {params.snapshots:q}"
        " --csv {output.csv:q}"
        " --hdf5 {output.hdf5:q}"
        " --fingerprint {params.code}"


rule length_table:
    input:
        f"{paths.lengths}.h5",
    output:
        multiext(
            f"{paths.tables}/length-{{scope}}",
            csv=".csv",
            md=".md",
            tex=".tex",
        ),
    log:
        f"{paths.logs}/length_table/{{scope}}.log",
    conda:
        CONDA_ENVIRONMENT
    params:
        outline=outline,
        stem=lambda wildcards, output: output.csv.removesuffix(".csv"),
        code=fingerprint("length_table"),
    shell:
        "python -m noise_resistance --log {log:q} length-table"
        " --outline {params.outline:q}"
        " --lengths {input:q}"
        " --scope {wildcards.scope}"
        " --stem {params.stem:q}"


rule length_figure:
    input:
        f"{paths.lengths}.h5",
    output:
        multiext(
            f"{paths.figures}/length-{{scope}}",
            png=".png",
            svg=".svg",
            pdf=".pdf",
        ),
    log:
        f"{paths.logs}/length_figure/{{scope}}.log",
    conda:
        CONDA_ENVIRONMENT
    params:
        outline=outline,
        stem=lambda wildcards, output: output.png.removesuffix(".png"),
        code=fingerprint("length_figure"),
    shell:
        "python -m noise_resistance --log {log:q} length-figure"
        " --outline {params.outline:q}"
        " --lengths {input:q}"
        " --scope {wildcards.scope}"
        " --stem {params.stem:q}"


rule summarise_diagnostics:
    input:
        training_files(paths.diagnostics),
    output:
        csv=f"{paths.diagnostics_summary}.csv",
        hdf5=f"{paths.diagnostics_summary}.h5",
    log:
        f"{paths.logs}/summarise_diagnostics.log",
    conda:
        CONDA_ENVIRONMENT
    params:
        outline=outline,
        specification=specification("summarise_diagnostics"),
        code=fingerprint("summarise_diagnostics"),
    shell:
        "python -m noise_resistance --log {log:q} summarise-diagnostics"
        " --outline {params.outline:q}"
        " --specification {params.specification:q}"
        " --csv {output.csv:q}"
        " --hdf5 {output.hdf5:q}"
        " --fingerprint {params.code}"


rule gradient_noise:
    input:
        f"{paths.diagnostics_summary}.h5",
    output:
        multiext(
            f"{paths.tables}/gradient_noise",
            csv=".csv",
            md=".md",
            tex=".tex",
        ),
    log:
        f"{paths.logs}/gradient_noise.log",
    conda:
        CONDA_ENVIRONMENT
    params:
        outline=outline,
        stem=lambda wildcards, output: output.csv.removesuffix(".csv"),
        code=fingerprint("gradient_noise"),
    shell:
        "python -m noise_resistance --log {log:q} gradient-noise"
        " --outline {params.outline:q}"
        " --diagnostics {input:q}"
        " --stem {params.stem:q}"


rule why_figure:
    input:
        summary=SUMMARY,
        diagnostics=f"{paths.diagnostics_summary}.h5",
    output:
        multiext(
            f"{paths.figures}/why-{{scope}}",
            png=".png",
            svg=".svg",
            pdf=".pdf",
        ),
    log:
        f"{paths.logs}/why_figure/{{scope}}.log",
    conda:
        CONDA_ENVIRONMENT
    params:
        outline=outline,
        stem=lambda wildcards, output: output.png.removesuffix(".png"),
        code=fingerprint("why_figure"),
    shell:
        "python -m noise_resistance --log {log:q} why-figure"
        " --outline {params.outline:q}"
        " --summary {input.summary:q}"
        " --diagnostics {input.diagnostics:q}"
        " --scope {wildcards.scope}"
        " --stem {params.stem:q}"


rule summarise_layers:
    input:
        training_files(paths.baseline),
        layer_files(),
    output:
        csv=f"{paths.layers}.csv",
        hdf5=f"{paths.layers}.h5",
    log:
        f"{paths.logs}/summarise_layers.log",
    conda:
        CONDA_ENVIRONMENT
    params:
        outline=outline,
        specification=specification("summarise_layers"),
        levels=[f"--noise-level={level}" for level in study.layer_sweep.levels],
        arrays=study.layer_sweep.scope,
        code=fingerprint("summarise_layers"),
    shell:
        "python -m noise_resistance --log {log:q} summarise-layers"
        " --outline {params.outline:q}"
        " --specification {params.specification:q}"
        " {params.levels}"
        " --scope {params.arrays}"
        " --csv {output.csv:q}"
        " --hdf5 {output.hdf5:q}"
        " --fingerprint {params.code}"


rule layers_figure:
    input:
        f"{paths.layers}.h5",
    output:
        multiext(
            f"{paths.figures}/layers-{{model}}",
            png=".png",
            svg=".svg",
            pdf=".pdf",
        ),
    log:
        f"{paths.logs}/layers_figure/{{model}}.log",
    conda:
        CONDA_ENVIRONMENT
    params:
        outline=outline,
        stem=lambda wildcards, output: output.png.removesuffix(".png"),
        code=fingerprint("layers_figure"),
    shell:
        "python -m noise_resistance --log {log:q} layers-figure"
        " --outline {params.outline:q}"
        " --layers {input:q}"
        " --model {wildcards.model}"
        " --stem {params.stem:q}"
