"""The presets' priors, one YAML file each; a prior is ``[low, high, unit]``."""
