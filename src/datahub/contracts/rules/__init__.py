"""What may happen to access requests and agreements: tables, and pure functions over them."""
