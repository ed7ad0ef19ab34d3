"""The rules of holding goods, without I/O."""
