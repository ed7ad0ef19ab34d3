"""The ledger, payments, refunds, proformas and invoices."""
