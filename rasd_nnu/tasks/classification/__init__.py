"""Classification with the encoder of the network that nnU-Net planned."""
