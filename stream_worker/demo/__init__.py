"""The whole system on one machine: real broker, both stages as processes, simulated and real input."""
