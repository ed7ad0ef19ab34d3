"""Stores, warehouses, stock, holds, transfers and receipts."""
