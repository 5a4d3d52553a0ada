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
        dataset=ancient(dataset_file),
        states=products.kept("history.h5", "optimizer.h5") + [paths.history, paths.optimizer],
        snapshots=products.kept("model.weights.h5"),
        weights=paths.weights,
    output:
        update(paths.diagnostics),
    log:
        f"{paths.logs}/diagnose/{TRAINING}.log",
    conda:
        CONDA_ENVIRONMENT
    threads: study.evaluation_threads
    resources:
        gpu=GPUS,
        mem_mb=asks("diagnose", "mem_mb"),
        runtime=asks("diagnose", "runtime"),
        disk_mb=asks("diagnose", "disk_mb"),
    params:
        request=request_of("diagnose"),
        code=version_of("diagnose"),
        training=lambda wildcards, input: str(Path(input.weights).parent),
        program=program,
        machine=machine,
    shell:
        "{params.program} --log {log:q} diagnose"
        " --dataset {input.dataset:q}"
        " --request {params.request:q}"
        " --training {params.training:q}"
        " --output {output:q}"
        " {params.machine}"


rule summarise_lengths:
    input:
        lambda wildcards: products.trainings(paths.history),
        lambda wildcards: products.trainings(paths.baseline),
        lambda wildcards: products.evaluations(),
        lambda wildcards: products.snapshot_trainings(paths.baseline),
        lambda wildcards: products.snapshot_evaluations(),
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
        program=program,
    shell:
        "{params.program} --log {log:q} summarise-lengths"
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
        program=program,
    shell:
        "{params.program} --log {log:q} length-table"
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
        program=program,
    shell:
        "{params.program} --log {log:q} length-figure"
        " --outline {params.outline:q}"
        " --lengths {input:q}"
        " --scope {wildcards.scope}"
        " --stem {params.stem:q}"


rule summarise_diagnostics:
    input:
        lambda wildcards: products.trainings(paths.diagnostics),
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
        program=program,
    shell:
        "{params.program} --log {log:q} summarise-diagnostics"
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
        program=program,
    shell:
        "{params.program} --log {log:q} gradient-noise"
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
        program=program,
    shell:
        "{params.program} --log {log:q} why-figure"
        " --outline {params.outline:q}"
        " --summary {input.summary:q}"
        " --diagnostics {input.diagnostics:q}"
        " --scope {wildcards.scope}"
        " --stem {params.stem:q}"


rule summarise_layers:
    input:
        lambda wildcards: products.trainings(paths.baseline),
        lambda wildcards: products.layer_evaluations(),
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
        program=program,
    shell:
        "{params.program} --log {log:q} summarise-layers"
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
        program=program,
    shell:
        "{params.program} --log {log:q} layers-figure"
        " --outline {params.outline:q}"
        " --layers {input:q}"
        " --model {wildcards.model}"
        " --stem {params.stem:q}"
