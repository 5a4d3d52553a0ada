# Why trainings differ in resistance: their length, single layers, dead channels, gradient noise.


localrules:
    summarise_lengths,
    length_figure,


rule summarise_lengths:
    input:
        training_files(paths.history),
        training_files(paths.baseline),
        evaluation_files(),
        snapshot_files(paths.baseline, study.trainings),
        snapshot_files(paths.noise, study.evaluations),
    output:
        csv=f"{paths.lengths}.csv",
        hdf5=f"{paths.lengths}.h5",
    log:
        f"{paths.logs}/summarise_lengths.log",
    conda:
        CONDA_ENVIRONMENT
    params:
        outline=OUTLINE,
        snapshots=[f"--snapshot={epoch}" for epoch in study.snapshots],
        code=fingerprint("summarise_lengths"),
    shell:
        "python -m noise_resistance --log {log:q} summarise-lengths"
        " --outline {params.outline:q}"
        " {params.snapshots:q}"
        " --csv {output.csv:q}"
        " --hdf5 {output.hdf5:q}"
        " --fingerprint {params.code}"


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
        outline=OUTLINE,
        stem=lambda wildcards, output: output.png.removesuffix(".png"),
        code=fingerprint("length_figure"),
    shell:
        "python -m noise_resistance --log {log:q} length-figure"
        " --outline {params.outline:q}"
        " --lengths {input:q}"
        " --scope {wildcards.scope}"
        " --stem {params.stem:q}"
