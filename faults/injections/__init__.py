"""The faults of the quality page that are made on a running system (E5, E7, E9, E18 are not)."""

from faults.injections import absences, answers, disks, kills, overload, papers, races, records
from faults.scene import Fault

PROCESS_S, SERVER_S = 15.0, 60.0  # The quality page's bars.

ALL: tuple[Fault, ...] = (
    Fault("E1", "a process is killed", kills.kill_any, PROCESS_S),
    Fault("E2", "Kafka is killed", kills.kill_kafka, SERVER_S),
    Fault("E3", "PostgreSQL is killed", kills.kill_postgres, SERVER_S),
    Fault("E4", "the connection is lost inside COMMIT", answers.lose_commits, PROCESS_S),
    Fault("E6", "every event is delivered three times", records.deliver_again, SERVER_S),
    Fault("E8", "the disk under PostgreSQL is full", disks.fill_postgres, SERVER_S),
    Fault("E8", "the disk under Kafka is full", disks.fill_kafka, SERVER_S),
    Fault("E10", "poison on the topics", records.poison, PROCESS_S),
    Fault("E11", "a consumer stands still, then lags", absences.pause_consumer, SERVER_S),
    Fault("E12", "the mail server is away", absences.stop_mail, PROCESS_S),
    Fault("E13", "the printer is in trouble", papers.printer_in_trouble, PROCESS_S),
    Fault("E14", "power cut after the paper", papers.power_cut_after_paper, PROCESS_S),
    Fault("E15", "200 buyers, 5 units", races.sell_out, PROCESS_S),
    Fault("E16", "holds end as their payments arrive", races.end_holds, PROCESS_S),
    Fault("E17", "two relays at once", records.two_relays, SERVER_S),
    Fault("OVERLOAD", "three times the peak", overload.overload, PROCESS_S),
)
CODES = tuple(dict.fromkeys(fault.code for fault in ALL))

# What CI tries each time; E1 twice, each time another service.
SHORT: tuple[Fault, ...] = (
    Fault("E1", "orders is killed", kills.killing("orders"), PROCESS_S),
    Fault("E12", "the mail server is away", absences.stop_mail, PROCESS_S),
    Fault("E1", "inventory is killed", kills.killing("inventory"), PROCESS_S),
    Fault("E15", "200 buyers, 5 units", races.sell_out, PROCESS_S),
    Fault("E3", "PostgreSQL is killed", kills.kill_postgres, SERVER_S),
)
