# One model for each dataset, model, recipe, optimizer, learning rate and seed.
#
# Outputs are marked `update`, so that Snakemake does not delete them before a job: each job looks
# first at its own output, then at the store, and computes only what neither has.


rule train:
    input:
        dataset=ancient(dataset_file),
    output:
        weights=update(paths.weights),
        history=update(paths.history),
        optimizer=update(paths.optimizer),
        snapshots=update(products.kept("model.weights.h5", "history.h5", "optimizer.h5")),
    log:
        f"{paths.logs}/train/{TRAINING}.log",
    conda:
        CONDA_ENVIRONMENT
    threads: study.training_threads
    resources:
        gpu=GPUS,
        mem_mb=asks("train", "mem_mb"),
        runtime=asks("train", "runtime"),
        disk_mb=asks("train", "disk_mb"),
    params:
        request=request_of("train"),
        code=version_of("train"),
        folder=lambda wildcards, output: str(Path(output.weights).parent),
        # A function of the output: which states are kept decides no number.
        kept=lambda wildcards, output: [f"--keep-epoch={epoch}" for epoch in study.kept_epochs],
        program=program,
        machine=machine,
    shell:
        "{params.program} --log {log:q} train"
        " --dataset {input.dataset:q}"
        " --request {params.request:q}"
        " --folder {params.folder:q}"
        " {params.kept}"
        " {params.machine}"
