"""What Sentinel's readings depend on besides their inputs."""

VERSION = 5  # bump by hand when any measurement changes
