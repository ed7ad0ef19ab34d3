"""A copy of the stores and warehouses that inventory owns."""
