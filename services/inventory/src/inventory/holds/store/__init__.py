"""Holds in the database: tables, the book of a batch, and questions."""
