"""Classification and detection with planned networks; segmentation is nnU-Net's."""
