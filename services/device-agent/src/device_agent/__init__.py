"""The agent in a store: prints, scans, and keeps a journal of both."""
