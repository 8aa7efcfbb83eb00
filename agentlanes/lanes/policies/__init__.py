"""Policies of a lane call: one small state machine a file, each usable alone.

None of them reads a clock, sleeps or opens a connection: whoever uses one passes the time, in
seconds of a monotonic clock, so that a virtual clock drives them as well as a real one.
"""
