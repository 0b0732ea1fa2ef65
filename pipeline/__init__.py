"""Packshot's imaging engine: mesh in, scored product images out. Imports no Dagster."""

import os

# OpenMP threads that spin while they wait starve everything else on a small machine: one refined image took
# 9 s instead of 0.2 s on two busy cores. libgomp reads this when torch is first imported, so it is set before.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
