# Each trained model without noise, and at each noise level under each noise scope.


rule evaluate_baseline:
    input:
        dataset_for_baseline,
        weights=paths.weights,
        history=paths.history,
    output:
        paths.baseline,
    log:
        f"{paths.logs}/evaluate_baseline/{TRAINING}.log",
    benchmark:
        f"{paths.benchmarks}/evaluate_baseline/{TRAINING}.tsv"
    conda:
        CONDA_ENVIRONMENT
    threads: study.evaluation_threads
    resources:
        gpu=GPUS,
        device=study.device,
        trainings_per_gpu=study.trainings_per_gpu,
        mem_mb=asks("evaluate", "mem_mb"),
        runtime=asks("evaluate", "runtime"),
        disk_mb=asks("evaluate", "disk_mb"),
    params:
        dataset=dataset_file,
        precision=study.noise.precision,
        code=fingerprint("evaluate_baseline"),
    shell:
        "python -m noise_resistance --log {log:q} evaluate-baseline"
        " --dataset {params.dataset:q}"
        " --model {wildcards.model}"
        " --weights {input.weights:q}"
        " --history {input.history:q}"
        " --precision {params.precision}"
        " --output {output:q}"
        " --device {resources.device}"
        " --trainings-per-gpu {resources.trainings_per_gpu}"
        " --threads {threads}"
        " --fingerprint {params.code}"


rule evaluate_noise:
    input:
        dataset_for_noise,
        weights=paths.weights,
        history=paths.history,
    output:
        paths.noise,
    log:
        f"{paths.logs}/evaluate_noise/{EVALUATION}.log",
    benchmark:
        f"{paths.benchmarks}/evaluate_noise/{EVALUATION}.tsv"
    conda:
        CONDA_ENVIRONMENT
    threads: study.evaluation_threads
    resources:
        gpu=GPUS,
        device=study.device,
        trainings_per_gpu=study.trainings_per_gpu,
        mem_mb=asks("evaluate", "mem_mb"),
        runtime=asks("evaluate", "runtime"),
        disk_mb=asks("evaluate", "disk_mb"),
    params:
        dataset=dataset_file,
        arrays=lambda wildcards: study.reading(wildcards.scope).arrays,
        settings=lambda wildcards: to_json(study.reading(wildcards.scope).settings.as_mapping()),
        code=fingerprint("evaluate_noise"),
    shell:
        "python -m noise_resistance --log {log:q} evaluate-noise"
        " --dataset {params.dataset:q}"
        " --model {wildcards.model}"
        " --weights {input.weights:q}"
        " --history {input.history:q}"
        " --scope {params.arrays}"
        " --noise-level {wildcards.noise_level}"
        " --settings {params.settings:q}"
        " --output {output:q}"
        " --device {resources.device}"
        " --trainings-per-gpu {resources.trainings_per_gpu}"
        " --threads {threads}"
        " --fingerprint {params.code}"


# The model of a snapshot, as it was after some epochs of its training.


use rule evaluate_baseline as evaluate_snapshot_baseline with:
    input:
        dataset_for_snapshot_baseline,
        weights=of_snapshot(paths.weights),
        history=of_snapshot(paths.history),
    output:
        of_snapshot(paths.baseline),
    log:
        f"{paths.logs}/evaluate_snapshot_baseline/{TRAINING}/epoch-{{epoch}}.log",
    benchmark:
        f"{paths.benchmarks}/evaluate_snapshot_baseline/{TRAINING}/epoch-{{epoch}}.tsv"


use rule evaluate_noise as evaluate_snapshot_noise with:
    input:
        dataset_for_snapshot_noise,
        weights=of_snapshot(paths.weights),
        history=of_snapshot(paths.history),
    output:
        of_snapshot(paths.noise),
    log:
        f"{paths.logs}/evaluate_snapshot_noise/{EVALUATION}/epoch-{{epoch}}.log",
    benchmark:
        f"{paths.benchmarks}/evaluate_snapshot_noise/{EVALUATION}/epoch-{{epoch}}.tsv"
