"""A discrete-event simulation of the whole system under load; its times are in ms.

The rules are the chassis' own: single requests gather into groups, a relay passes the outbox on in
rounds, a service consumes in batches with a pause after each that was not full. Every group, round
and batch costs so much, and each thing in it so much more; what it costs is told from outside.
"""

import random
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar

import simpy

from bench.arrivals import arrivals_s
from bench.cores import Cores, Log, Steps, Thread
from bench.figures import Course
from bench.steps import (
    CONSUMED,
    GATEWAY,
    GENERATOR,
    KAFKA,
    MESSAGES,
    POSTGRES,
    RELAYED,
    SERVICES,
    WRITTEN,
    Job,
    Request,
)

# The chassis' figures; a test compares them.
GROUP_MAX, WRITERS = 64, 2
ROWS_MAX, RELAY_PAUSE_MS = 500, 10.0
RECORDS_MAX, POLL_MS = 500, 20.0
LINGER_MS: Mapping[str, float] = {"notifications": 200.0}
LINGER_MS_ELSE = 20.0
PARTITIONS = 12

DRAIN_STEP_MS = 100.0
DRAIN_MAX = 5.0  # Times as long as the load, at most.
HOP_MS = 0.1  # One way between two processes of a machine; assumed.
ROUND_TRIPS = 4  # Of a transaction: begin, two statements, commit; assumed.


@dataclass(frozen=True)
class Cost:
    """CPU ms of a group, round or batch, of each unit in it, and of one HTTP request."""

    batch_ms: float = 0.0
    unit_ms: float = 0.0
    request_ms: float = 0.0

    def of(self, units: float) -> float:
        """One batch with so many units."""
        return self.batch_ms + self.unit_ms * units


@dataclass(frozen=True)
class Costs:
    """What a job costs, by process; `aside` is what nobody waits for, for each job."""

    by_process: Mapping[str, Cost] = field(default_factory=dict)
    aside: Mapping[str, float] = field(default_factory=dict)

    def of(self, process: str) -> Cost:
        """The cost of a process: nothing when it was not measured."""
        return self.by_process.get(process, Cost())


@dataclass(frozen=True)
class Machine:
    """What the system runs on: cores, the speed of one, the log's flush, processes of a service."""

    cores: float
    flush_ms: float
    speed: float = 1.0
    processes: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Load:
    """Arrivals at a rate, or so many callers who each wait for their answer; for so long."""

    seconds: float
    rate: float = 0.0
    callers: int = 0
    seed: int = 1


@dataclass
class Outcome:
    """What was seen: when first answers and last messages came, and what was spent on them."""

    seconds: float
    accepted: Course = field(default_factory=Course)
    ended: Course = field(default_factory=Course)
    batches: Counter[str] = field(default_factory=Counter)
    spent_ms: Mapping[str, float] = field(default_factory=dict)
    begun: int = 0
    flushes: int = 0

    def batches_per_job(self, process: str) -> float:
        """Groups, rounds and batches of a process for each job that was answered."""
        return self.batches[process] / max(1, len(self.accepted.ended))


class Order:
    """One job under way: what each service has heard of it."""

    def __init__(self, env: simpy.Environment, number: int, begun: float) -> None:
        self._env, self.number, self.begun = env, number, begun
        self._heard: dict[tuple[str, str], simpy.Event] = {}

    def heard(self, service: str, name: str) -> simpy.Event:
        """An event for when this service has heard this message."""
        return self._heard.setdefault((service, name), self._env.event())


Said = tuple[Order, str]
T = TypeVar("T")


