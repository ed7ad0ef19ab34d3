"""The link to the hub over a WebSocket that the agent opens, so that stores need no open port."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime

import structlog
from contracts.agent_link import (
    FRAME_BYTES_MAX,
    FROM_HUB,
    Acknowledged,
    Challenge,
    Enrol,
    Enrolled,
    FromAgent,
    FromHub,
    Heartbeat,
    Hello,
    JobsSent,
    LinkRefused,
    Reports,
    Scans,
    Transport,
    Welcome,
)
from joserfc.jwk import OKPKey
from pydantic import ValidationError
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from device_agent.journal import Journal
from device_agent.keys import AgentKeys, Identity, SealRefused
from device_agent.press import Press
from device_agent.scribe import Scribe

log = structlog.get_logger("link")
BACKOFF_FIRST_S, BACKOFF_MAX_S = 0.5, 10.0
ANSWER_TIMEOUT_S = 15
SAID_AT_ONCE_MAX = 200


class HubRefused(Exception):
    """The hub does not want this agent; the text is the hub's."""

    def __init__(self, refused: LinkRefused) -> None:
        super().__init__(f"{refused.reason}: {refused.detail}")
        self.reason = refused.reason


class LinkBroken(Exception):
    """The other side does not speak as the link's contract says, or fell silent."""


