"""Printers that run out of paper, stand open, fall silent or vanish: the store hears the truth."""

import os
import threading

import pytest
from device_agent.printers import PaperInDoubt, PrinterNotReady, build, safe_name
from device_agent.settings import FilePrinter, NetworkPrinter, VirtualPrinter

PAPER = b"\x1b@Deposit receipt\n\x1dVB\x00"


def printer_at(port, **options):
    settings = NetworkPrinter(
        kind="network",
        host="127.0.0.1",
        port=port,
        **{"answer_timeout_s": 0.5, "confirm_timeout_s": 0.5, **options},
    )
    return build(settings, "S1")


def test_a_ready_printer_gets_the_paper_once(paper_printer):
    """What was sent is what was printed, and the printer said that it is done."""
    printer_at(paper_printer.port).put(PAPER, "one")
    assert (paper_printer.printed, len(paper_printer.papers)) == (PAPER, 1)
    assert printer_at(paper_printer.port).came_out("one") is None  # No such printer remembers.


@pytest.mark.parametrize(
    ("trouble", "said"), [("paper_out", "out of paper"), ("cover_open", "the cover is open")]
)
def test_a_printer_in_trouble_gets_nothing_and_the_reason_is_told(paper_printer, trouble, said):
    """Out of paper or open: the job fails with the reason, and no half paper is left inside."""
    setattr(paper_printer, trouble, True)
    with pytest.raises(PrinterNotReady, match=said):
        printer_at(paper_printer.port).put(PAPER, "one")
    assert paper_printer.printed == b""


def test_a_printer_that_does_not_answer_gets_nothing(paper_printer):
    """Silence is no consent."""
    paper_printer.mute = True
    with pytest.raises(PrinterNotReady, match="does not answer"):
        printer_at(paper_printer.port).put(PAPER, "one")
    assert paper_printer.printed == b""


def test_a_printer_that_never_answers_can_be_set_up_so(paper_printer):
    """Old printers say nothing; with `answers = false` they print all the same."""
    paper_printer.mute = True
    printer_at(paper_printer.port, answers=False).put(PAPER, "one")
    for _ in range(500):
        if paper_printer.printed == PAPER:
            break
        threading.Event().wait(0.01)
    assert paper_printer.printed == PAPER


def test_a_printer_that_is_not_there_fails_the_job(paper_printer):
    """Nothing left the machine, so nothing can be in doubt."""
    port = paper_printer.port
    paper_printer.stop()
    with pytest.raises(PrinterNotReady, match="cannot reach"):
        printer_at(port).put(PAPER, "one")


def test_a_printer_that_vanishes_while_printing_leaves_a_doubt(paper_printer):
    """Some bytes are out: only eyes can tell what is on the paper."""
    paper_printer.dies_after = 5
    with pytest.raises(PaperInDoubt):
        printer_at(paper_printer.port).put(PAPER * 1000, "one")


def test_a_printer_that_never_says_done_leaves_a_doubt(paper_printer):
    """The bytes are in the printer, the paper perhaps not out of it."""
    paper_printer.silent_when_done = True
    with pytest.raises(PaperInDoubt, match="did not say"):
        printer_at(paper_printer.port).put(PAPER, "one")


def test_the_virtual_printer_keeps_papers_by_store(tmp_path):
    """Each store has its folder, and there is never half a paper in it."""
    options = VirtualPrinter(kind="virtual", folder=tmp_path)
    build(options, "S1").put(PAPER, "one")
    build(options, "../S2").put(PAPER, "two")
    assert build(options, "S1").came_out("one")
    assert not build(options, "S1").came_out("two")
    kept = {str(file.relative_to(tmp_path)) for file in tmp_path.rglob("*") if file.is_file()}
    assert kept == {"S1/one.bin", "_S2/two.bin"}


def test_the_virtual_printer_without_a_folder_is_not_ready(tmp_path):
    """A folder that cannot be made fails the job, as paper that ran out does."""
    (tmp_path / "file").write_text("in the way")
    printer = build(VirtualPrinter(kind="virtual", folder=tmp_path / "file"), "S1")
    with pytest.raises(PrinterNotReady):
        printer.put(PAPER, "one")


def test_a_device_file_gets_the_bytes(tmp_path):
    """A printer at /dev/usb/lp0 is only a file to write to."""
    line = tmp_path / "lp0"
    os.mkfifo(line)
    read = []
    reader = threading.Thread(target=lambda: read.append(line.read_bytes()))
    reader.start()
    build(FilePrinter(kind="file", path=line), "S1").put(PAPER, "one")
    reader.join(5)
    assert read == [PAPER]


@pytest.mark.parametrize("text", ["", ".", "..", "a/b", "Магазин 1", "x" * 300])
def test_a_stores_code_is_always_a_plain_folder_name(text):
    """No code leads out of the folder."""
    name = safe_name(text)
    assert name
    assert "/" not in name
    assert not name.startswith(".")
