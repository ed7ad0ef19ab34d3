"""Styles, scripts and icons, all from this service, compressed once at the start."""

import gzip
import hashlib
import mimetypes
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

STATIC_FOLDER = Path(__file__).parent / "static"
COMPRESSED_TYPES = ("text/", "application/javascript", "image/svg+xml", "application/json")
VERSION_LENGTH = 12


@dataclass(frozen=True, slots=True)
class Asset:
    media_type: str
    version: str
    plain: bytes
    small: bytes | None


class Assets:
    """Every static file in memory; its address names its content, so browsers keep it."""

    def __init__(
        self, folder: Path = STATIC_FOLDER, others: Mapping[str, Path] | None = None
    ) -> None:
        mimetypes.add_type("text/javascript", ".js")
        paths = {
            path.relative_to(folder).as_posix(): path
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        }
        self._files = {name: _read(path) for name, path in (paths | dict(others or {})).items()}

    def address(self, name: str) -> str:
        """Where a page finds the file; a missing one is a mistake in a template."""
        return f"/static/{name}?v={self._files[name].version}"

    def answer(self, name: str, request: Request) -> Response:
        """The file, compressed when the browser can, or 304 when it has this version."""
        asset = self._files.get(name)
        if asset is None:
            return Response(status_code=404)
        tag = f'"{asset.version}"'
        named = request.query_params.get("v") == asset.version
        headers = {
            "ETag": tag,
            "Vary": "Accept-Encoding",
            "Cache-Control": "public, max-age=31536000, immutable" if named else "no-cache",
        }
        if tag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        if asset.small is not None and "gzip" in request.headers.get("accept-encoding", ""):
            headers["Content-Encoding"] = "gzip"
            return Response(asset.small, media_type=asset.media_type, headers=headers)
        return Response(asset.plain, media_type=asset.media_type, headers=headers)

    def small_size(self, name: str) -> int:
        """How many bytes travel for the file."""
        asset = self._files[name]
        return len(asset.small or asset.plain)


def _read(path: Path) -> Asset:
    plain = path.read_bytes()
    media_type = mimetypes.guess_type(path.name)[0] or "text/plain"
    small = gzip.compress(plain, 9, mtime=0) if media_type.startswith(COMPRESSED_TYPES) else None
    version = hashlib.sha256(plain).hexdigest()[:VERSION_LENGTH]
    return Asset(media_type, version, plain, small)
