"""What a user holds: connections, buckets, collections, groups, records, lists of them.

Here: one class for each noun, whose verbs have a full docstring and one line that has a plan run.
Not here: anything that makes no request; it is below, for ``aio`` has the same nouns.
"""
