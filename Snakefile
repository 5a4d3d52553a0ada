# How the learning rate of a training decides a network's resistance to analog weight noise.
# What a study is: config/config.yaml. What every file is: results/README.md.

from snakemake.utils import min_version

min_version("9.27")


##### Configuration: of the working directory, else as it comes with this file #####


include: "workflow/rules/configuration.smk"


configfile: of_this_study("config/datasets.yaml")
configfile: of_this_study("config/config.yaml")


##### Rules, in the order of the pipeline #####


include: "workflow/rules/common.smk"
include: "workflow/rules/datasets.smk"
include: "workflow/rules/training.smk"
include: "workflow/rules/evaluation.smk"
include: "workflow/rules/external.smk"
include: "workflow/rules/analysis.smk"
include: "workflow/rules/why.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/cluster.smk"


##### Targets #####


rule all:
    default_target: True
    input:
        products.all(),


rule trainings:
    input:
        lambda wildcards: products.trainings(paths.weights),


rule evaluations:
    input:
        lambda wildcards: products.trainings(paths.baseline),
        lambda wildcards: products.evaluations(),


rule tables:
    input:
        products.tables(),


rule figures:
    input:
        products.figures(),
