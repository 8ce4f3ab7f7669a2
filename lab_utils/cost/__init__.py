"""What serving costs: prices, and what they come to for a token or a query."""
