"""Live APIs: a dataset whose data is asked of a provider's own HTTP service, call by call, and never stored here.

The same decision, log and rules as for stored data: what a policy hides of rows and columns is taken out of an answer by
the engine before it leaves. RFC 9110 (proxies: hop-by-hop fields, §7.6.1); RFC 6901 (where in an answer the rows are).
"""
