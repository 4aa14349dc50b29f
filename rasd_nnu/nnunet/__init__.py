"""Everything that we know of nnU-Net: its variables and folders, data sets, plans, results, commands, trainer names."""
