"""What every fact and command has in common: a type, a topic and the key it travels under."""

from typing import ClassVar

from pydantic import BaseModel, ConfigDict


class Part(BaseModel):
    """A piece of a message. Unknown fields are ignored, so that producers may add some."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)


class Message(Part):
    """One record on the bus: its class says type and topic, its KEY field names the aggregate."""

    TYPE: ClassVar[str]
    TOPIC: ClassVar[str]
    KEY: ClassVar[str]

    @property
    def subject(self) -> str:
        """The aggregate's id, which is also the record's key."""
        return str(getattr(self, self.KEY))


class Fact(Message):
    """Something that happened, said by the service that owns it, numbered per aggregate."""


class State(Message):
    """The newest state of an aggregate, on a compacted topic: any higher version wins."""


class Tombstone(State):
    """The aggregate is gone: the record has a key and no value, and compaction forgets the rest."""


class Command(Message):
    """A wish addressed to the one service that owns the topic; deduplicated by its id alone."""


class Republish(Command):
    """Say again every fact of this key from this version on: a follower missed one.

    It goes to the commands topic of the service that owns `topic`; see `contracts.topics`.
    """

    TYPE: ClassVar[str] = "republish.v1"
    KEY: ClassVar[str] = "key"

    topic: str
    key: str
    from_version: int
