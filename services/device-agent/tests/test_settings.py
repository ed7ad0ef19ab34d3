"""A mistake in the settings is one clear line, not a stack trace."""

from uuid import uuid4

import pytest
from device_agent.settings import SettingsRefused, load

GOOD = 'url = "ws://127.0.0.1:8080/api/v1/agents/link"\njournal = "j.sqlite3"\n'


@pytest.fixture
def written(tmp_path):
    def write(text):
        path = tmp_path / "agent.toml"
        path.write_text(text)
        return path

    return write


def test_a_stores_own_printer_comes_before_the_one_for_every_store(written):
    """Code or id name the store; any other store prints on the default."""
    store_id = uuid4()
    settings = load(
        written(
            GOOD
            + '[printer]\nkind = "virtual"\nfolder = "papers"\n'
            + '[[printers]]\nstore = "S1"\nkind = "network"\nhost = "10.0.0.9"\n'
            + f'[[printers]]\nstore = "{store_id}"\nkind = "file"\npath = "/dev/usb/lp0"\n'
        )
    )
    assert settings.printer_for(uuid4(), "S1").kind == "network"
    assert settings.printer_for(store_id, "S7").kind == "file"
    assert settings.printer_for(uuid4(), "S8").kind == "virtual"


def test_code_pages_are_named_or_numbered(written):
    """A printer that counts its pages otherwise is told the number."""
    table = '[printer]\nkind = "virtual"\nfolder = "p"\n'
    named = load(written(GOOD + table + 'code_pages = ["cp866", "cp1252"]\n')).printer
    assert named.paper.code_pages == (("cp866", 17), ("cp1252", 16))
    numbered = load(written(GOOD + table + "code_pages = { cp866 = 7 }\n")).printer
    assert numbered.paper.code_pages == (("cp866", 7),)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("url = ", "not TOML"),
        (GOOD + "colour = 1\n", "colour"),
        (GOOD.replace("ws:", "http:"), "ws://"),
        (GOOD + 'transport = "kafka"\n', "brokers"),
        (GOOD + 'time_zone = "Mars/Olympus"\n', "no time zone"),
        (GOOD + '[printer]\nkind = "virtual"\nfolder = "p"\ncode_pages = ["cp1"]\n', "code page"),
    ],
)
def test_a_mistake_is_named(written, text, said):
    """The line says what to mend."""
    with pytest.raises(SettingsRefused, match=said):
        load(written(text))
