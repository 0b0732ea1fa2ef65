"""A real S3 server for tests: moto's, in a thread, with an empty bucket."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.request import Request, urlopen

import boto3
from moto.server import ThreadedMotoServer

from pipeline.s3_files import S3Files

SETTINGS = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_REGION": "us-east-1"}


@contextmanager
def s3_server(bucket: str) -> Iterator[str]:
    """Run a server with one bucket; the environment points every S3 client of this process at it."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    before = dict(os.environ)
    os.environ.update(SETTINGS, AWS_ENDPOINT_URL=endpoint)
    S3Files.clear_instance_cache()  # a file system made for an earlier server would be used again
    try:
        urlopen(Request(f"{endpoint}/moto-api/reset", method="POST")).close()  # what an earlier server here has kept
        boto3.client("s3").create_bucket(Bucket=bucket)
        yield endpoint
    finally:
        os.environ.clear()
        os.environ.update(before)
        server.stop()
