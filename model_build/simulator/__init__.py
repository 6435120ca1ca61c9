"""A first, simple simulator of AlertFinder candidates: numpy only, no TensorFlow.

Signals on KMTNet-like schedules with the noise of real files; classes balanced as in Viaña et al.
2025. Labels follow the kind of signal, so scores on it say nothing of accuracy on the sky.
"""
