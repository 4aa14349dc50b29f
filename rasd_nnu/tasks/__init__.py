"""Fine-tuning and prediction; segmentation drives nnU-Net."""
