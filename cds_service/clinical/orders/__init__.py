"""What is said of orders that are being written (order hooks): the rows O1 to O13r, and which of them speak."""
