"""What a start is made of: the user's options, the wait for the server, what a failed start leaves, and inventories."""