class Replica:
    """One process of a service: its thread, the requests that gather, the records that wait."""

    def __init__(self, service: "Service", number: int) -> None:
        self.service, self.system, self.env = service, service.system, service.system.env
        self.thread = Thread(self.env, self.system.cores, service.name)
        self._cost = self.system.costs.of(service.name)
        self._requests: deque[tuple[Order, Request, simpy.Event]] = deque()
        self._writers = 0
        self._records: deque[Said] = deque()
        self._arrived = self.env.event()
        self._linger_ms = LINGER_MS.get(service.name, LINGER_MS_ELSE)
        # The processes did not start at one instant: neither do their polls.
        self._first_poll_ms = POLL_MS * self.system.chance.random()
        self.env.process(self._consume())

    def write(self, order: Order, request: Request) -> simpy.Event:
        """Hand a request to the next group; an event for its commit."""
        done = self.env.event()
        self._requests.append((order, request, done))
        if self._writers < WRITERS:
            self._writers += 1
            self.env.process(self._write())
        return done

    def _write(self) -> Steps:
        while self._requests:
            group = _taken(self._requests, GROUP_MAX)
            yield from self._transact(WRITTEN * len(group))
            said = [(order, name) for order, request, _ in group for name in request.says]
            self.service.say(said)
            for _, _, done in group:
                done.succeed()
        self._writers -= 1

    def _transact(self, units: float) -> Steps:
        self.system.count(self.service.name)
        yield self.thread.run(self._cost.of(units))
        yield from self.system.transaction(units)

    def hear(self, record: Said) -> None:
        """A record lies on one of this process's partitions."""
        self._records.append(record)
        if not self._arrived.triggered:
            self._arrived.succeed()

    def _consume(self) -> Steps:
        idle_since = self._first_poll_ms
        while True:
            if not self._records:
                self._arrived = self.env.event()
                yield self._arrived
                # FastStream sleeps as long again after an empty poll: that half is deaf.
                phase = (self.env.now - idle_since) % (2 * POLL_MS)
                if phase > POLL_MS:
                    yield self.env.timeout(2 * POLL_MS - phase)
            batch = _taken(self._records, RECORDS_MAX)
            yield from self.system.kafka(len(batch))
            by_topic: dict[str, list[Said]] = {}
            for record in batch:
                by_topic.setdefault(MESSAGES[record[1]].topic, []).append(record)
            yield self.env.all_of(
                [self.env.process(self._obey(some)) for some in by_topic.values()]
            )
            if len(batch) < RECORDS_MAX:
                yield self.env.timeout(self._linger_ms)
            yield from self.system.kafka(0)
            idle_since = self.env.now

    def _obey(self, records: list[Said]) -> Steps:
        yield from self._transact(CONSUMED * len(records))
        name = self.service.name
        self.service.say(
            [(order, answer) for order, heard in records for answer in MESSAGES[heard].then[name]]
        )
        for order, heard in records:
            event = order.heard(name, heard)
            if not event.triggered:
                event.succeed()


class Service:
    """A service's processes, its outbox and the one relay that leads."""

    def __init__(self, system: "System", name: str, processes: int) -> None:
        self.system, self.name = system, name
        self.replicas = [Replica(self, number) for number in range(processes)]
        self._outbox: deque[Said] = deque()
        self._news = system.env.event()
        system.env.process(self._relay())

    def replica_of(self, order: Order) -> Replica:
        """The process that has the order's partition; with more than there are, some have none."""
        return self.replicas[order.number % PARTITIONS % len(self.replicas)]

    def say(self, said: list[Said]) -> None:
        """What was committed lies in the outbox, and the relay is woken."""
        self._outbox.extend(said)
        if said and not self._news.triggered:
            self._news.succeed()

    def _relay(self) -> Steps:
        system, thread, cost = self.system, self.replicas[0].thread, self.system.costs.of(self.name)
        while True:
            if not self._outbox:
                self._news = system.env.event()
                yield self._news
            yield from system.question()
            rows = _taken(self._outbox, ROWS_MAX)
            units = RELAYED * len(rows)
            system.count(self.name)
            yield thread.run(cost.of(units))
            yield from system.kafka(len(rows))
            for order, name in rows:
                system.publish(order, name)
            yield from system.transaction(units)
            if len(rows) < ROWS_MAX:
                yield system.env.timeout(RELAY_PAUSE_MS)


