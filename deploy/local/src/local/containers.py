"""What must be there before the containers of the services start; safe to repeat.

The addresses come from HOLDFAST_POSTGRES (a superuser's) and HOLDFAST_KAFKA, the passwords from
HOLDFAST_<SERVICE>_OWNER_PASSWORD and HOLDFAST_<SERVICE>_APP_PASSWORD.
"""

import asyncio
import os
import sys

from psycopg.conninfo import conninfo_to_dict

from local.migrations import upgrade_all
from local.postgres import make_roles_at
from local.refusals import CannotStart
from local.topics import make_topics
from local.topology import SERVICES, app_role, owner_role


def setting(name: str) -> str:
    """A variable that has no default, for a default would be a secret that everybody knows."""
    value = os.environ.get(f"HOLDFAST_{name}")
    if not value:
        raise CannotStart(f"Set HOLDFAST_{name}.")
    return value


def main() -> None:
    """Make roles, databases, tables and topics."""
    owners = [service.name for service in SERVICES if service.owns_database]
    passwords = {
        role(name): setting(f"{role(name).upper()}_PASSWORD")
        for name in owners
        for role in (owner_role, app_role)
    }
    superuser = setting("POSTGRES")
    make_roles_at(superuser, passwords)
    server = conninfo_to_dict(superuser)
    place = f"{server['host']}:{server.get('port', 5432)}"
    upgrade_all(
        {
            name: f"postgresql+asyncpg://{role}:{passwords[role]}@{place}/{name}"
            for name in owners
            for role in [owner_role(name)]
        }
    )
    asyncio.run(make_topics(setting("KAFKA")))


if __name__ == "__main__":
    try:
        main()
    except CannotStart as refusal:
        sys.exit(str(refusal))
