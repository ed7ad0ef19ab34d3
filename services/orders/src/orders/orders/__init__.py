"""Orders: taking them, their two statuses, their process and the journal."""
