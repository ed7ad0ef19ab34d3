"""What Holdfast's services say to one another: data only, additive changes only."""
