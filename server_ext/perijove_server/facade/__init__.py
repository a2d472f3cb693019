"""A read-only S3 on loopback, so that any S3 client in a kernel reads the platform's datasets without their keys."""
