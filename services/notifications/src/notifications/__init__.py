"""E-mails and personal-account messages."""
