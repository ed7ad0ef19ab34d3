"""What of the machine was the measured system's, the host's, and other programs'."""

import os

import pytest

from bench.system import others_of, stolen_of


def test_what_other_programs_had_is_neither_own_nor_idle_nor_the_hosts() -> None:
    """Of 100 s of CPU time 30 were busy, 20 of them with own work, and 10 the host's."""
    tick = os.sysconf("SC_CLK_TCK")
    before = "cpu  0 0 0 0 0 0 0 0 0 0\n"
    spent = (15, 1, 10, 55, 5, 2, 2, 10)
    after = f"cpu  {' '.join(str(tick * seconds) for seconds in spent)} 0 0\n"
    assert others_of(before, after, own_s=20) == pytest.approx(0.1)
    assert others_of(before, after, own_s=31) == 0
    assert stolen_of(before, after) == pytest.approx(0.1)
