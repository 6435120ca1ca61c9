"""Kafka adapters: records, consumer, transactional producer, topics."""
