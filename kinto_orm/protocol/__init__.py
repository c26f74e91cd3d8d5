"""Kinto's own language, as values and functions: what is on the wire, and what it means.

Here: requests and answers, encoding, ids, timestamps, filters and queries, envelopes, signatures,
and which error an answer is. Not here: what is known of an object, and who sends anything. Nothing
in this room knows a network, a clock or a thread.
"""
