"""What the network has to beat: simpler classifiers and smaller networks, on the same split."""
