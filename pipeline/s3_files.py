"""S3's files with patience that ends, and errors that say what to do.

One loop tries a request again, whatever went wrong with it on the way: throttling, 5xx, timeouts, connections
dropped before or in the middle of an answer. The client below makes one try each, so times do not multiply.
"""

from __future__ import annotations

import asyncio
import os
import random
import re
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from aiohttp import ClientPayloadError
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,
    CredentialRetrievalError,
    HTTPClientError,
    IncompleteReadError,
    NoCredentialsError,
    PartialCredentialsError,
    ProfileNotFound,
    ResponseStreamingError,
    TokenRetrievalError,
)
from botocore.parsers import ResponseParserError
from s3fs import S3FileSystem
from s3fs.errors import translate_boto_error

from pipeline.errors import StoreError

T = TypeVar("T")

# Connections that could not be made, broke, or brought half an answer. A proxy's page in place of XML is one of them.
_BROKEN = (ConnectionError, HTTPClientError, IncompleteReadError, ResponseStreamingError, ResponseParserError,
           ClientPayloadError, asyncio.IncompleteReadError, OSError, TimeoutError)
_PASSING = frozenset({"SlowDown", "ServiceUnavailable", "InternalError", "InternalServerError", "RequestTimeout",
                      "RequestTimeoutException", "Throttling", "ThrottlingException", "ThrottledException",
                      "RequestThrottled", "TooManyRequestsException", "RequestLimitExceeded", "BandwidthLimitExceeded",
                      "OperationAborted", "ConditionalRequestConflict", "IncompleteBody", "BadDigest",
                      "XAmzContentSHA256Mismatch"})
_CREDENTIALS = (NoCredentialsError, PartialCredentialsError, CredentialRetrievalError, TokenRetrievalError,
                ProfileNotFound)
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.1, 8.0


class S3Files(S3FileSystem):  # type: ignore[misc]  # s3fs is untyped
    """fsspec's S3 files. Raises StoreError ``storage_unreachable`` and ``storage_denied``."""

    retries = 1                                # of s3fs itself: the loop below is the only one

    def __init__(self, *args: Any, attempts: int, patience_s: float, **options: Any) -> None:
        super().__init__(*args, **options)
        self.attempts, self.patience_s = attempts, patience_s

    async def set_session(self, refresh: bool = False, kwargs: Any = None) -> Any:
        try:
            return await super().set_session(refresh=refresh, kwargs=kwargs or {})
        except (BotoCoreError, ValueError) as error:   # ValueError: an endpoint that is no URL
            raise _denied(error) from None

    async def _call_s3(self, method: str, *given: Any, **arguments: Any) -> Any:
        await self.set_session()
        client = await self.get_s3(arguments.get("Bucket"))
        call = getattr(client, method)
        known = self._get_s3_method_kwargs(call, *given, **arguments)
        return await self._patiently(method, lambda: call(**known))

    async def _cat_file(self, path: str, version_id: str | None = None, start: int | None = None,
                        end: int | None = None, **options: Any) -> bytes:
        if start is not None or end is not None:
            return await self._patiently("get_object", lambda: super(S3Files, self)._cat_file(
                path, version_id=version_id, start=start, end=end, **options))
        bucket, key, _ = self.split_path(path)

        async def read() -> bytes:
            answer = await self._call_s3("get_object", Bucket=bucket, Key=key)
            async with answer["Body"] as body:
                data: bytes = await body.read()
            if len(data) != answer["ContentLength"]:
                raise asyncio.IncompleteReadError(data, answer["ContentLength"])
            return data

        return await self._patiently("get_object", read)

    async def _patiently(self, what: str, ask: Callable[[], Awaitable[T]]) -> T:
        """The answer to a request, asked again while the way to it may be at fault."""
        clock = asyncio.get_running_loop().time
        end = clock() + self.patience_s
        tries = 0
        while True:
            try:
                return await ask()
            except StoreError:
                raise
            except _CREDENTIALS as error:
                raise _denied(error) from None
            except Exception as error:  # noqa: BLE001  clients raise anything; what will not pass is raised again
                tries += 1
                if not _may_pass(error):
                    raise _typed(error) from error.__cause__
                wait = min(_LONGEST_WAIT_S, _FIRST_WAIT_S * 2 ** (tries - 1)) * random.uniform(0.5, 1.0)
                if tries >= self.attempts or clock() + wait > end:
                    # `from None`: an error of the client may print the whole request.
                    raise _unreachable(what, tries, error) from None
            await asyncio.sleep(wait)


def _may_pass(error: Exception) -> bool:
    if isinstance(error, ClientError):
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return status >= 500 or status == 429 or error.response.get("Error", {}).get("Code") in _PASSING
    return isinstance(error, _BROKEN) and not isinstance(error, FileNotFoundError | FileExistsError | PermissionError)


def _typed(error: Exception) -> Exception:
    """What s3fs and its callers expect of an answer that will stay the same."""
    if not isinstance(error, ClientError):
        return error
    code = error.response.get("Error", {}).get("Code")
    translated: Exception = translate_boto_error(error, set_cause=False)
    if isinstance(translated, PermissionError):
        return StoreError("storage_denied", f"S3 refused {error.operation_name}: {code}.",
                          "Check the credentials in the environment or the role, and what they may do in this bucket.")
    return translated


def _denied(error: Exception) -> StoreError:
    return StoreError("storage_denied", f"S3 cannot be used: {plainly(error)}",
                      "Give credentials as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, by AWS_PROFILE, or by the "
                      "machine's role; check AWS_ENDPOINT_URL and the region.")


def _unreachable(what: str, tries: int, error: Exception) -> StoreError:
    return StoreError("storage_unreachable", f"S3 did not answer {what} in {tries} tries: {plainly(error)}",
                      "Check the network, AWS_ENDPOINT_URL and the service, then run again: what is done is kept.")


_USER_INFO = re.compile(r"(?<=//)[^/@\s]+@")
_SIGNED = re.compile(r"(?i)(X-Amz-[A-Za-z-]+|AWSAccessKeyId|Signature|Credential)=[^&\s\"',]+")
_SECRETS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")


def plainly(error: BaseException) -> str:
    """One line of an error, without addresses' passwords, signatures and the environment's credentials."""
    line = (str(error).strip().splitlines() or [""])[0] or type(error).__name__
    line = _SIGNED.sub(r"\1=***", _USER_INFO.sub("***@", line))
    for name in _SECRETS:
        secret = os.environ.get(name, "")
        if len(secret) >= 8:                   # shorter ones are words of tests, and would cut up the line
            line = line.replace(secret, "***")
    return line[:300]
