"""The pages over an API in memory, and a browser to look at them."""
