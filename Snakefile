# How the learning rate of a training decides a network's resistance to analog weight noise.
# What a study is: config/config.yaml. What every file is: results/README.md.

from snakemake.utils import min_version

min_version("9.27")


##### Configuration #####


configfile: "config/datasets.yaml"
configfile: "config/config.yaml"


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
        table_files(),
        figure_files(),
        f"{paths.summary}.csv",
        paths.report,
        why_files(),


rule trainings:
    input:
        training_files(paths.weights),


rule evaluations:
    input:
        training_files(paths.baseline),
        evaluation_files(),


rule tables:
    input:
        table_files(),


rule figures:
    input:
        figure_files(),
        why_figures(),
