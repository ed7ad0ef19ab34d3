"""Whether the system keeps its promises when things break: the judge, the town, and the faults."""
