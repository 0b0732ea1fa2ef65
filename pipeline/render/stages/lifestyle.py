"""A wooden table by a window."""

from pipeline.render.stage import Softbox, Stage

STAGE = Stage(
    name="lifestyle", backdrop="lifestyle",
    key=Softbox(-58.0, 36.0, 9.0, 9.0, (1.20, 1.00, 0.74), 24),
    others=(Softbox(-92.0, 22.0, 54.0, 70.0, (0.27, 0.29, 0.32), 12),
            Softbox(78.0, 18.0, 44.0, 70.0, (0.17, 0.155, 0.135), 8)),
    dome_zenith=(0.30, 0.295, 0.285), dome_horizon=(0.24, 0.225, 0.205), dome_back=(0.40, 0.36, 0.31),
    dome_samples=20, floor_albedo=(0.38, 0.23, 0.12),
)
