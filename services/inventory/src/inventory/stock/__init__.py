"""What lies in the warehouses: receipts, stock, and the ledger that explains it."""
