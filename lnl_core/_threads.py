"""How threads wait for each other. To be set before PyTorch is imported, by who owns the process: a command, not a library."""

SHORT_WAITS = ("GOMP_SPINCOUNT", "10000")
"""Threads of GNU OpenMP that wait for others turn round and round for a while, and a processor that somebody else needs is then
lost to both: beside other busy processes, a training with two threads on two cores took 30 s and, with this shorter while, 4 s.
Alone it takes as long as before."""