class Line:
    """One open connection: what the contract says, frame by frame."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket

    async def say(self, message: FromAgent) -> None:
        await self._socket.send(message.model_dump_json())

    async def hear(self, timeout_s: float | None = None) -> FromHub:
        try:
            async with asyncio.timeout(timeout_s):
                frame = await self._socket.recv()
            heard = FROM_HUB.validate_json(frame)
        except (TimeoutError, ValidationError) as error:
            raise LinkBroken(f"{type(error).__name__} instead of an answer") from error
        if isinstance(heard, LinkRefused):
            raise HubRefused(heard)
        return heard

    async def challenged(self) -> str:
        challenge = await self.hear(ANSWER_TIMEOUT_S)
        if not isinstance(challenge, Challenge):
            raise LinkBroken("the hub did not begin with a challenge")
        return challenge.nonce


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Line]:
    async with connect(
        url, max_size=FRAME_BYTES_MAX, ping_interval=10, ping_timeout=20, proxy=None
    ) as socket:
        yield Line(socket)


async def enrol(url: str, code: str, keys: AgentKeys, transport: Transport) -> Identity:
    """Become a device of the hub by a one-time code; HubRefused when the code is not good."""
    async with opened(url) as line:
        nonce = await line.challenged()
        signing, sealing = keys.public()
        await line.say(
            Enrol(
                code=code,
                transport=transport,
                signing_key=signing,
                sealing_key=sealing,
                proof=keys.prove(nonce, code),
            )
        )
        answer = await line.hear(ANSWER_TIMEOUT_S)
    if not isinstance(answer, Enrolled):
        raise LinkBroken("the hub answered an enrolment with something else")
    hub_key = OKPKey.import_key({**answer.hub_key})
    return Identity(answer.device_id, keys, hub_key, answer.store_ids)


class Link:
    """Keeps one connection to the hub for as long as the process lives."""

    def __init__(
        self,
        url: str,
        identity: Identity,
        press: Press,
        scribe: Scribe,
        scanned: asyncio.Event,
        clock: Callable[[], datetime],
    ) -> None:
        self._url = url
        self._identity = identity
        self._press = press
        self._scribe = scribe
        self._scanned = scanned
        self._clock = clock

    async def run(self) -> None:
        """Connect, serve, and connect again; ends only with HubRefused as revoked."""
        await keep_trying(self._serve)

    async def _serve(self, worked: Callable[[], None]) -> None:
        async with opened(self._url) as line:
            nonce = await line.challenged()
            device = self._identity.device_id
            proof = self._identity.keys.prove(nonce, str(device))
            await line.say(Hello(device_id=device, proof=proof))
            welcome = await line.hear(ANSWER_TIMEOUT_S)
            if not isinstance(welcome, Welcome):
                raise LinkBroken("the hub did not say welcome")
            worked()
            log.info("linked", device_id=str(device))
            answers: asyncio.Queue[Acknowledged] = asyncio.Queue()
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._listen(line, answers))
                tasks.create_task(self._tell(line, answers))
                tasks.create_task(self._beat(line, welcome.heartbeat_s))

    async def _listen(self, line: Line, answers: "asyncio.Queue[Acknowledged]") -> None:
        while True:
            match await line.hear():
                case JobsSent(sealed=sealed):
                    try:
                        await self._press.accept(self._identity, sealed)
                    except SealRefused as error:
                        # The hub sends it again on the next connection: what was altered on the
                        # way heals, what was never ours is never printed.
                        raise LinkBroken(f"a job was refused: {error}") from error
                case Acknowledged() as answer:
                    # Noted before the next frame is read: a job that comes again behind it asks
                    # for a second report, which this acknowledgement is not for.
                    await self._note(answer)
                    answers.put_nowait(answer)
                case other:
                    raise LinkBroken(f"{other.type} out of turn")

    async def _tell(self, line: Line, answers: "asyncio.Queue[Acknowledged]") -> None:
        """Say what ended and what was scanned until the hub has it, then wait for more."""
        limit = SAID_AT_ONCE_MAX
        while True:
            self._press.finished.clear()
            self._scanned.clear()
            reports = await self._scribe.write(Journal.unreported, limit)
            if reports:
                await line.say(Reports(reports=reports))
                await self._answer(answers)
            scans = await self._scribe.write(Journal.unsent_scans, limit)
            if scans:
                await line.say(Scans(scans=scans))
                if (await self._answer(answers)).scans_up_to is None:
                    raise LinkBroken("the hub did not say which scans it has")
            if not reports and not scans:
                await first_of(self._press.finished, self._scanned)

    async def _note(self, answer: Acknowledged) -> None:
        """Strike off what the hub has."""
        if answer.reports:
            await self._scribe.write(Journal.acknowledged, answer.reports)
        if answer.scans_up_to is not None:
            await self._scribe.write(Journal.scans_sent, answer.scans_up_to)

    async def _answer(self, answers: "asyncio.Queue[Acknowledged]") -> Acknowledged:
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                return await answers.get()
        except TimeoutError as error:
            raise LinkBroken("the hub does not acknowledge") from error

    async def _beat(self, line: Line, every_s: float) -> None:
        while True:
            await asyncio.sleep(every_s)
            await line.say(Heartbeat())
            now = self._clock()
            await self._scribe.write(Journal.forget_before, now)


async def keep_trying(
    serve: Callable[[Callable[[], None]], Awaitable[None]], *, once: bool = False
) -> None:
    """Run `serve` again whenever its connection breaks, waiting longer while nothing works.

    With `once`, until it comes to its end one time. `serve` calls its argument when it is
    connected, which makes the next wait short again.
    """
    wait_s = BACKOFF_FIRST_S

    def worked() -> None:
        nonlocal wait_s
        wait_s = BACKOFF_FIRST_S

    while True:
        ended = False
        try:
            await serve(worked)
            ended = True
        except* HubRefused as group:
            refused = _only(group)
            if isinstance(refused, HubRefused) and refused.reason == "revoked":
                raise refused from None
            log.warning("refused", detail=str(refused))
        except* (OSError, WebSocketException, LinkBroken, TimeoutError) as group:
            log.info("not_linked", detail=str(_only(group)), wait_s=round(wait_s, 1))
        if ended and once:
            return
        # Agents of a whole chain come back after an outage: not all in the same second.
        await asyncio.sleep(wait_s * random.uniform(0.5, 1.0))  # noqa: S311
        wait_s = min(wait_s * 2, BACKOFF_MAX_S)


def _only(group: BaseExceptionGroup[BaseException]) -> BaseException:
    first = group.exceptions[0]
    return _only(first) if isinstance(first, BaseExceptionGroup) else first


async def first_of(*events: asyncio.Event) -> None:
    """Wait until one of the events is set."""
    waits = [asyncio.create_task(event.wait()) for event in events]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
