"""Networks, all through nnU-Net's own description of an architecture."""
