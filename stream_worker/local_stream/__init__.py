"""A stream of one's own on a broker, for demo, benchmark and tests: names, topics, stages as processes."""