class System:
    """Everything together: services, gateway, PostgreSQL, Kafka, and whoever makes the load."""

    def __init__(self, machine: Machine, costs: Costs, job: Job, seconds: float, seed: int) -> None:
        self.env = simpy.Environment()
        self.costs, self.job = costs, job
        self.cores = Cores(self.env, machine.cores, machine.speed)
        self.log = Log(self.env, machine.flush_ms)
        self.chance = random.Random(seed)
        self.outcome = Outcome(seconds)
        self._generator = Thread(self.env, self.cores, GENERATOR)
        self._services = {
            name: Service(self, name, machine.processes.get(name, 1)) for name in SERVICES
        }

    def count(self, process: str, batches: int = 1) -> None:
        """One more group, round or batch."""
        self.outcome.batches[process] += batches

    def question(self) -> Steps:
        """A SELECT by itself."""
        self.count(POSTGRES)
        yield self.env.timeout(2 * HOP_MS)
        yield self.cores.work(POSTGRES, self.costs.of(POSTGRES).batch_ms)

    def transaction(self, units: float) -> Steps:
        """A transaction that writes, until its commit is on the disk."""
        self.count(POSTGRES)
        yield self.env.timeout(2 * ROUND_TRIPS * HOP_MS)
        yield self.cores.work(POSTGRES, self.costs.of(POSTGRES).of(units))
        yield self.log.flush()

    def kafka(self, records: int) -> Steps:
        """Records sent or fetched, or an acknowledgement, which has none."""
        self.count(KAFKA)
        yield self.env.timeout(2 * HOP_MS)
        yield self.cores.work(KAFKA, self.costs.of(KAFKA).of(records))

    def publish(self, order: Order, name: str) -> None:
        """A record is on its topic: its followers will fetch it, and the bench's own too."""
        if name == self.job.ends:
            now = self.env.now + HOP_MS
            self.outcome.ended.add(now / 1000, (now - order.begun) / 1000)
        for follower in MESSAGES[name].then:
            self._services[follower].replica_of(order).hear((order, name))

    def do(self, number: int) -> Steps:
        """One job, request by request."""
        order = Order(self.env, number, self.env.now)
        self.outcome.begun += 1
        for place, request in enumerate(self.job.requests):
            yield from self._call(order, request)
            if place == 0:
                took = self.env.now - order.begun
                self.outcome.accepted.add(self.env.now / 1000, took / 1000)
        for process, ms in self.costs.aside.items():
            self.cores.work(process, ms)

    def _call(self, order: Order, request: Request) -> Steps:
        generator, gateway = (self.costs.of(name).request_ms / 2 for name in (GENERATOR, GATEWAY))
        replicas = self._services[request.service].replicas
        replica = replicas[order.number % len(replicas)]
        own = self.costs.of(request.service).request_ms / 2
        yield self._generator.run(generator)
        yield self.env.timeout(2 * HOP_MS)
        yield self.cores.work(GATEWAY, gateway)
        yield replica.thread.run(own)
        yield replica.write(order, request)
        if request.until is not None:
            yield order.heard(replica.service.name, request.until)
            yield from self.question()  # Whoever waited looks at the row again.
        yield replica.thread.run(own)
        yield self.cores.work(GATEWAY, gateway)
        yield self.env.timeout(2 * HOP_MS)
        yield self._generator.run(generator)

    def arrive(self, load: Load) -> Steps:
        """Begin jobs when they are due, whatever became of those before."""
        for number, at in enumerate(arrivals_s(load.rate, load.seconds, load.seed)):
            yield self.env.timeout(1000 * at - self.env.now)
            self.env.process(self.do(number))

    def repeat(self, caller: int, load: Load) -> Steps:
        """One caller, who begins the next job when the last one is done."""
        number = caller
        while self.env.now < 1000 * load.seconds:
            yield from self.do(number)
            number += load.callers


def simulate(job: Job, load: Load, machine: Machine, costs: Costs) -> Outcome:
    """Run the load for its time; the same seed is the same run."""
    system = System(machine, costs, job, load.seconds, load.seed)
    if load.callers:
        for caller in range(load.callers):
            system.env.process(system.repeat(caller, load))
    else:
        system.env.process(system.arrive(load))
    system.env.run(until=1000 * load.seconds)
    outcome = system.outcome
    # Those who still wait have their answers counted, as in the bench.
    latest = 0.0 if load.callers else DRAIN_MAX * 1000 * load.seconds
    while len(outcome.ended.ended) < outcome.begun and system.env.now < latest:
        system.env.run(until=system.env.now + DRAIN_STEP_MS)
    outcome.spent_ms, outcome.flushes = dict(system.cores.spent_ms), system.log.flushes
    return outcome


def _taken(waiting: deque[T], most: int) -> list[T]:
    return [waiting.popleft() for _ in range(min(most, len(waiting)))]
