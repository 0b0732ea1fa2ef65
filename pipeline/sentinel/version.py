"""What Sentinel's readings depend on besides their inputs."""

VERSION = 1  # bump by hand when any measurement changes
