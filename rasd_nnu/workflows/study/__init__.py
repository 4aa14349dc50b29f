"""Studies: tasks x arms x seeds x folds x numbers of labelled cases x budgets, written down and run by Snakemake."""
