# One model for each dataset, model, optimizer, learning rate and seed.


rule train:
    input:
        dataset_to_train,
    output:
        weights=paths.weights,
        history=paths.history,
        optimizer=paths.optimizer,
        snapshots=snapshot_outputs("model.weights.h5"),
        snapshot_states=snapshot_outputs("history.h5", "optimizer.h5"),
    log:
        f"{paths.logs}/train/{TRAINING}.log",
    benchmark:
        f"{paths.benchmarks}/train/{TRAINING}.tsv"
    conda:
        CONDA_ENVIRONMENT
    threads: study.training_threads
    resources:
        gpu=GPUS,
        device=study.device,
        trainings_per_gpu=study.trainings_per_gpu,
        mem_mb=asks("train", "mem_mb"),
        runtime=asks("train", "runtime"),
        disk_mb=asks("train", "disk_mb"),
    params:
        dataset=dataset_file,
        dataset_identity=lambda wildcards: to_json(request_of(wildcards).dataset),
        optimizer_definition=lambda wildcards: to_json(request_of(wildcards).optimizer_definition),
        recipe=to_json(study.recipe.as_mapping()),
        code=fingerprint("train"),
    shell:
        "python -m noise_resistance --log {log:q} train"
        " --dataset {params.dataset:q}"
        " --dataset-identity {params.dataset_identity:q}"
        " --model {wildcards.model}"
        " --optimizer {wildcards.optimizer}"
        " --optimizer-definition {params.optimizer_definition:q}"
        " --learning-rate {wildcards.learning_rate}"
        " --seed {wildcards.seed}"
        " --recipe {params.recipe:q}"
        " --weights {output.weights:q}"
        " --history {output.history:q}"
        " --device {resources.device}"
        " --trainings-per-gpu {resources.trainings_per_gpu}"
        " --threads {threads}"
        " --fingerprint {params.code}"
        " {output.snapshots:q}"


# The last handler of each kind is the only one that Snakemake calls.
onsuccess:
    discard_states()


onerror:
    discard_states()
