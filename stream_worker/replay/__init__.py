"""Replays of archived candidates, without looking ahead: offline into a Parquet file, or through topics.

`offline.replay_offline` scores an archive with the stages of the stream and no broker,
`topic.replay_to_topic` sends it through topics of its own, `diff` compares two runs.
"""
