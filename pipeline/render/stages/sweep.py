"""A seamless paper sweep in a warm tone."""

from pipeline.render.stage import Softbox, Stage

STAGE = Stage(
    name="sweep", backdrop="sweep",
    key=Softbox(-55.0, 44.0, 34.0, 40.0, (0.80, 0.785, 0.765), 24),
    others=(Softbox(72.0, 12.0, 20.0, 90.0, (0.18, 0.185, 0.19), 8),
            Softbox(160.0, 50.0, 60.0, 22.0, (0.34, 0.335, 0.33), 8)),
    dome_zenith=(0.40, 0.40, 0.405), dome_horizon=(0.29, 0.285, 0.28), dome_back=(0.62, 0.585, 0.55),
    dome_samples=24, floor_albedo=(0.70, 0.625, 0.555),
)
