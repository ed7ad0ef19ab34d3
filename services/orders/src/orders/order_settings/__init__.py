"""What the chain decided for new orders: the prepayment and each channel's first status."""
