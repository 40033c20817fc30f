"""What is unusual, what may become of a review, how a line of syslog is written. Pure."""
