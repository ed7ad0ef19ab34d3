"""The type of a JSON object, as the API sends and takes it."""

from typing import Any

Json = dict[str, Any]
