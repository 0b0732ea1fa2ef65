"""The S3 resource's settings for the path type of the engine."""

from __future__ import annotations

from dagster_aws.s3 import S3Resource
from upath import UPath

from pipeline.errors import StoreError
from pipeline.place import S3Settings, place


def path_at(location: str, s3: S3Resource) -> UPath:
    """A folder or ``s3://bucket/prefix`` as a path, reached as the S3 resource says.

    Raises StoreError ``credentials_in_settings``: a resource's configuration is shown in the UI.
    """
    if s3.aws_access_key_id or s3.aws_secret_access_key or s3.aws_session_token:
        raise StoreError("credentials_in_settings", "The S3 resource is configured with credentials.",
                         "Leave them out: the environment's AWS variables or the machine's role are used.")
    return place(location, S3Settings(s3.endpoint_url or None, s3.region_name, s3.profile_name, s3.use_ssl, s3.verify,
                                      attempts=s3.max_attempts))
