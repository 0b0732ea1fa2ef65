"""The embedded model's two networks and what feeds them. Loads torch: import it only where it is used."""

from pipeline.torch_beside_gl import prepare_torch

prepare_torch()
