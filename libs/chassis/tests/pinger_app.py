"""The tiny service as a process of its own, to be killed: python -m tests.pinger_app TOPIC NAME."""

import os
import sys

from chassis.service import Service
from chassis.settings import DatabaseSettings
from chassis.subscriptions import Subscriptions
from contracts.shipping import ShipmentPosted, ShipmentPosting, ShipmentRefused

sys.path.insert(0, os.path.dirname(os.path.dirname(__file__)))
from tests.conftest import write_down


def main(topic: str, name: str) -> None:
    own = Subscriptions()
    own.follow(topic, handles=(ShipmentPosting, ShipmentPosted), ignores=(ShipmentRefused,))(
        write_down
    )
    Service(name, DatabaseSettings, routers=(), subscriptions=own.all).run()


if __name__ == "__main__":
    main(*sys.argv[1:])
