"""What Sentinel's readings depend on besides their inputs."""

VERSION = 4  # bump by hand when any measurement changes
