"""The staff console and the customer's personal account."""
