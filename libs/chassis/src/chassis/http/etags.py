"""Concurrent edits: a version as ETag, asked back as If-Match."""

from typing import Annotated

from fastapi import Depends, Header, Response

from chassis.http.problems import StaleVersion, VersionMissing


def set_etag(response: Response, version: int) -> None:
    """Say which version this is."""
    response.headers["ETag"] = f'"{version}"'


async def if_match(
    if_match: Annotated[
        str | None, Header(description="The ETag that you read; * takes any version.")
    ] = None,
) -> str:
    """The version that a PUT, PATCH or DELETE is about; 428 without one."""
    if if_match is None:
        raise VersionMissing("Read it first and send its ETag as If-Match.")
    return if_match.strip().removeprefix("W/").strip('"')


IfMatch = Annotated[str, Depends(if_match)]


def require_version(expected: str, version: int) -> None:
    """412 when somebody changed it since it was read."""
    if expected not in ("*", str(version)):
        raise StaleVersion("Somebody changed it since you read it: read it again, then decide.")
