"""The life of a lease: quota and placement in one transaction, and the bookkeeping that ends in reality."""
