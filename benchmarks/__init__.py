"""Benchmarks: FlashNotify beside a peer that does the same work, on the same machine, in turns.

Run them with `make bench`, or one with `make bench ARGS=accept`.
"""
