"""Pure white, lit by a large softbox: the picture of a product page."""

from pipeline.render.stage import Softbox, Stage

STAGE = Stage(
    name="white", backdrop="white",
    key=Softbox(-44.0, 56.0, 64.0, 50.0, (0.66, 0.66, 0.66), 20),
    others=(Softbox(66.0, 14.0, 26.0, 96.0, (0.16, 0.16, 0.16), 8),
            Softbox(168.0, 52.0, 70.0, 26.0, (0.30, 0.30, 0.30), 8)),
    dome_zenith=(0.62, 0.62, 0.62), dome_horizon=(0.24, 0.24, 0.24), dome_back=(0.90, 0.90, 0.90),
    dome_samples=28, floor_albedo=(0.55, 0.55, 0.55), white_backdrop=True, edge_fade=0.26,
)
