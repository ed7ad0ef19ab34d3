"""Writes the golden schemas: `make schemas`, after an addition, and then commit them."""

import json
from pathlib import Path

from contracts.catalogue import MESSAGES

SCHEMAS = Path(__file__).parents[1] / "schemas"


def main() -> None:
    SCHEMAS.mkdir(exist_ok=True)
    for message in MESSAGES:
        text = json.dumps(message.model_json_schema(), indent=2, sort_keys=True)
        (SCHEMAS / f"{message.TYPE}.json").write_text(f"{text}\n")


if __name__ == "__main__":
    main()
