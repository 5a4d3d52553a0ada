# Each trained model without noise, and at each noise level under each noise scope.
#
# `in_turn` bounds nothing by itself: where jobs are bundled (profiles/slurm), it makes them run one
# after the other, on one GPU.


rule evaluate_baseline:
    input:
        dataset=ancient(dataset_file),
        weights=paths.weights,
        history=paths.history,
    output:
        update(paths.baseline),
    log:
        f"{paths.logs}/evaluate_baseline/{TRAINING}.log",
    conda:
        CONDA_ENVIRONMENT
    threads: study.evaluation_threads
    resources:
        gpu=GPUS,
        mem_mb=asks("evaluate", "mem_mb"),
        runtime=asks("evaluate", "runtime"),
        disk_mb=asks("evaluate", "disk_mb"),
        in_turn=1,
    params:
        request=request_of("evaluate_baseline"),
        code=version_of("evaluate_baseline"),
        training=lambda wildcards, input: str(Path(input.weights).parent),
        program=program,
        machine=machine,
    shell:
        "{params.program} --log {log:q} evaluate-baseline"
        " --dataset {input.dataset:q}"
        " --request {params.request:q}"
        " --training {params.training:q}"
        " --output {output:q}"
        " {params.machine}"


rule evaluate_noise:
    input:
        dataset=ancient(dataset_file),
        weights=paths.weights,
        history=paths.history,
    output:
        update(paths.noise),
    log:
        f"{paths.logs}/evaluate_noise/{EVALUATION}.log",
    conda:
        CONDA_ENVIRONMENT
    threads: study.evaluation_threads
    resources:
        gpu=GPUS,
        mem_mb=asks("evaluate", "mem_mb"),
        runtime=asks("evaluate", "runtime"),
        disk_mb=asks("evaluate", "disk_mb"),
        in_turn=1,
    params:
        request=request_of("evaluate_noise"),
        code=version_of("evaluate_noise"),
        training=lambda wildcards, input: str(Path(input.weights).parent),
        program=program,
        machine=machine,
    shell:
        "{params.program} --log {log:q} evaluate-noise"
        " --dataset {input.dataset:q}"
        " --request {params.request:q}"
        " --training {params.training:q}"
        " --output {output:q}"
        " {params.machine}"


# The model of a snapshot, as it was after some epochs of its training.


use rule evaluate_baseline as evaluate_snapshot_baseline with:
    input:
        dataset=ancient(dataset_file),
        weights=products.of_snapshot(paths.weights),
        history=products.of_snapshot(paths.history),
    output:
        update(products.of_snapshot(paths.baseline)),
    log:
        f"{paths.logs}/evaluate_snapshot_baseline/{TRAINING}/epoch-{{epoch}}.log",


use rule evaluate_noise as evaluate_snapshot_noise with:
    input:
        dataset=ancient(dataset_file),
        weights=products.of_snapshot(paths.weights),
        history=products.of_snapshot(paths.history),
    output:
        update(products.of_snapshot(paths.noise)),
    log:
        f"{paths.logs}/evaluate_snapshot_noise/{EVALUATION}/epoch-{{epoch}}.log",
