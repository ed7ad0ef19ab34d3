"""E1, E2, E3: a process ends without a word, and nobody is there to start it again."""

from collections.abc import Awaitable, Callable

from local.topology import AGENT, BY_NAME, GATEWAY, KAFKA, MAIL, POSTGRES

from faults.scene import Done, Scene

KEPT = (*BY_NAME, GATEWAY, MAIL, AGENT)


def killing(name: str) -> Callable[[Scene], Awaitable[Done]]:
    """The fault that ends this process."""

    async def kill(scene: Scene) -> Done:
        return Done(f"killed {name}", await scene.system.kill(name))

    return kill


async def kill_any(scene: Scene) -> Done:
    """E1: whichever chance names."""
    return await killing(scene.chance.choice(KEPT))(scene)


kill_kafka = killing(KAFKA)
kill_postgres = killing(POSTGRES)
