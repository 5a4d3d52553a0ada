# From the archives as they are published to one HDF5 file a dataset. What depends on a dataset depends
# on the small file beside it, which is never deleted, and not on its time.


localrules:
    download_dataset,
    prepare_dataset,


rule download_dataset:
    output:
        paths.archive,
    log:
        f"{paths.logs}/download_dataset/{{dataset}}/{{checksum}}/{{archive}}.log",
    # It tries five times by itself.
    retries: 0
    conda:
        CONDA_ENVIRONMENT
    params:
        checksum=lambda wildcards: catalogue_entry(wildcards).archive(wildcards.archive).checksum,
        # Where it comes from decides nothing: an archive that is there is not fetched from elsewhere.
        url=lambda wildcards, threads: catalogue_entry(wildcards).archive(wildcards.archive).url,
        program=program,
    shell:
        "{params.program} --log {log:q} download-dataset"
        " --url {params.url:q}"
        " --checksum {params.checksum:q}"
        " --output {output:q}"


rule prepare_dataset:
    input:
        products.archives,
    output:
        description=paths.dataset,
        images=paths.images,
    log:
        f"{paths.logs}/prepare_dataset/{{dataset}}/{{digest}}.log",
    # What is wrong with an archive is so at each attempt.
    retries: 0
    conda:
        CONDA_ENVIRONMENT
    params:
        entry=lambda wildcards: json.dumps(catalogue_entry(wildcards).as_mapping(), sort_keys=True),
        archives=lambda wildcards, input: [f"--archive={path}" for path in input],
        code=fingerprint("prepare_dataset"),
        program=program,
    shell:
        "{params.program} --log {log:q} prepare-dataset"
        " --entry {params.entry:q}"
        " {params.archives:q}"
        " --output {output.description:q}"
        " --fingerprint {params.code}"
