"""Files on their way to a server and back: names, uploads, downloads, folders.

Here: bodies that can be read twice, sinks that are written to, names that are safe to make. Not
here: which requests send or fetch a file (``plans.attachments``, ``plans.downloads``), and who
sends them.
"""
