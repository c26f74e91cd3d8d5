"""One request on its way to one server and back.

Here: options, credentials, preparing and signing, repetitions and pauses, redirects, sessions, and
the leaf, which alone touches a socket. Not here: what is asked, and what an answer means for an
object.
"""
