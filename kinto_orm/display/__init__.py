"""How what a user holds looks in a notebook.

Pure functions: they are given what is known, and make no request. What asks a server first, as a
list does, is in ``objects``; what is printed as text is the ``repr`` of each class.
"""
