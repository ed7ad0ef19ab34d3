"""A scanner at the keyboard of the pages in a real browser."""

import asyncio
import time

from playwright.async_api import Page

# What the digit keys type in other keyboard layouts; a scanner presses the same places.
LAYOUTS = {
    "US": "1234567890",
    "French": "&é\"'(-è_çà",
    "Czech": "+ěščřžýáíé",
    "Kazakh": '"әіңғ,.үұқ',
    "Lithuanian": "ąčęėįšųū90",
}
SCANNER_KEY_S = 0.005
KETTLE, MUG = "4006381333931", "4006381333948"


async def scan(page: Page, code: str, layout: str = "US", stall_s: float = 0) -> None:
    """A scanner: keys without a pause and Enter, typed by place, whatever they write.

    Each key says when it was pressed, as the operating system does for a real scanner;
    a machine that stalls hands them over late.
    """
    session = await page.context.new_cdp_session(page)
    calls = []
    start = time.time()
    for at, digit in enumerate([*code, "Enter"]):
        enter = digit == "Enter"
        text = "\r" if enter else LAYOUTS[layout]["1234567890".index(digit)]
        key = {
            "code": "Enter" if enter else f"Digit{digit}",
            "key": digit if enter else text,
            "windowsVirtualKeyCode": 13 if enter else ord(digit),
            "timestamp": start + at * SCANNER_KEY_S,
        }
        calls.append({"type": "keyDown", "text": text, **key})
        calls.append({"type": "keyUp", **key})
    middle = len(calls) // 2
    for part in (calls[:middle], calls[middle:]):
        await asyncio.gather(*(session.send("Input.dispatchKeyEvent", call) for call in part))
        await asyncio.sleep(stall_s)
    await session.detach()
