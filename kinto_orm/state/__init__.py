"""What is known here of an object, as it was loaded and as it was edited.

Here: documents with their data and permissions, what was edited since they were loaded, what a
write would send, merges, patches, tombstones. Not here: when to ask the server, and what for.
Plans read this state and put answers into it, by functions that have a name. Private attributes
are shared within this room only.
"""
