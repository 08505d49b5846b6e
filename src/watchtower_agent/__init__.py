"""The Watchtower agent: reads the journal of one host and tells the collector who logged in.

journal -> parse -> spool -> send. Standard library and ``requests`` only, Python 3.9 or later.
"""
