# From the archives as they are published to one HDF5 file a dataset.


localrules:
    download_dataset,
    prepare_dataset,


rule download_dataset:
    output:
        paths.archive,
    log:
        f"{paths.logs}/download_dataset/{{dataset}}/{{archive}}.log",
    # It tries five times by itself.
    retries: 0
    conda:
        CONDA_ENVIRONMENT
    # No parameter: the checksum decides what the archive is, and an archive that is there and has it
    # is not fetched again from elsewhere.
    resources:
        url=lambda wildcards: archive_of(wildcards).url,
    params:
        checksum=lambda wildcards: archive_of(wildcards).checksum,
    shell:
        "python -m noise_resistance --log {log:q} download-dataset"
        " --url {resources.url:q}"
        " --checksum {params.checksum:q}"
        " --output {output:q}"


rule prepare_dataset:
    input:
        archive_files,
    output:
        paths.dataset,
    log:
        f"{paths.logs}/prepare_dataset/{{dataset}}.log",
    # What is wrong with an archive is so at each attempt.
    retries: 0
    conda:
        CONDA_ENVIRONMENT
    params:
        entry=lambda wildcards: to_json(dataset_of(wildcards).as_mapping()),
        archives=lambda wildcards, input: [f"--archive={path}" for path in input],
        code=fingerprint("prepare_dataset"),
    shell:
        "python -m noise_resistance --log {log:q} prepare-dataset"
        " --entry {params.entry:q}"
        " {params.archives:q}"
        " --output {output:q}"
        " --fingerprint {params.code}"
