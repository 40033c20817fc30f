"""What every slice stands on: context, settings, database, ids, clock, refusals, REST, HTTP out, outbox, paging.

The kernel knows no noun of the business. It takes something in only when two slices already need it.
"""
