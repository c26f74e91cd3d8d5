"""Who carries out the effects of plans.

Here: the driver that blocks, blocks of a batch, dry runs, plans in several threads, reading ahead,
bars of progress. Not here: what is sent. A driver does not look into requests.
"""
