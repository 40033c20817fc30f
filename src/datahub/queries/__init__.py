"""Queries that run here: results of groups where rows may not leave, and one SELECT over rows that may.

Questions have a fixed form and are guarded (smallest group, differencing, budgets, noise); SQL runs in a process of its
own over what the agreement gives. Every query is decided, in the log and counted before anything is computed.
"""
