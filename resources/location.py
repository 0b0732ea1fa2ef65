"""One path type for local folders and S3 prefixes."""

from __future__ import annotations

from typing import Any

from dagster_aws.s3 import S3Resource
from upath import UPath


def path_at(location: str, s3: S3Resource) -> UPath:
    """A folder or ``s3://bucket/prefix`` as a path, reached with the S3 resource's settings.

    Credentials come from the environment or the machine's role; none are put into paths or logs.
    """
    if not location.startswith("s3://"):
        return UPath(location)
    client: dict[str, Any] = {}
    if s3.endpoint_url:
        client["endpoint_url"] = s3.endpoint_url
    if s3.region_name:
        client["region_name"] = s3.region_name
    options: dict[str, Any] = {"client_kwargs": client}
    if s3.profile_name:
        options["profile"] = s3.profile_name
    # A listing cache would hide what another process wrote a moment ago.
    path: UPath = UPath(location, use_listings_cache=False, **options)
    return path
