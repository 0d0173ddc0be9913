"""Networks: backbones, heads, pooling, pretrained weights, and the needle detector."""
