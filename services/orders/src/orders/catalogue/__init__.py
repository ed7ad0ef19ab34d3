"""Items: what is sold, its barcodes and list prices; special-order items among them."""
