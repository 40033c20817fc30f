"""REST messages of the access log: `log` for its lines, receipts and erasures; `review` for those who look through it."""
