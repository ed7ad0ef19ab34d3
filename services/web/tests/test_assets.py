"""What travels to the browser: only ours, small, and exactly what was vendored."""

import hashlib
import json
import re

import httpx
from web.assets import STATIC_FOLDER, Assets

from .conftest import SignIn

FIRST_LOAD_BYTES_MAX = 160 * 1024
VENDOR = STATIC_FOLDER / "vendor"


def test_vendored_files_are_what_was_vendored() -> None:
    """Every vendored file has its hash, version and licence, and none is there unnamed."""
    parts = json.loads((VENDOR / "vendored.json").read_text())
    named = {"vendored.json"}
    for part in parts:
        assert (VENDOR / part["licence_file"]).exists()
        named.add(part["licence_file"])
        for name, digest in part["files"].items():
            assert digest == "sha256-" + hashlib.sha256((VENDOR / name).read_bytes()).hexdigest()
            named.add(name)
    assert {path.name for path in VENDOR.iterdir()} == named


async def test_the_first_load_is_small(sign_in: SignIn) -> None:
    """The till with everything that it loads is at most 160 KB compressed."""
    page = await (await sign_in("cashier")).get("/take-order")
    assert page.headers["content-encoding"] == "gzip"
    assets = Assets()
    found = set(re.findall(r'"/static/([^"?#]+)', page.text))
    modules = {path.relative_to(STATIC_FOLDER).as_posix() for path in STATIC_FOLDER.rglob("*.js")}
    modules.discard("js/api_docs.js")
    total = sum(assets.small_size(name) for name in found | modules)
    assert total + len(page.text.encode()) // 3 < FIRST_LOAD_BYTES_MAX


async def test_nothing_inline_and_nothing_from_elsewhere(sign_in: SignIn) -> None:
    """The policy allows our own files only, and no page has a script or a style in it."""
    client = await sign_in("manager")
    for path in ("/take-order", "/orders", "/today", "/settings", "/system", "/stock"):
        page = await client.get(path)
        policy = page.headers["content-security-policy"]
        assert "unsafe" not in policy
        assert "script-src 'self'" in policy
        assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)", page.text)
        assert not re.search(r'(?:src|href|action)="(?:https?:)?//', page.text)


async def test_files_are_kept_by_their_content(anyone: httpx.AsyncClient) -> None:
    """A file under its versioned address is kept for ever, otherwise asked again and not sent."""
    page = (await anyone.get("/sign-in")).text
    address = re.search(r'"(/static/css/app.css\?v=\w+)"', page)
    assert address is not None
    kept = await anyone.get(address[1])
    assert "immutable" in kept.headers["cache-control"]
    again = await anyone.get("/static/css/app.css", headers={"if-none-match": kept.headers["etag"]})
    assert again.status_code == 304
    assert (await anyone.get("/static/../settings.py")).status_code == 404
