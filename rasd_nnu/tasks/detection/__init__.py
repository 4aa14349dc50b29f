"""Detection with MONAI's RetinaNet on the decoder levels of the network that nnU-Net planned."""
