"""The verbs of reviewing: watching the log, judging, reporting to persons, forwarding."""
