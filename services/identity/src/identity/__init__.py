"""Accounts, roles, store scopes and tokens."""
