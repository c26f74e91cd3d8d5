"""What is sent, and what becomes of the answer: one generator for each flow.

A plan yields effects (``effects``) and is sent what came of them. Here: every verb, reading lists,
batches, syncs and copies, files, reviews, changesets, accounts, and the checks of their arguments.
Not here: who carries an effect out. A plan knows no network, no clock, no thread and no system.
"""
