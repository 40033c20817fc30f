"""What may be asked, decided over plain values: questions, the SQL they become, and the SQL others may send."""
