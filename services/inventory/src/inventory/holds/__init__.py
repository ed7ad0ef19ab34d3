"""What is promised to orders: holds, decisions, take-out, put-back, reminders, transfers."""
