"""Pure white, lit by a large softbox: the picture of a product page."""

from pipeline.render.stage import Softbox, Stage

STAGE = Stage(
    name="white", backdrop="white",
    key=Softbox(-48.0, 46.0, 46.0, 46.0, (0.56, 0.56, 0.56), 20),
    others=(Softbox(66.0, 14.0, 26.0, 96.0, (0.22, 0.22, 0.22), 8),
            Softbox(168.0, 52.0, 70.0, 26.0, (0.30, 0.30, 0.30), 8)),
    dome_zenith=(0.54, 0.54, 0.54), dome_horizon=(0.38, 0.38, 0.38), dome_back=(0.95, 0.95, 0.95),
    dome_samples=28, floor_albedo=(0.85, 0.85, 0.85), white_backdrop=True,
)
