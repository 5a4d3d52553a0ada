# One model for each dataset, model, optimizer, learning rate and seed.


rule train:
    input:
        # What a training depends on is the dataset's identity, a parameter: making the same file
        # again makes no training stale.
        dataset=ancient(paths.dataset),
    output:
        weights=paths.weights,
        history=paths.history,
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
    params:
        dataset_identity=lambda wildcards: to_json(dataset_of(wildcards).identity()),
        optimizer_definition=lambda wildcards: to_json(optimizer_definition(wildcards)),
        recipe=to_json(study.recipe.as_mapping()),
        code=fingerprint("train"),
    shell:
        "python -m noise_resistance --log {log:q} train"
        " --dataset {input.dataset:q}"
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
