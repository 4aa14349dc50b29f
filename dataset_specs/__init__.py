"""Dataset specs: one YAML a task, and the code that turns an official download into nnU-Net's raw format."""
